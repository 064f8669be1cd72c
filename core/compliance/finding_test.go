package compliance

import (
	"testing"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

var (
	t0   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	term = Terms{Policy: "compliance.test.p", Title: "P holds", Severity: verdict.High}
	subj = verdict.Subject{AccountID: "1", Region: "eu", ResourceType: "A::B::C", ResourceID: "x"}
)

func judged(o verdict.Outcome, n int64) Judgement {
	j := Judgement{
		Verdict: verdict.Verdict{Policy: term.Policy, Subject: subj, Outcome: o},
		Version: n, CapturedAt: t0.Add(time.Duration(n) * time.Hour), NewVersion: true,
	}
	switch o {
	case verdict.NonCompliant:
		j.Verdict.Denials = []verdict.Denial{{Message: "it is wrong", Path: "/a"}}
	case verdict.Error:
		j.Verdict.Reason = "division by zero"
	case verdict.Compliant:
		j.Resolution = verdict.ResolvedCompliant
	case verdict.NotApplicable:
		j.Resolution = verdict.ResolvedDeleted
	}
	return j
}

// TestLife walks one finding through sequences of outcomes and writes down after each step the
// status, the finding's outcome and the change that is told.
func TestLife(t *testing.T) {
	t.Parallel()
	const (
		c  = verdict.Compliant
		n  = verdict.NonCompliant
		e  = verdict.Error
		na = verdict.NotApplicable
		i  = verdict.InsufficientData
	)
	for _, tc := range []struct {
		name     string
		outcomes []verdict.Outcome
		want     []string
	}{
		{"fails and is mended", []verdict.Outcome{n, c}, []string{"OPEN NON_COMPLIANT: >NON_COMPLIANT", "RESOLVED COMPLIANT: NON_COMPLIANT>COMPLIANT"}},
		{"complying is no news", []verdict.Outcome{c, na, c, i}, []string{"none", "none", "none", "none"}},
		{"staying wrong is told once", []verdict.Outcome{n, n}, []string{"OPEN NON_COMPLIANT: >NON_COMPLIANT", "OPEN NON_COMPLIANT"}},
		{"an error does not resolve", []verdict.Outcome{n, e, c}, []string{"OPEN NON_COMPLIANT: >NON_COMPLIANT", "OPEN ERROR: NON_COMPLIANT>ERROR", "RESOLVED COMPLIANT: ERROR>COMPLIANT"}},
		{"missing data does not resolve", []verdict.Outcome{n, i}, []string{"OPEN NON_COMPLIANT: >NON_COMPLIANT", "OPEN INSUFFICIENT_DATA: NON_COMPLIANT>INSUFFICIENT_DATA"}},
		{"an error alone is told and opens nothing", []verdict.Outcome{e, c}, []string{"none: >ERROR", "none: ERROR>COMPLIANT"}},
		{"deletion resolves", []verdict.Outcome{n, na}, []string{"OPEN NON_COMPLIANT: >NON_COMPLIANT", "RESOLVED NOT_APPLICABLE: NON_COMPLIANT>NOT_APPLICABLE"}},
		{"a regression opens again", []verdict.Outcome{n, c, n}, []string{"OPEN NON_COMPLIANT: >NON_COMPLIANT", "RESOLVED COMPLIANT: NON_COMPLIANT>COMPLIANT", "OPEN NON_COMPLIANT: COMPLIANT>NON_COMPLIANT regressed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var f *verdict.Finding
			before := verdict.Outcome("")
			for step, o := range tc.outcomes {
				var change *verdict.Change
				f, change = Next(f, before, term, judged(o, int64(step)))
				before = o
				got := "none"
				if f != nil {
					got = string(f.Status) + " " + string(f.Outcome)
				}
				if change != nil {
					got += ": " + change.Old + ">" + change.New
				}
				if f != nil && f.Regressions > 0 {
					got += " regressed"
				}
				if got != tc.want[step] {
					t.Errorf("step %d (%s): got %q, want %q", step, o, got, tc.want[step])
				}
			}
		})
	}
}

func TestOldFindingIsNotAltered(t *testing.T) {
	t.Parallel()
	old, _ := Next(nil, "", term, judged(verdict.NonCompliant, 1))
	kept := *old
	Next(old, verdict.NonCompliant, term, judged(verdict.Compliant, 2))
	if old.Status != kept.Status || old.ResolvedAt != nil {
		t.Errorf("the finding that was given changed: %+v", old)
	}
}

func TestFlippedBy(t *testing.T) {
	t.Parallel()
	j := judged(verdict.NonCompliant, 7)
	if f, _ := Next(nil, "", term, j); f.FlippedBy != 7 {
		t.Errorf("a new version flipped it, yet FlippedBy is %d", f.FlippedBy)
	}
	j.NewVersion = false
	if f, _ := Next(nil, "", term, j); f.FlippedBy != 0 {
		t.Errorf("a policy change flipped it, yet FlippedBy is %d", f.FlippedBy)
	}
}

func TestWaived(t *testing.T) {
	t.Parallel()
	j := judged(verdict.NonCompliant, 1)
	j.Waiver = "legacy"
	f, change := Next(nil, "", term, j)
	if f.Outcome != verdict.NonCompliant || f.Waiver != "legacy" || change.Quiet != verdict.QuietWaived {
		t.Errorf("finding %+v, change %+v", f, change)
	}
	if g, _ := Waive(f, "legacy", t0); g != nil {
		t.Error("the same waiver is news")
	}
	g, change := Waive(f, "", t0)
	if g == nil || g.Waiver != "" || change.Quiet != "" || !change.Active || change.Message != `The waiver "legacy" ended; it is wrong` {
		t.Errorf("end of a waiver: finding %+v, change %+v", g, change)
	}
	if h, change := Waive(g, "other", t0); h.Waiver != "other" || change.Active {
		t.Errorf("a new waiver: finding %+v, change %+v", h, change)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	f, _ := Next(nil, "", term, judged(verdict.NonCompliant, 1))
	g, change := Remove(f, t0)
	if g.Status != verdict.Resolved || g.Resolution != verdict.ResolvedPolicyRemoved || change.Active {
		t.Errorf("finding %+v, change %+v", g, change)
	}
	if again, _ := Remove(g, t0); again != nil {
		t.Error("a resolved finding is resolved again")
	}
}

func TestWaivers(t *testing.T) {
	t.Parallel()
	ws, err := NewWaivers([]Waiver{
		{Name: "old", Policy: "*", Expires: t0},
		{Name: "glob", Policy: "compliance.test.*", Resource: "x*", Expires: t0.Add(48 * time.Hour)},
		{Name: "account", Account: "2", Expires: t0.Add(24 * time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
	other := subj
	other.ResourceID, other.AccountID = "y", "2"
	for _, c := range []struct {
		policy verdict.PolicyID
		s      verdict.Subject
		now    time.Time
		want   string
	}{
		{"compliance.test.p", subj, t0, "glob"},
		{"compliance.test.p", subj, t0.Add(-time.Second), "old"},
		{"compliance.other.p", subj, t0, ""},
		{"compliance.test.p", other, t0, "account"},
		{"compliance.test.p", other, t0.Add(24 * time.Hour), ""},
	} {
		if got := ws.Cover(c.policy, c.s, c.now); got != c.want {
			t.Errorf("%s on %s at %s: waiver %q, want %q", c.policy, c.s, c.now, got, c.want)
		}
	}
	if next, ok := ws.NextExpiry(t0); !ok || !next.Equal(t0.Add(24*time.Hour)) {
		t.Errorf("next expiry %s, %v", next, ok)
	}
	if _, err := NewWaivers([]Waiver{{Name: "bad", Policy: "[a"}}); err == nil {
		t.Error("a broken pattern is accepted")
	}
}
