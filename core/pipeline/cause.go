package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Causes follows what changes findings, and the events that may tell who did it. Its methods are called in
// the transaction that commits both.
type Causes interface {
	// Changed notes what changed the finding of a resource and returns the id under which it did. The item
	// is the version that was judged; it is nil where no event can have a part in it. before is the version
	// that a new one took the place of, nil where there was none.
	Changed(tx *store.Tx, resource int64, it *record.Item, before *store.Current, c verdict.Cause) (int64, error)
	// Recorded is told of the new events of an instance.
	Recorded(tx *store.Tx, inst record.Instance, events []record.Event) error
}

// stepOf says which step in a finding's life two of its states make, "" where none.
func stepOf(old, next *verdict.Finding) verdict.CauseStep {
	open := func(f *verdict.Finding) bool { return f != nil && f.Status == verdict.Open }
	switch {
	case !open(old) && open(next):
		return verdict.CauseOpened
	case open(old) && !open(next):
		return verdict.CauseResolved
	case !open(old) || old.Outcome == next.Outcome && old.Reason == next.Reason && sameDenials(old.Denials, next.Denials):
		return ""
	}
	return verdict.CauseChanged
}

func sameDenials(a, b []verdict.Denial) bool {
	return slices.EqualFunc(a, b, func(x, y verdict.Denial) bool {
		return x.Message == y.Message && x.Path == y.Path && bytes.Equal(x.Value, y.Value) && sameJSON(x.Details, y.Details)
	})
}

// sameJSON compares values that the store may have written in another form.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// cause notes what took a finding a step further, and returns the id of that, 0 where it went none.
func (c *commit) cause(it *record.Item, resource, version int64, was, now *verdict.Verdict, old, next *verdict.Finding, replaced *store.Current, newVersion bool) (int64, error) {
	if c.p.causes == nil || next == nil || next == old {
		return 0, nil
	}
	step := stepOf(old, next)
	if step == "" {
		return 0, nil
	}
	cause := verdict.Cause{
		Finding: next.ID, Policy: next.Policy, Subject: next.Subject, Step: step, Outcome: next.Outcome, At: c.now, Version: version,
	}
	denials := next.Denials
	if step == verdict.CauseResolved {
		denials = old.Denials
	}
	for _, d := range denials {
		if d.Path != "" && !slices.Contains(cause.Paths, d.Path) {
			cause.Paths = append(cause.Paths, d.Path)
		}
	}
	cause.Rules = c.rulesChanged(was, now)
	cause.Reads = changedReads(was, now)
	switch {
	case newVersion:
		cause.Kind, cause.At = verdict.CauseVersion, it.CaptureTime
		if was == nil {
			// There was nothing to change.
			cause.Rules = nil
		}
	case cause.Rules != nil:
		cause.Kind = verdict.CausePolicy
	case len(cause.Reads) > 0:
		cause.Kind = verdict.CauseDependency
	default:
		cause.Kind = verdict.CauseTime
	}
	id, err := c.p.causes.Changed(c.tx, resource, it, replaced, cause)
	if err != nil {
		return 0, fmt.Errorf("note what changed finding %s: %w", next.ID, err)
	}
	return id, nil
}

// settledCause notes a cause of which all is known: a policy that was removed, or the waiver that is named.
func (c *commit) settledCause(resource int64, next *verdict.Finding, step verdict.CauseStep, kind verdict.CauseKind, waiver string, ch *verdict.Change) (int64, error) {
	if c.p.causes == nil {
		return 0, nil
	}
	cause := verdict.Cause{
		Finding: next.ID, Policy: next.Policy, Subject: next.Subject, Step: step, Kind: kind, Outcome: verdict.Outcome(ch.New), At: c.now, Waiver: waiver,
	}
	if kind == verdict.CausePolicy {
		cause.Rules = &verdict.RulesChange{PolicyBefore: next.Evidence.Policy, ParametersBefore: next.Evidence.Parameters, Generation: c.gen.Number}
	}
	id, err := c.p.causes.Changed(c.tx, resource, nil, nil, cause)
	if err != nil {
		return 0, fmt.Errorf("note what changed finding %s: %w", next.ID, err)
	}
	return id, nil
}

// rulesChanged returns how the policy and its parameters differ between two verdicts, nil where they do not.
func (c *commit) rulesChanged(was, now *verdict.Verdict) *verdict.RulesChange {
	r := &verdict.RulesChange{PolicyAfter: now.Evidence.Policy, ParametersAfter: now.Evidence.Parameters, Generation: c.gen.Number}
	if was != nil {
		r.PolicyBefore, r.ParametersBefore = was.Evidence.Policy, was.Evidence.Parameters
	}
	if r.PolicyBefore == r.PolicyAfter && r.ParametersBefore == r.ParametersAfter {
		return nil
	}
	return r
}

// changedReads returns the look-ups that answered differently than for the verdict before.
func changedReads(was, now *verdict.Verdict) []verdict.Read {
	if was == nil {
		return nil
	}
	key := func(r verdict.Read) verdict.Read { r.Found, r.Hash = false, ""; return r }
	before := make(map[verdict.Read]verdict.Read, len(was.Evidence.Reads))
	for _, r := range was.Evidence.Reads {
		before[key(r)] = r
	}
	var out []verdict.Read
	for _, r := range now.Evidence.Reads {
		// A look-up that was not made before follows from one that answered differently.
		if old, made := before[key(r)]; made && old != r {
			out = append(out, r)
		}
	}
	return out
}
