package verdict

import (
	"encoding/json"
	"time"
)

// CauseStep says what a cause did to its finding.
type CauseStep string

// The steps in a finding's life that have a cause.
const (
	CauseOpened   CauseStep = "opened"
	CauseChanged  CauseStep = "changed"
	CauseResolved CauseStep = "resolved"
)

// CauseKind says what kind of thing changed a finding.
type CauseKind string

// The kinds of cause. Events have a part in the first two only.
const (
	// CauseVersion is a new version of the resource itself.
	CauseVersion CauseKind = "version"
	// CauseDependency is a change of another resource, which the policy read.
	CauseDependency CauseKind = "dependency"
	// CausePolicy is a policy, or parameters of one, that came, changed or went.
	CausePolicy CauseKind = "policy"
	// CauseWaiver is a waiver that began or ended.
	CauseWaiver CauseKind = "waiver"
	// CauseTime is a policy that was run again and rests on nothing that changed but the time.
	CauseTime CauseKind = "time"
)

// Seen reports whether somebody may have been seen at it: whether events are looked for.
func (k CauseKind) Seen() bool { return k == CauseVersion || k == CauseDependency }

// Cause is what is held to have changed a finding, as far as is known. It is written when the change is
// committed, and revised for a day as events come in.
type Cause struct {
	// ID numbers causes in the order in which the changes were committed; Revision counts from 1, and
	// is 0 until events were looked for at all.
	ID       int64     `json:"id"`
	Revision int64     `json:"revision"`
	Finding  string    `json:"finding"`
	Policy   PolicyID  `json:"policy"`
	Subject  Subject   `json:"resource"`
	Step     CauseStep `json:"step"`
	Kind     CauseKind `json:"kind"`
	// Outcome is what the policy says since.
	Outcome Outcome `json:"outcome"`
	// At is the capture time of the version that did it, or the time of judging where none did.
	At time.Time `json:"at"`
	// Text says all that follows in a line.
	Text string `json:"text,omitempty"`

	// Version is the number of the item version that was judged, Before that of the one before it, 0
	// where it is the first.
	Version int64 `json:"version,omitempty"`
	Before  int64 `json:"versionBefore,omitempty"`
	// Since is until when the version before is known to have been in force.
	Since time.Time `json:"since,omitzero"`
	// Paths are the JSON pointers that the policy names.
	Paths []string `json:"paths,omitempty"`
	// Changes lead from the version before to this one, those at Paths first; of a dependency they are
	// those of the other resource. MoreChanges counts those that are left out.
	Changes     []FieldChange `json:"changes,omitempty"`
	MoreChanges int           `json:"moreChanges,omitempty"`

	// Reads are the look-ups that answered differently than before; Other is the resource that changed.
	Reads []Read         `json:"reads,omitempty"`
	Other *OtherResource `json:"other,omitempty"`
	// Rules are the digests of the policy and its parameters before and after, where they changed.
	Rules *RulesChange `json:"rules,omitempty"`
	// Waiver names the waiver that began or ended.
	Waiver string `json:"waiver,omitempty"`

	// From and To are between when events are looked for, Until how long ones are waited for that come
	// late; after it the cause is settled.
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Actor, Origin and Event are those of the likeliest candidate; they are absent where no event was
	// seen that could have done it.
	Actor  *Actor      `json:"actor,omitempty"`
	Origin *Origin     `json:"origin,omitempty"`
	Event  *CauseEvent `json:"event,omitempty"`
	// Candidates are the likeliest events, the best first, calls that change nothing among them.
	Candidates []Candidate `json:"candidates,omitempty"`
}

// FieldChange is one operation of a JSON Patch with the value that was there before. A value that is
// very long is left out and Cut is true.
type FieldChange struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Old   json.RawMessage `json:"old,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	Cut   bool            `json:"cut,omitempty"`
}

// OtherResource is a version of another resource, on which the verdict rests.
type OtherResource struct {
	Subject Subject `json:"resource"`
	// Version is 0 where the resource is not there any more or never was.
	Version int64     `json:"version,omitempty"`
	Before  int64     `json:"versionBefore,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// RulesChange says that a policy or its parameters changed. The digests before are empty where the
// policy is new, those after where it is gone.
type RulesChange struct {
	PolicyBefore     string `json:"policyBefore,omitempty"`
	PolicyAfter      string `json:"policyAfter,omitempty"`
	ParametersBefore string `json:"parametersBefore,omitempty"`
	ParametersAfter  string `json:"parametersAfter,omitempty"`
	Generation       int64  `json:"generation,omitempty"`
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

// CauseEvent points at a recorded event and says what it did.
type CauseEvent struct {
	// Number counts all events in the order in which they were recorded.
	Number    int64     `json:"number"`
	Source    string    `json:"source"`
	ID        string    `json:"id,omitempty"`
	Time      time.Time `json:"time"`
	Action    string    `json:"action,omitempty"`
	Outcome   string    `json:"outcome"`
	ErrorCode string    `json:"errorCode,omitempty"`
}

// Candidate is an event that may have made a change.
type Candidate struct {
	CauseEvent
	Actor  Actor  `json:"actor"`
	Origin Origin `json:"origin"`
	// Score orders candidates; see package cause for how it comes about. Why says what it is made of.
	Score int      `json:"score"`
	Why   []string `json:"why,omitempty"`
	// Excluded says why the event cannot have made the change; "" where it can.
	Excluded string `json:"excluded,omitempty"`
}
