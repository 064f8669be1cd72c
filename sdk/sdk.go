package sdk

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/schema"
)

// Version is the version of the SDK that Describe tells.
const Version = "0.1.0"

// Features that a plugin may announce in Info.Features.
const (
	// FeatureStream says that Collect is meant to go on for ever: where it returns, it is called
	// again.
	FeatureStream = "stream"
	// FeatureAcknowledge says that the collector is an Acknowledger and wants to be told.
	FeatureAcknowledge = "acknowledge"
)

// Info says what a plugin is.
type Info struct {
	// Name is the short name, without the role: the binary collector-folder is named "folder".
	Name    string
	Version string
	// Summary is one sentence for lists.
	Summary       string
	ResourceTypes []ResourceType
	EventSources  []EventSource
	Features      []string
}

// ResourceType declares a type of resource whose items the plugin sends.
type ResourceType struct {
	// Type is Vendor::Service::Type.
	Type string
	// Schema is a JSON Schema of the whole item; ConfigurationSchema makes one from a Go struct.
	Schema json.RawMessage
	// Volatile are JSON pointers into the item whose changes make no new version: counters, process
	// ids. "*" stands for any one member or element.
	Volatile []string
	// Sensitive are JSON pointers whose values are replaced by a keyed hash before anything is
	// written, so that a change still shows and the value does not.
	Sensitive []string
	Doc       string
}

// EventSource declares a source of events.
type EventSource struct {
	Source string
	// Schema is a JSON Schema of the events' detail; it may be empty.
	Schema    json.RawMessage
	Sensitive []string
	Doc       string
}

// ConfigurationSchema returns the JSON Schema of an item whose configuration is the Go struct v, by
// its json and doc tags.
func ConfigurationSchema(v any) json.RawMessage { return schema.Item(v) }

// Env is what an instance is given besides its configuration.
type Env struct {
	// Instance is the full name: "collector.folder.home".
	Instance string
	// Log reaches the daemon's log.
	Log *slog.Logger
	// StateDir is a folder of the instance's own that is kept across restarts.
	StateDir string
	// Every is the instance's interval, 0 where the operator gave none. A collector that returns from
	// Collect is called again by it; one that stays in Collect paces itself by it.
	Every time.Duration
}

// Collector finds records.
type Collector interface {
	// Collect sends what there is, from out.Cursor on. It returns when one run is done, or stays and
	// goes on sending. When ctx ends it sends a last checkpoint and returns ctx.Err() or nil. Another
	// error ends the run and shows in the daemon's status. A collector that also implements io.Closer
	// is closed before the process ends.
	Collect(ctx context.Context, out Emitter) error
}

// Acknowledger is implemented by collectors whose source must be told what is durable, such as a
// queue.
type Acknowledger interface {
	// Acknowledge says that everything up to the checkpoint is durable.
	Acknowledge(ctx context.Context, checkpointID uint64) error
}

// Notifier delivers notifications.
type Notifier interface {
	// Notify delivers one notification and says what came of it. It may be called concurrently. The
	// same ID may come again after a crash or a lost answer.
	Notify(ctx context.Context, n Notification) Result
}

// Outcome is what came of a delivery.
type Outcome int

// The outcomes of a delivery.
const (
	OutcomeDelivered Outcome = iota + 1
	OutcomeRetry
	OutcomeRejected
)

// Result is a notifier's answer.
type Result struct {
	Outcome Outcome
	// RetryAfter is the receiver's wish; 0 leaves it to the daemon.
	RetryAfter time.Duration
	// Detail says what the receiver answered, for people.
	Detail string
}

// Delivered says that the receiver has it.
func Delivered(detail string) Result { return Result{Outcome: OutcomeDelivered, Detail: detail} }

// Retry says that it may work later; after may be 0.
func Retry(err error, after time.Duration) Result {
	return Result{Outcome: OutcomeRetry, RetryAfter: after, Detail: err.Error()}
}

// Rejected says that it will never work.
func Rejected(err error) Result { return Result{Outcome: OutcomeRejected, Detail: err.Error()} }

// Invalid is an error of the configuration at an attribute, written as a dotted path: "tls.ca_file".
// The operator sees it at the line of that attribute. Several are joined with errors.Join.
func Invalid(path string, err error) error {
	if err == nil {
		return nil
	}
	return &configError{path: strings.Split(path, "."), err: err}
}

// problems turns what open returned into problems with paths.
func problems(err error) []*pluginv1.Problem {
	switch x := err.(type) {
	case nil:
		return nil
	case *configError:
		return []*pluginv1.Problem{{
			Severity: pluginv1.Problem_SEVERITY_ERROR, Summary: "Invalid " + x.path[len(x.path)-1], Detail: printable(x.err.Error()), Path: x.path,
		}}
	case interface{ Unwrap() []error }:
		var out []*pluginv1.Problem
		for _, e := range x.Unwrap() {
			out = append(out, problems(e)...)
		}
		return out
	case interface{ Unwrap() error }:
		// What an error is wrapped in is of less use than the place that it is about.
		inner := problems(x.Unwrap())
		if slices.ContainsFunc(inner, func(p *pluginv1.Problem) bool { return len(p.GetPath()) > 0 }) {
			return inner
		}
	}
	return []*pluginv1.Problem{{Severity: pluginv1.Problem_SEVERITY_ERROR, Summary: "Invalid configuration", Detail: printable(err.Error())}}
}
