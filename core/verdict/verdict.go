package verdict

import (
	"encoding/json"
	"time"
)

// PolicyID is a policy's identity: its package path without the leading "data", such as
// "compliance.linux.ssh_root_login".
type PolicyID string

// Outcome is what one policy says about one resource.
type Outcome string

// The outcomes of a verdict.
const (
	Compliant        Outcome = "COMPLIANT"
	NonCompliant     Outcome = "NON_COMPLIANT"
	NotApplicable    Outcome = "NOT_APPLICABLE"
	Error            Outcome = "ERROR"
	InsufficientData Outcome = "INSUFFICIENT_DATA"
	// Removed stands in the history of verdicts where a policy was removed; no verdict has it.
	Removed Outcome = "REMOVED"
)

// Severity orders findings and alarms by urgency.
type Severity string

// The severities, most urgent first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Severities lists all of them, most urgent first.
var Severities = [...]Severity{Critical, High, Medium, Low, Info}

// Rank returns 0 for the most urgent severity; unknown ones come last.
func (s Severity) Rank() int {
	for i, v := range Severities {
		if s == v {
			return i
		}
	}
	return len(Severities)
}

// Subject is the resource that a verdict is about.
type Subject struct {
	AccountID    string `json:"accountId"`
	Region       string `json:"region"`
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId"`
}

// String returns the four parts joined by slashes.
func (s Subject) String() string {
	return s.AccountID + "/" + s.Region + "/" + s.ResourceType + "/" + s.ResourceID
}

// Denial is one element of a policy's deny set.
type Denial struct {
	Message string `json:"msg"`
	// Path is the JSON pointer into the item that made it, "" where the policy names none.
	Path string `json:"path,omitempty"`
	// Value is what stood at Path, null where nothing did. It is filled in by the engine.
	Value json.RawMessage `json:"value,omitempty"`
	// Details is whatever else the policy says.
	Details json.RawMessage `json:"details,omitempty"`
}

// Read is one look-up of another resource that an evaluation made, found or not. Judging again is
// due when the same look-up would answer differently.
type Read struct {
	// AccountID and Region are set for explicit look-ups (data.resources_in); empty means that the
	// look-up resolved from the subject's own account and region outward.
	AccountID    string `json:"accountId,omitempty"`
	Region       string `json:"region,omitempty"`
	ResourceType string `json:"resourceType"`
	// ResourceID is empty where all resources of the type were read.
	ResourceID string `json:"resourceId,omitempty"`
	// Found is false where there was no such resource.
	Found bool `json:"found"`
	// Hash is the content hash, in hexadecimal, of what was found.
	Hash string `json:"hash,omitempty"`
}

// Verdict is one policy on one version of one resource.
type Verdict struct {
	Policy  PolicyID `json:"policy"`
	Subject Subject  `json:"resource"`
	Outcome Outcome  `json:"outcome"`
	Denials []Denial `json:"denials,omitempty"`
	// Reason says why the outcome is ERROR, NOT_APPLICABLE or INSUFFICIENT_DATA; beside denials it
	// is an error that was met while they were found.
	Reason string `json:"reason,omitempty"`
	// At is the evaluation time that the policy saw.
	At       time.Time `json:"at"`
	Evidence Evidence  `json:"evidence"`
}

// Evidence pins what a verdict was made from, by digest in hexadecimal, so that it can be made again.
type Evidence struct {
	Policy     string `json:"policy"`
	Parameters string `json:"parameters,omitempty"`
	Item       string `json:"item"`
	Previous   string `json:"previous,omitempty"`
	Engine     string `json:"engine"`
	Reads      []Read `json:"reads,omitempty"`
}

// FindingStatus is where a finding is in its life.
type FindingStatus string

// The states of a finding.
const (
	Open     FindingStatus = "OPEN"
	Resolved FindingStatus = "RESOLVED"
)

// The reasons for which a finding is resolved.
const (
	ResolvedCompliant     = "COMPLIANT"
	ResolvedNotApplicable = "NOT_APPLICABLE"
	ResolvedDeleted       = "RESOURCE_DELETED"
	ResolvedNotRecorded   = "RESOURCE_NOT_RECORDED"
	ResolvedPolicyRemoved = "POLICY_REMOVED"
)

