package backtest

import (
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// subject is a resource that was judged, and why.
type subject struct {
	item     *record.Item
	resource int64
	// number is that of the version in the recording.
	number int64
	at     time.Time
	cause  string
}

// verdicts keeps the verdicts on a resource and what follows from them.
func (e *Engine) verdicts(tx *store.Tx, s subject, now []verdict.Verdict) error {
	if len(now) == 0 {
		return nil
	}
	old, err := tx.Verdicts(s.resource)
	if err != nil {
		return fmt.Errorf("read verdicts on %s: %w", s.item.Key, err)
	}
	before := make(map[verdict.PolicyID]*verdict.Verdict, len(old))
	for i := range old {
		before[old[i].Policy] = &old[i]
	}
	put := make([]verdict.Verdict, 0, len(now))
	for _, v := range now {
		if s.item.Status.Recorded() {
			e.sums[v.Policy].judged(&v, s, e.o.Samples)
		}
		was := before[v.Policy]
		var outcome verdict.Outcome
		if was != nil {
			outcome = was.Outcome
		}
		if was == nil || !judge.Same(was, &v) {
			put = append(put, v)
		}
		if len(v.Evidence.Reads) > 0 || was != nil && len(was.Evidence.Reads) > 0 {
			if err := tx.SetReads(v.Policy, s.resource, v.Evidence.Reads); err != nil {
				return fmt.Errorf("keep what %s read: %w", v.Policy, err)
			}
		}
		if err := e.finding(tx, s, v, outcome); err != nil {
			return err
		}
	}
	if len(put) > 0 {
		if err := tx.PutVerdicts(s.resource, put, nil); err != nil {
			return fmt.Errorf("keep verdicts on %s: %w", s.item.Key, err)
		}
	}
	return nil
}

// finding takes one verdict's finding a step further.
func (e *Engine) finding(tx *store.Tx, s subject, v verdict.Verdict, before verdict.Outcome) error {
	mayHave := before != "" && before != verdict.Compliant && before != verdict.NotApplicable
	if !mayHave && v.Outcome != verdict.NonCompliant {
		return nil
	}
	old, err := tx.Finding(v.Policy, s.resource)
	if err != nil {
		return fmt.Errorf("read finding of %s on %s: %w", v.Policy, s.item.Key, err)
	}
	next, _ := compliance.Next(old, before, judge.Terms(e.o.Policies.Get(v.Policy)), compliance.Judgement{
		Verdict: v, Version: s.number, CapturedAt: s.at, NewVersion: s.cause == CauseVersion,
		Resolution: judge.Resolution(s.item.Status, v.Outcome),
		Waiver:     e.o.Waivers.Cover(v.Policy, v.Subject, e.clock),
	})
	if next == nil || next == old {
		return nil
	}
	if err := tx.PutFinding(s.resource, *next); err != nil {
		return fmt.Errorf("keep finding of %s on %s: %w", v.Policy, s.item.Key, err)
	}
	was := old != nil && old.Status == verdict.Open
	switch is := next.Status == verdict.Open; {
	case is && !was:
		e.pending = append(e.pending, opened(next, s.at, s.number, s.cause))
	case was && !is:
		e.pending = append(e.pending, Firing{
			At: s.at, What: Resolved, Policy: v.Policy, Severity: next.Severity, Title: next.Title, Message: next.Reason,
			Finding: &Finding{ID: next.ID, Resource: next.Subject, Outcome: next.Outcome, Version: s.number, Cause: s.cause, Resolution: next.Resolution},
		})
	}
	return nil
}

// opened is the firing of a finding that opened.
func opened(f *verdict.Finding, at time.Time, version int64, cause string) Firing {
	out := Firing{
		At: at, What: Opened, Policy: f.Policy, Severity: f.Severity, Title: f.Title, Message: f.Title,
		Finding: &Finding{
			ID: f.ID, Resource: f.Subject, Outcome: f.Outcome, Denials: f.Denials, Reason: f.Reason, Version: version,
			Cause: cause, Waiver: f.Waiver, Regressions: f.Regressions,
		},
	}
	if len(f.Denials) > 0 {
		out.Message = f.Denials[0].Message
	}
	return out
}
