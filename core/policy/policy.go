package policy

import (
	"encoding/json"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Kind tells compliance policies from alarms.
type Kind string

// The kinds of policy, which are also the first part of its package path in the singular.
const (
	KindCompliance Kind = "compliance"
	KindAlarm      Kind = "alarm"
)

// Window is how many matches of a key within what time make an alarm.
type Window struct {
	Count  int
	Within time.Duration
	// Distinct counts different values instead of matches.
	Distinct bool
}

// RelatedResource is a link to further reading.
type RelatedResource struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

// Policy is one package below data.compliance or data.alarms, ready to run. Its exported fields are
// not to be changed; methods are safe for concurrent use.
type Policy struct {
	ID          verdict.PolicyID
	Kind        Kind
	Title       string
	Description string
	// Severity is the operator's where the configuration overrides it.
	Severity verdict.Severity
	// ResourceTypes are the exact types that a compliance policy judges.
	ResourceTypes []string
	// Requires are JSON pointers into the item; one that leads nowhere makes INSUFFICIENT_DATA.
	Requires []string
	// Parameters are the effective ones, as a JSON object in canonical form: the defaults of the
	// declared schema with the operator's overrides over them.
	Parameters json.RawMessage
	// Controls names the controls of frameworks that the policy covers: framework to control ids.
	Controls         map[string][]string
	Remediation      string
	RelatedResources []RelatedResource
	// Labels are those of the METADATA, merged from subpackages down, with the operator's over them.
	Labels map[string]string
	// Schedule is how often the policy is judged without a change; 0 where it is not.
	Schedule time.Duration
	// ReadsAll are the types over whose resources the policy iterates.
	ReadsAll []string
	// On says over what an alarm goes: "event".
	On     string
	Window *Window
	// Lateness is how late a match may arrive and still be counted in its place.
	Lateness time.Duration
	// ClearAfter is how long after its last match an episode ends, in event time.
	ClearAfter time.Duration
	// Digest covers whatever can change a verdict: the modules that the policy uses without their
	// comments, its effective parameters, and the engine. A policy is judged again when it changes.
	Digest record.Digest
	// TextDigest covers the rest of what people see: title, description, severity, labels and so on.
	TextDigest record.Digest
	// Where is the policy's package statement.
	Where diag.Range
	// Files are the paths of all files without which it does not compile, sorted: its own and those of the
	// packages that these use.
	Files []string
	// HasTest reports whether some *_test.rego is about the policy.
	HasTest bool

	prog *program
}
