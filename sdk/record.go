package sdk

import (
	"encoding/json"
	"fmt"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Kind says what kind of record a record is.
type Kind = pluginv1.Kind

// The kinds of record.
const (
	KindItem  = pluginv1.Kind_KIND_ITEM
	KindEvent = pluginv1.Kind_KIND_EVENT
)

// The statuses of an item; an empty status means StatusOK.
const (
	StatusOK          = "OK"
	StatusDiscovered  = "ResourceDiscovered"
	StatusDeleted     = "ResourceDeleted"
	StatusNotRecorded = "ResourceNotRecorded"
)

// Relationship points to another resource by its id, or by its name where the id is not known.
type Relationship struct {
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId,omitempty"`
	ResourceName string `json:"resourceName,omitempty"`
	// Name says how the two are related: "Is member of Group".
	Name string `json:"name,omitempty"`
}

// Item is one version of one resource's configuration. ResourceType and ResourceID are required; a
// zero CaptureTime becomes the time at which the daemon receives it.
type Item struct {
	AccountID        string
	Region           string
	ResourceType     string
	ResourceID       string
	ResourceName     string
	ARN              string
	AvailabilityZone string
	CaptureTime      time.Time
	CreationTime     time.Time
	Status           string
	// Configuration is anything that encoding/json makes an object of.
	Configuration              any
	SupplementaryConfiguration any
	Tags                       map[string]string
	Relationships              []Relationship
	RelatedEvents              []string
}

// check refuses an item that the daemon could not keep.
func (it Item) check() error {
	switch {
	case it.ResourceType == "":
		return fmt.Errorf("item %q has no ResourceType", it.ResourceID)
	case it.ResourceID == "":
		return fmt.Errorf("item of type %s has no ResourceID", it.ResourceType)
	}
	return nil
}

// itemJSON is an item under AWS Config's names.
type itemJSON struct {
	AccountID     string            `json:"accountId,omitempty"`
	Region        string            `json:"region,omitempty"`
	Type          string            `json:"resourceType"`
	ID            string            `json:"resourceId"`
	Name          string            `json:"resourceName,omitempty"`
	ARN           string            `json:"arn,omitempty"`
	Zone          string            `json:"availabilityZone,omitempty"`
	CaptureTime   *jsonTime         `json:"configurationItemCaptureTime,omitempty"`
	CreationTime  *jsonTime         `json:"resourceCreationTime,omitempty"`
	Status        string            `json:"configurationItemStatus"`
	Configuration any               `json:"configuration,omitempty"`
	Supplementary any               `json:"supplementaryConfiguration,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	Relationships []Relationship    `json:"relationships,omitempty"`
	RelatedEvents []string          `json:"relatedEvents,omitempty"`
}

// MarshalJSON writes the item under AWS Config's names.
func (it Item) MarshalJSON() ([]byte, error) {
	status := it.Status
	if status == "" {
		status = StatusOK
	}
	return json.Marshal(itemJSON{
		it.AccountID, it.Region, it.ResourceType, it.ResourceID, it.ResourceName, it.ARN, it.AvailabilityZone,
		timeOrNil(it.CaptureTime), timeOrNil(it.CreationTime), status, it.Configuration,
		it.SupplementaryConfiguration, it.Tags, it.Relationships, it.RelatedEvents,
	})
}

// UnmarshalJSON reads what MarshalJSON writes. Configuration and SupplementaryConfiguration become
// json.RawMessage, nil where they are missing.
func (it *Item) UnmarshalJSON(b []byte) error {
	var configuration, supplementary json.RawMessage
	w := itemJSON{Configuration: &configuration, Supplementary: &supplementary}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*it = Item{
		AccountID: w.AccountID, Region: w.Region, ResourceType: w.Type, ResourceID: w.ID, ResourceName: w.Name, ARN: w.ARN,
		AvailabilityZone: w.Zone, CaptureTime: w.CaptureTime.time(), CreationTime: w.CreationTime.time(), Status: w.Status,
		Configuration: rawOrNil(configuration), SupplementaryConfiguration: rawOrNil(supplementary),
		Tags: w.Tags, Relationships: w.Relationships, RelatedEvents: w.RelatedEvents,
	}
	return nil
}

// Actor is who did something. Leaves that are not known stay empty and are left out.
type Actor struct {
	Type      string `json:"type,omitempty"`
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	AccountID string `json:"accountId,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
}

// Origin is where an action came from.
type Origin struct {
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
}

// Failure is the error of an action that failed.
type Failure struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Target is a resource that something was done to.
type Target struct {
	ResourceType string `json:"resourceType,omitempty"`
	ResourceID   string `json:"resourceId,omitempty"`
	Name         string `json:"name,omitempty"`
	AccountID    string `json:"accountId,omitempty"`
	Region       string `json:"region,omitempty"`
}

// The outcomes of an event; an empty outcome means OutcomeUnknown.
const (
	OutcomeSuccess = "success"
	OutcomeFailure = "failure"
	OutcomeUnknown = "unknown"
)

// Event says that someone did something at some time. Source and Time are required; Source and ID
// together recognise an event that is sent again.
type Event struct {
	ID        string
	Time      time.Time
	Source    string
	Type      string
	Action    string
	Outcome   string
	Error     *Failure
	Actor     Actor
	Origin    Origin
	Targets   []Target
	AccountID string
	Region    string
	// Detail is the source's own record, as it came.
	Detail any
}

// check refuses an event that the daemon could not keep.
func (ev Event) check() error {
	switch {
	case ev.Source == "":
		return fmt.Errorf("event %q has no Source", ev.ID)
	case ev.Time.IsZero():
		return fmt.Errorf("event %q of %s has no Time", ev.ID, ev.Source)
	}
	return nil
}

// eventJSON is an event with all its containers.
type eventJSON struct {
	ID        string    `json:"id,omitempty"`
	Time      *jsonTime `json:"time,omitempty"`
	Source    string    `json:"source"`
	Type      string    `json:"type,omitempty"`
	Action    string    `json:"action,omitempty"`
	Outcome   string    `json:"outcome"`
	Error     Failure   `json:"error"`
	Actor     Actor     `json:"actor"`
	Origin    Origin    `json:"origin"`
	Targets   []Target  `json:"targets"`
	AccountID string    `json:"accountId,omitempty"`
	Region    string    `json:"region,omitempty"`
	Detail    any       `json:"detail,omitempty"`
}

// MarshalJSON writes the event with all its containers.
func (ev Event) MarshalJSON() ([]byte, error) {
	outcome := ev.Outcome
	if outcome == "" {
		outcome = OutcomeUnknown
	}
	failure := Failure{}
	if ev.Error != nil {
		failure = *ev.Error
	}
	targets := ev.Targets
	if targets == nil {
		targets = []Target{}
	}
	return json.Marshal(eventJSON{
		ev.ID, timeOrNil(ev.Time), ev.Source, ev.Type, ev.Action, outcome, failure, ev.Actor, ev.Origin, targets,
		ev.AccountID, ev.Region, ev.Detail,
	})
}

// UnmarshalJSON reads what MarshalJSON writes. Empty containers are nil, and Detail becomes
// json.RawMessage, nil where it is missing.
func (ev *Event) UnmarshalJSON(b []byte) error {
	var detail json.RawMessage
	w := eventJSON{Detail: &detail}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*ev = Event{
		ID: w.ID, Time: w.Time.time(), Source: w.Source, Type: w.Type, Action: w.Action, Outcome: w.Outcome, Actor: w.Actor,
		Origin: w.Origin, AccountID: w.AccountID, Region: w.Region, Detail: rawOrNil(detail),
	}
	if w.Error != (Failure{}) {
		ev.Error = &w.Error
	}
	if len(w.Targets) > 0 {
		ev.Targets = w.Targets
	}
	return nil
}

// rawOrNil keeps a value that is missing from becoming one that is there and empty.
func rawOrNil(b json.RawMessage) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// jsonTime is written as RFC 3339 in UTC with microseconds, which is how Regent keeps times.
type jsonTime time.Time

func timeOrNil(t time.Time) *jsonTime {
	if t.IsZero() {
		return nil
	}
	return (*jsonTime)(&t)
}

func (t *jsonTime) time() time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Time(*t)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *jsonTime) UnmarshalJSON(b []byte) error { return (*time.Time)(t).UnmarshalJSON(b) }

// MarshalJSON implements json.Marshaler.
func (t jsonTime) MarshalJSON() ([]byte, error) {
	return []byte(`"` + time.Time(t).UTC().Format("2006-01-02T15:04:05.000000Z") + `"`), nil
}

// Problem is something wrong that is no record: a part of the system that could not be read.
type Problem struct {
	// Warning is false for an error.
	Warning bool
	// Summary has at most eight words and no period.
	Summary string
	Detail  string
}

func (p Problem) proto() *pluginv1.Problem {
	s := pluginv1.Problem_SEVERITY_ERROR
	if p.Warning {
		s = pluginv1.Problem_SEVERITY_WARNING
	}
	return &pluginv1.Problem{Severity: s, Summary: printable(p.Summary), Detail: printable(p.Detail)}
}

// configError is one problem of the configuration with the path to its attribute.
type configError struct {
	path []string
	err  error
}

func (e *configError) Error() string { return fmt.Sprintf("%v: %v", e.path, e.err) }
func (e *configError) Unwrap() error { return e.err }
