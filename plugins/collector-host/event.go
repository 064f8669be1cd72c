package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"time"

	"github.com/regent-dev/regent/sdk"
)

// fileChange is the detail of an event about a watched file.
type fileChange struct {
	Path       string             `json:"path" doc:"Path of the file."`
	From       string             `json:"from,omitempty" doc:"Path before a renaming."`
	Changes    []string           `json:"changes" doc:"Members of the configuration that differ."`
	Before     *fileConfiguration `json:"before,omitempty" doc:"The file before; absent where there was none."`
	After      *fileConfiguration `json:"after,omitempty" doc:"The file after; absent where there is none."`
	DetectedBy string             `json:"detectedBy" doc:"inotify: as it happened; comparison: by looking at all files, so that it happened some time before."`
	Transient  bool               `json:"transient,omitempty" doc:"Whether the file was gone again before it could be looked at."`
}

// The actions of events.
const (
	actionCreate = "file:Create"
	actionModify = "file:Modify"
	actionChmod  = "file:Chmod"
	actionChown  = "file:Chown"
	actionRename = "file:Rename"
	actionDelete = "file:Delete"
)

// detailSchema is the schema of an event's detail.
func detailSchema(v any) json.RawMessage {
	var item struct {
		Properties struct {
			Configuration json.RawMessage `json:"configuration"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(sdk.ConfigurationSchema(v), &item); err != nil {
		panic(err) // the SDK makes it of the same struct every time
	}
	return item.Properties.Configuration
}

// event is one thing that happened to a file. Nothing of who did it is known: inotify does not say.
func (h *host) event(action string, at time.Time, change fileChange) sdk.Event {
	e := sdk.Event{
		Time: at, Source: eventSource, Type: "FileChange", Action: action, Outcome: sdk.OutcomeSuccess,
		AccountID: h.account, Region: region, Detail: change,
		Targets: []sdk.Target{h.target(change.Path)},
	}
	if change.From != "" {
		e.Targets = append(e.Targets, h.target(change.From))
	}
	// The same change told twice, as after a restart of the stream, is one event.
	digest := ""
	if change.After != nil {
		digest = change.After.SHA256
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s\x00%d\x00%s", h.account, action, change.Path, change.From, at.UnixMicro(), digest))
	e.ID = hex.EncodeToString(sum[:16])
	return e
}

func (h *host) target(name string) sdk.Target {
	return sdk.Target{ResourceType: typeFile, ResourceID: name, Name: path.Base(name), AccountID: h.account, Region: region}
}

// differences names the members that differ between two states of a file, by the action that changes
// them.
func differences(a, b *observed) (content, mode, owner []string) {
	x, y := &a.conf, &b.conf
	add := func(to *[]string, differs bool, name string) {
		if differs {
			*to = append(*to, name)
		}
	}
	add(&content, x.Type != y.Type, "type")
	add(&content, x.LinkTarget != y.LinkTarget, "linkTarget")
	if x.NotRead != notReadMetadata && y.NotRead != notReadMetadata {
		add(&content, size(x) != size(y), "sizeBytes")
		add(&content, x.SHA256 != y.SHA256 && x.SHA256 != "" && y.SHA256 != "", "sha256")
		// What was not read is taken to have changed when its time says so.
		unread := x.Type == "file" && (x.SHA256 == "" || y.SHA256 == "")
		add(&content, unread && !a.modified.Equal(b.modified), "modifiedAt")
	}
	add(&mode, x.Mode != y.Mode && x.Type == y.Type, "mode")
	add(&owner, x.UID != y.UID, "uid")
	add(&owner, x.GID != y.GID, "gid")
	return content, mode, owner
}

func size(c *fileConfiguration) int64 {
	if c.SizeBytes == nil {
		return -1
	}
	return *c.SizeBytes
}
