package judge

import (
	"encoding/json"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Same reports whether a verdict need not be written again. Evaluation times differ with
// every version and are written with the evidence only.
func Same(a, b *verdict.Verdict) bool {
	if a.Outcome != b.Outcome || a.Reason != b.Reason || len(a.Denials) != len(b.Denials) {
		return false
	}
	x, errX := json.Marshal([]any{a.Denials, a.Evidence})
	y, errY := json.Marshal([]any{b.Denials, b.Evidence})
	return errX == nil && errY == nil && string(x) == string(y)
}

// Terms are what of a policy its findings carry along.
func Terms(p *policy.Policy) compliance.Terms {
	return compliance.Terms{Policy: p.ID, Title: p.Title, Severity: p.Severity, Labels: p.Labels}
}

// Resolution is why a verdict with this outcome, on an item with this status, resolves a finding.
func Resolution(s record.Status, o verdict.Outcome) string {
	switch {
	case s.Gone():
		return verdict.ResolvedDeleted
	case !s.Recorded():
		return verdict.ResolvedNotRecorded
	case o == verdict.NotApplicable:
		return verdict.ResolvedNotApplicable
	}
	return verdict.ResolvedCompliant
}

// AlarmTerms are what of a policy its episodes rest on.
func AlarmTerms(p *policy.Policy) *alarm.Terms {
	t := &alarm.Terms{
		Rule:   alarm.Rule{Count: 1, Lateness: p.Lateness, ClearAfter: p.ClearAfter},
		Policy: p.ID, Title: p.Title, Severity: p.Severity, Controls: p.Controls, Labels: p.Labels,
	}
	if p.Window != nil {
		t.Rule.Count, t.Rule.Within, t.Rule.Distinct = p.Window.Count, p.Window.Within, p.Window.Distinct
	}
	return t
}
