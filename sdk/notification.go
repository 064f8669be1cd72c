package sdk

import (
	"encoding/json"
	"time"
)

// Notification is what a notifier delivers: changes that belong together, for people or machines.
type Notification struct {
	// ID is the delivery's id, the same for every attempt: the idempotency key.
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// Source names the installation: "regent://<id>".
	Source string `json:"source"`
	Route  string `json:"route"`
	// Instance is the notifier that it goes to.
	Instance string `json:"instance"`
	// Class is compliance, alarm, configuration, activity or health, or snapshot, history or trail for a
	// file that was delivered; its one change then has the file as Data.
	Class string `json:"class"`
	// Status is firing while something is wrong, resolved once it is not, changed for what is
	// neither, cause for what only adds who did it, and delivered for a file.
	Status string `json:"status"`
	// Follows is the id of the notification that this one adds to.
	Follows string `json:"follows,omitempty"`
	// Severity is the most urgent one of the changes.
	Severity string `json:"severity,omitempty"`
	Title    string `json:"title"`
	// Text is a paragraph that can be shown as it is.
	Text string `json:"text"`
	// GroupKey identifies the group; Group says what its members have in common.
	GroupKey string            `json:"groupKey"`
	Group    map[string]string `json:"group,omitempty"`
	Changes  []Change          `json:"changes"`
	// Truncated counts the changes that are not listed.
	Truncated int `json:"truncated,omitempty"`
	// Summary is set instead of single changes for the first judgement of a policy or collector.
	Summary    *Summary `json:"summary,omitempty"`
	Generation int64    `json:"generation"`
	// Attempt counts from 1.
	Attempt int `json:"-"`
	// JSON is the whole document as the daemon wrote it.
	JSON json.RawMessage `json:"-"`
}

// The statuses of a notification.
const (
	StatusFiring   = "firing"
	StatusResolved = "resolved"
	StatusChanged  = "changed"
	// StatusDelivered is that of a file of a snapshot or a trail.
	StatusDelivered = "delivered"
	// StatusCause is that of a notification that names the actor behind what an earlier one told of.
	StatusCause = "cause"
)

// Summary counts what a first judgement found.
type Summary struct {
	Total      int            `json:"total"`
	ByOutcome  map[string]int `json:"byOutcome"`
	BySeverity map[string]int `json:"bySeverity"`
	ByPolicy   map[string]int `json:"byPolicy"`
}

// Resource identifies a resource.
type Resource struct {
	AccountID    string `json:"accountId"`
	Region       string `json:"region"`
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId"`
}

// Change is one change.
type Change struct {
	Seq        int64             `json:"seq"`
	Class      string            `json:"class"`
	At         time.Time         `json:"at"`
	RecordedAt time.Time         `json:"recordedAt"`
	Key        string            `json:"key"`
	Policy     string            `json:"policy,omitempty"`
	Severity   string            `json:"severity,omitempty"`
	Title      string            `json:"title"`
	Message    string            `json:"msg,omitempty"`
	Resource   *Resource         `json:"resource,omitempty"`
	AccountID  string            `json:"accountId,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Old        string            `json:"old,omitempty"`
	New        string            `json:"new"`
	Active     bool              `json:"active"`
	Instance   string            `json:"instance,omitempty"`
	Generation int64             `json:"generation"`
	// Cause says what changed a finding and who did it.
	Cause *Cause `json:"cause,omitempty"`
	// Data is the finding, episode, item difference, event or report.
	Data json.RawMessage `json:"data,omitempty"`
}
