package channel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// eventMark is the member under which an event stands that is no CloudTrail record.
const eventMark = `"regentEvent"`

// appendEvent appends an event as a record of a trail's file: the CloudTrail record that it was made of,
// where it was, and else a record that looks like one and holds the event itself.
func appendEvent(dst []byte, ev *record.Event) ([]byte, error) {
	if detail := cloudTrail(ev); detail != nil {
		return appendLine(dst, detail)
	}
	return appendForeign(dst, ev)
}

// appendLine appends JSON without line breaks: readers of such files take a file of one line.
func appendLine(dst, value []byte) ([]byte, error) {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return append(dst, value...), nil
	}
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, value); err != nil {
		return nil, fmt.Errorf("event without line breaks: %w", err)
	}
	return b.Bytes(), nil
}

// mapped are the members of an event that is made of a CloudTrail record. One that has others was made by
// somebody else, and cannot be made again of the record alone.
var mapped = map[string]bool{
	`"id"`: true, `"time"`: true, `"source"`: true, `"type"`: true, `"action"`: true, `"outcome"`: true, `"error"`: true,
	`"actor"`: true, `"origin"`: true, `"targets"`: true, `"accountId"`: true, `"region"`: true, `"detail"`: true,
}

// cloudTrail returns the CloudTrail record that an event was made of, nil where it was made of something
// else or says something else than the record does.
func cloudTrail(ev *record.Event) []byte {
	if ev.Source != "aws.cloudtrail" {
		return nil
	}
	var detail []byte
	plain := true
	record.Members(ev.Body, func(name, value []byte) bool {
		if string(name) == `"detail"` {
			detail = value
		}
		plain = plain && mapped[string(name)]
		return plain
	})
	if !plain || len(detail) == 0 || detail[0] != '{' {
		return nil
	}
	// Names are compared as they stand: whoever reads the record back minds the case.
	var id, at, service, name, kind string
	record.Members(detail, func(n, value []byte) bool {
		switch string(n) {
		case `"eventID"`:
			id = text(value)
		case `"eventTime"`:
			at = text(value)
		case `"eventSource"`:
			service = text(value)
		case `"eventName"`:
			name = text(value)
		case `"eventType"`:
			kind = text(value)
		case eventMark:
			plain = false
		}
		return true
	})
	if !plain || service == "" || name == "" {
		return nil
	}
	if host, _, ok := strings.Cut(service, ".amazonaws.com"); ok && host != "" {
		service = host
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil || !t.UTC().Truncate(time.Microsecond).Equal(ev.Time) || id != ev.ID || kind != ev.Type || ev.Action != service+":"+name {
		return nil
	}
	return detail
}

// text returns the text of a JSON string, "" where the value is none.
func text(value []byte) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// identity is an actor as CloudTrail writes one.
type identity struct {
	Type        string `json:"type,omitempty"`
	PrincipalID string `json:"principalId,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	UserName    string `json:"userName,omitempty"`
}

// appendForeign appends an event of another source under CloudTrail's names. They are for those who search
// such files; what counts is the event itself.
func appendForeign(dst []byte, ev *record.Event) ([]byte, error) {
	var in struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	// The message may be of any type; where it is no text there is none.
	_ = json.Unmarshal(ev.Body, &in)
	head, err := json.Marshal(struct {
		EventVersion string   `json:"eventVersion"`
		Category     string   `json:"eventCategory"`
		UserIdentity identity `json:"userIdentity"`
		EventTime    string   `json:"eventTime"`
		EventSource  string   `json:"eventSource"`
		EventName    string   `json:"eventName"`
		EventType    string   `json:"eventType,omitempty"`
		Region       string   `json:"awsRegion"`
		Address      string   `json:"sourceIPAddress,omitempty"`
		Agent        string   `json:"userAgent,omitempty"`
		ErrorCode    string   `json:"errorCode,omitempty"`
		ErrorMessage string   `json:"errorMessage,omitempty"`
		EventID      string   `json:"eventID,omitempty"`
		Recipient    string   `json:"recipientAccountId,omitempty"`
	}{
		"1.08", "ActivityAuditLog",
		identity{ev.Actor.Type, ev.Actor.ID, ev.Actor.AccountID, ev.Actor.Name},
		ev.Time.UTC().Format("2006-01-02T15:04:05Z"), ev.Source, ev.Action, ev.Type, ev.Region, ev.Origin.Address, ev.Origin.UserAgent,
		ev.ErrorCode, in.Error.Message, ev.ID, ev.AccountID,
	})
	if err != nil {
		return nil, fmt.Errorf("write event %s of %s: %w", ev.ID, ev.Source, err)
	}
	dst = append(append(dst, head[:len(head)-1]...), `,`+eventMark+`:`...)
	if dst, err = appendLine(dst, ev.Body); err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}
