package api

import (
	"encoding/json"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Resource is one version of a resource as it is shown.
type Resource struct {
	Version     int64           `json:"version"`
	Received    time.Time       `json:"received"`
	Confirmed   time.Time       `json:"confirmed,omitzero"`
	Instance    record.Instance `json:"instance"`
	Stale       *Gap            `json:"stale,omitempty"`
	Item        json.RawMessage `json:"item"`
	key         record.Key
	captureTime time.Time
}

// ResourceDetail is a resource with all that is known of it.
type ResourceDetail struct {
	Resource
	Owners   []record.Instance `json:"owners"`
	Out      []Related         `json:"relationships"`
	In       []Related         `json:"referencedBy"`
	Verdicts []verdict.Verdict `json:"verdicts"`
	Findings []verdict.Finding `json:"findings"`
}

// Related is one relationship.
type Related struct {
	record.Relationship
	From *record.Key `json:"from,omitempty"`
}

// Version is one entry of a resource's history.
type Version struct {
	Resource
	// Patch leads from the version before to this one.
	Patch []store.Op `json:"patch,omitempty"`
}

// FindingDetail is a finding with what changed it.
type FindingDetail struct {
	verdict.Finding
	Stale *Gap `json:"stale,omitempty"`
	// Cause says in a line what opened it.
	Cause string `json:"cause,omitempty"`
	// Causes are what opened it, what changed it since, and what resolved it, the last first.
	Causes []verdict.Cause `json:"causes"`
}

// FoundFinding is a finding in a list.
type FoundFinding struct {
	verdict.Finding
	// Stale is the gap that the finding rests on.
	Stale *Gap `json:"stale,omitempty"`
}

// Event is a recorded event.
type Event struct {
	// Number counts all events in the order in which they were recorded.
	Number   int64           `json:"number"`
	Instance record.Instance `json:"instance"`
	Received time.Time       `json:"received"`
	Event    json.RawMessage `json:"event"`
}

// Gap is a time in which an instance may have missed something.
type Gap struct {
	Instance record.Instance `json:"instance"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to,omitzero"`
	Reason   string          `json:"reason"`
}

// Quarantined is a refused record.
type Quarantined struct {
	Row      int64           `json:"row"`
	Instance record.Instance `json:"instance"`
	Received time.Time       `json:"received"`
	Kind     string          `json:"kind"`
	Reason   string          `json:"reason"`
	Origin   string          `json:"origin,omitempty"`
	Bytes    string          `json:"bytes"`
}

// Instance is the state of a plugin instance.
type Instance struct {
	Instance record.Instance `json:"instance"`
	Plugin   string          `json:"plugin"`
	Version  string          `json:"version,omitempty"`
	SHA256   string          `json:"sha256,omitempty"`
	State    string          `json:"state"`
	Since    time.Time       `json:"since,omitzero"`
	PID      int             `json:"pid,omitempty"`
	Restarts int             `json:"restarts"`
	Problem  string          `json:"problem,omitempty"`
	Crash    string          `json:"crash,omitempty"`
	Next     time.Time       `json:"nextTry,omitzero"`
}

// Generation is what configuration and policies are in force, and what was refused.
type Generation struct {
	Number   int64     `json:"number"`
	Since    time.Time `json:"since"`
	Policies int       `json:"policies"`
	// Degraded says why the daemon runs on something else than its files say; "" where it does not.
	Degraded string `json:"degraded,omitempty"`
	// Problems are those of the files as they are now.
	Problems diag.Problems `json:"problems,omitempty"`
	// Notes say what of the policies is not type-checked.
	Notes []string `json:"notes,omitempty"`
}

// Status is everything at a glance.
type Status struct {
	Version      string                                            `json:"version"`
	Installation string                                            `json:"installation"`
	Started      time.Time                                         `json:"started"`
	Generation   Generation                                        `json:"generation"`
	Instances    []Instance                                        `json:"instances"`
	Records      map[record.Instance]store.Totals                  `json:"records"`
	Sum          store.Totals                                      `json:"sum"`
	Resources    map[string]int64                                  `json:"resources"`
	Verdicts     map[verdict.Outcome]int64                         `json:"verdicts"`
	Policies     map[verdict.PolicyID]map[verdict.Outcome]int64    `json:"policies"`
	Unmatched    []verdict.PolicyID                                `json:"neverMatched,omitempty"`
	Findings     map[string]int64                                  `json:"findings"`
	Alarms       AlarmCount                                        `json:"alarms"`
	Deliveries   map[record.Instance]map[store.DeliveryState]int64 `json:"deliveries"`
	Channels     []Channel                                         `json:"channels,omitempty"`
	Held         []Held                                            `json:"heldSweeps,omitempty"`
	Gaps         []Gap                                             `json:"gaps,omitempty"`
	Work         int64                                             `json:"pendingWork"`
	StoreBytes   int64                                             `json:"storeBytes"`
	StoreFailure string                                            `json:"storeFailure,omitempty"`
	RouteFailure string                                            `json:"routeFailure,omitempty"`
	Lake         LakeStatus                                        `json:"lake"`
	LakeFailure  string                                            `json:"lakeFailure,omitempty"`
	LakeBroken   []string                                          `json:"lakeBroken,omitempty" doc:"The files of the lake that are lost or damaged, as far as they were come upon."`
	Proof        ledger.State                                      `json:"proof"`
}

// LakeStatus is what the history takes.
type LakeStatus struct {
	// Place is the folder or bucket.
	Place  string                         `json:"place"`
	Tables map[table.Name]store.LakeTotal `json:"tables,omitempty"`
}

// AlarmCount counts episodes.
type AlarmCount struct {
	Active int64 `json:"active"`
	All    int64 `json:"all"`
}

// Held is a sweep that waits for confirmation.
type Held struct {
	Instance record.Instance `json:"instance"`
	Scope    string          `json:"scope"`
	At       time.Time       `json:"at"`
	Missing  int             `json:"missing"`
	Total    int             `json:"total"`
}

// List is one page.
type List[T any] struct {
	Items []T `json:"items"`
	// Next continues the list; "" at the end.
	Next string `json:"next,omitempty"`
}
