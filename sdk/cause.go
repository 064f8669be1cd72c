package sdk

import (
	"encoding/json"
	"time"
)

// Cause says what changed a finding and who did it, as far as is known when the notification is made.
type Cause struct {
	// ID is the same in a notification and in the one that follows it up; Revision is 0 where no events
	// were looked for yet.
	ID       int64 `json:"id"`
	Revision int64 `json:"revision"`
	// Step is opened, changed or resolved. Kind is version, dependency, policy, waiver or time.
	Step string    `json:"step"`
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// Text says it in a line: "changed by … from … via …".
	Text string `json:"text,omitempty"`
	// Version is the number of the item version that did it, Before that of the one before.
	Version int64 `json:"version,omitempty"`
	Before  int64 `json:"versionBefore,omitempty"`
	// Changes are the fields that differ, those that the policy names first.
	Changes     []FieldChange `json:"changes,omitempty"`
	MoreChanges int           `json:"moreChanges,omitempty"`
	// Other is the resource that changed, where it was another one.
	Other  *Resource `json:"other,omitempty"`
	Waiver string    `json:"waiver,omitempty"`
	// Actor, Origin and Event are those of the likeliest event; they are absent where none is known.
	Actor      *Actor      `json:"actor,omitempty"`
	Origin     *Origin     `json:"origin,omitempty"`
	Event      *CauseEvent `json:"event,omitempty"`
	Candidates []Candidate `json:"candidates,omitempty"`
}

// FieldChange is one operation of a JSON Patch with the value that was there before.
type FieldChange struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Old   json.RawMessage `json:"old,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	Cut   bool            `json:"cut,omitempty"`
}

// CauseEvent points at a recorded event.
type CauseEvent struct {
	Number    int64     `json:"number"`
	Source    string    `json:"source"`
	ID        string    `json:"id,omitempty"`
	Time      time.Time `json:"time"`
	Action    string    `json:"action,omitempty"`
	Outcome   string    `json:"outcome"`
	ErrorCode string    `json:"errorCode,omitempty"`
}

// Candidate is an event that may have made the change; Excluded says why it cannot have, where it is shown
// all the same.
type Candidate struct {
	CauseEvent
	Actor    Actor  `json:"actor"`
	Origin   Origin `json:"origin"`
	Score    int    `json:"score"`
	Excluded string `json:"excluded,omitempty"`
}