// Finding is the life of one policy's non-compliance on one resource. There is one per pair; a
// resolved one that fails again is open again and counts the regression.
type Finding struct {
	ID       string        `json:"id"`
	Policy   PolicyID      `json:"policy"`
	Subject  Subject       `json:"resource"`
	Title    string        `json:"title"`
	Severity Severity      `json:"severity"`
	Status   FindingStatus `json:"status"`
	// Outcome is NON_COMPLIANT, or ERROR where the latest evaluation could not tell.
	Outcome Outcome  `json:"outcome"`
	Denials []Denial `json:"denials,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	// FirstSeen is when the present stay in OPEN began; LastSeen is the last evaluation that
	// confirmed it. Both are capture times.
	FirstSeen  time.Time  `json:"firstSeen"`
	LastSeen   time.Time  `json:"lastSeen"`
	ResolvedAt *time.Time `json:"resolvedAt,omitempty"`
	Resolution string     `json:"resolution,omitempty"`
	// Regressions counts how often it came back after it was resolved.
	Regressions int `json:"regressions"`
	// Waiver names the waiver that covers it now, "" where there is none.
	Waiver string `json:"waiver,omitempty"`
	// FlippedBy is the number of the item version that opened it; 0 where a policy change did.
	FlippedBy int64             `json:"flippedByVersion,omitempty"`
	Evidence  Evidence          `json:"evidence"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// Match is one element of an alarm policy's alarm set.
type Match struct {
	Message string `json:"msg"`
	// Key is the policy's own key; HasKey tells "" from none.
	Key    string `json:"key,omitempty"`
	HasKey bool   `json:"-"`
	// Value is what `distinct` counts, as canonical JSON.
	Value   json.RawMessage `json:"value,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
}

// AlarmState is the state of an alarm.
type AlarmState string

// The states of an alarm.
const (
	AlarmOK               AlarmState = "OK"
	AlarmFiring           AlarmState = "ALARM"
	AlarmInsufficientData AlarmState = "INSUFFICIENT_DATA"
	// AlarmMerged stands in the history of an episode that late matches joined to another one.
	AlarmMerged AlarmState = "MERGED"
)

// Episode is one stay of one alarm key in ALARM.
type Episode struct {
	ID     string   `json:"id"`
	Policy PolicyID `json:"policy"`
	// AccountID is part of every key.
	AccountID string     `json:"accountId"`
	Key       string     `json:"key"`
	Title     string     `json:"title"`
	Severity  Severity   `json:"severity"`
	State     AlarmState `json:"state"`
	Message   string     `json:"msg"`
	// Value and Details are those of the match that started the episode.
	Value   json.RawMessage `json:"value,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
	// StartedAt is the event time of the match that completed the window; LastMatch that of the
	// latest match; EndedAt is LastMatch plus the policy's clear_after. All are event times.
	StartedAt time.Time  `json:"startedAt"`
	LastMatch time.Time  `json:"lastMatch"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// Matches counts the matches of the episode, those of the window that opened it included.
	Matches int64 `json:"matches"`
	// Events are the first events that made it, at most 20.
	Events []EventRef `json:"events"`
	// Actor is who did it, where the first event knew one.
	Actor        json.RawMessage  `json:"actor,omitempty"`
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	// Controls are those of the policy: framework to control ids.
	Controls map[string][]string `json:"controls,omitempty"`
	Labels   map[string]string   `json:"labels,omitempty"`
}

// EventRef points at a recorded event.
type EventRef struct {
	Source string    `json:"source"`
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Action string    `json:"action,omitempty"`
	// Sequence is the journal row that holds it.
	Sequence int64 `json:"sequence,omitempty"`
}

// Acknowledgement says that a person has seen an episode.
type Acknowledgement struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Note string    `json:"note,omitempty"`
}

// Class is what kind of thing changed.
type Class string

// The classes of change that routes choose from.
const (
	ClassCompliance    Class = "compliance"
	ClassAlarm         Class = "alarm"
	ClassConfiguration Class = "configuration"
	ClassActivity      Class = "activity"
	ClassHealth        Class = "health"
	// ClassGap is a time in which a collector may have missed something.
	ClassGap Class = "gap"
	// ClassCause says that the actor behind an earlier change of a finding became known. It is routed to
	// where that change went and to nobody else; no route asks for it.
	ClassCause Class = "cause"
)

// ClassProof is the class of deliveries that send a digest of the lake as an anchor. No route chooses it.
const ClassProof Class = "proof"

// The values of Change.Quiet: why a change is recorded but not sent one by one.
const (
	// QuietOld marks changes from records older than notify_max_age.
	QuietOld = "old"
	// QuietFirst marks the first judgement of a policy or of a collector; each route gets one summary.
	QuietFirst = "first"
	// QuietWaived marks findings that a waiver covers.
	QuietWaived = "waived"
)

// Change is one change that may be routed. Changes are numbered in commit order and never altered.
type Change struct {
	Seq   int64 `json:"seq"`
	Class Class `json:"class"`
	// At is when it was committed; RecordedAt is the capture or event time behind it.
	At         time.Time `json:"at"`
	RecordedAt time.Time `json:"recordedAt"`
	// Key identifies the thing that changes, the same for all its changes: a finding's id, an
	// alarm's policy, account and key, a resource's key, a health subject.
	Key      string            `json:"key"`
	Policy   PolicyID          `json:"policy,omitempty"`
	Severity Severity          `json:"severity,omitempty"`
	Title    string            `json:"title"`
	Message  string            `json:"msg,omitempty"`
	Resource *Subject          `json:"resource,omitempty"`
	Account  string            `json:"accountId,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	// Old and New are the states before and after: outcomes, alarm states, item statuses.
	Old string `json:"old,omitempty"`
	New string `json:"new"`
	// Active is true where the change opened or continues something that a person should mend, and
	// false where it ended.
	Active bool `json:"active"`
	// Instance is the plugin instance that a health change is about, so that the health of a
	// notifier is never routed to itself.
	Instance   string `json:"instance,omitempty"`
	Quiet      string `json:"quiet,omitempty"`
	Generation int64  `json:"generation"`
	// Cause is the id of the cause, 0 where the change has none.
	Cause int64 `json:"cause,omitempty"`
	// Data is the finding, episode, item difference, event or report, as JSON.
	Data json.RawMessage `json:"data,omitempty"`
}
