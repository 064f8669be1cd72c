package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Kind says which of the four kinds of record a record is.
type Kind uint8

// The kinds of record.
const (
	KindItem Kind = iota + 1
	KindEvent
	KindSample
	KindLog
)

// String returns the kind as it stands in messages and in JSON.
func (k Kind) String() string {
	switch k {
	case KindItem:
		return "item"
	case KindEvent:
		return "event"
	case KindSample:
		return "sample"
	case KindLog:
		return "log"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Instance is the full name of a configured plugin: "collector.host.this".
type Instance string

// NewInstance joins the role, the plugin's name and the operator's label.
func NewInstance(role, plugin, label string) Instance {
	return Instance(role + "." + plugin + "." + label)
}

// Split returns the role, the plugin's name and the operator's label.
func (i Instance) Split() (role, plugin, label string) {
	role, rest, _ := strings.Cut(string(i), ".")
	plugin, label, _ = strings.Cut(rest, ".")
	return role, plugin, label
}

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// Sum returns the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// IsZero reports whether d was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(d) {
		return fmt.Errorf("digest %q has %d characters, want %d", b, len(b), 2*len(d))
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// TimeFormat is how times are written: RFC 3339 in UTC with microseconds, which sorts as text.
const TimeFormat = "2006-01-02T15:04:05.000000Z"

// FormatTime writes t in TimeFormat.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeFormat) }

// ParseTime reads any RFC 3339 time and cuts it to microseconds in UTC.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q is not RFC 3339", s)
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// Key identifies a resource. For a machine AccountID is its machine id.
type Key struct {
	AccountID    string `json:"accountId"`
	Region       string `json:"region"`
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId"`
}

// String returns the four parts joined by slashes. Resource ids may contain slashes themselves,
// which is why the id stands last.
func (k Key) String() string {
	return k.AccountID + "/" + k.Region + "/" + k.ResourceType + "/" + k.ResourceID
}

// Compare orders keys by type, id, account and region, the order in which lists print them.
func (k Key) Compare(o Key) int {
	for _, c := range [...]int{
		strings.Compare(k.ResourceType, o.ResourceType),
		strings.Compare(k.ResourceID, o.ResourceID),
		strings.Compare(k.AccountID, o.AccountID),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(k.Region, o.Region)
}

// Status is AWS Config's configurationItemStatus.
type Status string

// The statuses of an item.
const (
	StatusOK                 Status = "OK"
	StatusDiscovered         Status = "ResourceDiscovered"
	StatusNotRecorded        Status = "ResourceNotRecorded"
	StatusDeleted            Status = "ResourceDeleted"
	StatusDeletedNotRecorded Status = "ResourceDeletedNotRecorded"
)

// Gone reports whether the status says that the resource exists no more.
func (s Status) Gone() bool { return s == StatusDeleted || s == StatusDeletedNotRecorded }

// Recorded reports whether the resource is judged: it exists and is within what is recorded.
func (s Status) Recorded() bool { return !s.Gone() && s != StatusNotRecorded }

// Relationship points from an item to another resource. Either ResourceID or ResourceName is set.
type Relationship struct {
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId,omitempty"`
	ResourceName string `json:"resourceName,omitempty"`
	Name         string `json:"name,omitempty"`
}

// Item is one version of one resource's configuration.
type Item struct {
	Key
	ResourceName  string
	ARN           string
	CaptureTime   time.Time
	Status        Status
	Relationships []Relationship
	Tags          map[string]string
	// Body is the whole item in canonical form, after redaction.
	Body []byte
	// Hash is the digest of the content: Body without the members that say when and how it was
	// captured and without the volatile paths of its type. Equal hashes make no new version.
	Hash Digest
}

// Actor is who did something.
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

// Failure is an event's error.
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

// Outcome is how an action ended.
type Outcome string

// The outcomes of an action.
const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
	OutcomeUnknown Outcome = "unknown"
)

// Event is something someone did to something at some time. Body holds the whole record, Detail
// included; the other fields are what look-ups and dispatch use.
type Event struct {
	ID        string
	Source    string
	Time      time.Time
	Type      string
	Action    string
	Outcome   Outcome
	ErrorCode string
	Actor     Actor
	Origin    Origin
	Targets   []Target
	AccountID string
	Region    string
	// Body is the whole event, after redaction, with the members in the order they came in.
	Body []byte
	// Hash is the digest of the canonical form of Body.
	Hash Digest
}

// Ident returns the event's id, or its hash where the source gave it none.
func (ev *Event) Ident() string {
	if ev.ID != "" {
		return ev.ID
	}
	return ev.Hash.String()
}

// Raw is a record as it left the plugin, unchecked.
type Raw struct {
	Kind Kind
	JSON []byte
	// Damaged is the collector's own word that it could not read the record; JSON then holds
	// whatever bytes there were.
	Damaged string
	// Origin says where the collector read it.
	Origin string
}

// Quarantined is a record that was refused, with the reason.
type Quarantined struct {
	Kind   Kind
	Reason string
	Origin string
	// Bytes are what came, redacted as far as they parse, and cut to a bounded length.
	Bytes []byte
}

// Message is one element of a collector's stream: exactly one of the fields but Import and Done is set.
type Message struct {
	Records []Raw
	// Import says that the records are from the past: they enter history, are judged by nobody and
	// notified to nobody, and one that was ever recorded is not recorded again.
	Import     bool
	Checkpoint *Checkpoint
	SweepBegin *SweepBegin
	SweepEnd   *SweepEnd
	Gap        *Gap
	Problem    *Problem
	// Done, where set, is called once after everything up to and including this message is
	// durable. It must not block.
	Done func()
}

// Checkpoint covers everything sent before it.
type Checkpoint struct {
	ID     uint64
	Cursor []byte
}

// SweepBegin opens a complete listing of the resource types of a scope.
type SweepBegin struct {
	ID            string
	Scope         string
	ResourceTypes []string
}

// SweepEnd closes a sweep. Nothing is deleted where it is not complete.
type SweepEnd struct {
	ID       string
	Complete bool
}

// Gap is a time in which a collector may have missed things. A zero To means that it lasts.
type Gap struct {
	From   time.Time
	To     time.Time
	Reason string
}

// Problem is a collector's report of something wrong that is no record.
type Problem struct {
	Warning bool
	Summary string
	Detail  string
	Path    []string
}
