package compliance

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// Terms are what of a policy a finding carries along.
type Terms struct {
	Policy   verdict.PolicyID
	Title    string
	Severity verdict.Severity
	Labels   map[string]string
}

// Judgement is a new verdict with what caused it.
type Judgement struct {
	Verdict verdict.Verdict
	// Version is the number of the item version that was judged, CapturedAt its capture time.
	Version    int64
	CapturedAt time.Time
	// NewVersion is true where the version is new, so that it may have flipped the verdict; false
	// where the policy, its parameters or another resource changed.
	NewVersion bool
	// Resolution is the reason to give where the verdict resolves a finding.
	Resolution string
	// Waiver names the waiver that covers the pair now.
	Waiver string
	// Quiet is why a change would not be sent one by one, "" where it would.
	Quiet string
}

// FindingID returns the id of the finding of a policy on a resource. It is the same for the whole
// life of both, so that people and tickets may refer to it.
func FindingID(policy verdict.PolicyID, s verdict.Subject) string {
	sum := sha256.Sum256([]byte(string(policy) + "\x00" + s.AccountID + "\x00" + s.Region + "\x00" + s.ResourceType + "\x00" + s.ResourceID))
	return "F" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10])
}

// Next returns the finding after a judgement, nil where there is none and none opens, and the change
// to be routed, nil where the outcome did not change. before is the outcome so far, "" where the
// policy had not judged the resource. The finding that is given is not altered.
func Next(old *verdict.Finding, before verdict.Outcome, t Terms, j Judgement) (*verdict.Finding, *verdict.Change) {
	f := next(old, t, j)
	v := j.Verdict
	if before == v.Outcome || silent(before) && silent(v.Outcome) {
		return f, nil
	}
	c := &verdict.Change{
		Class: verdict.ClassCompliance, RecordedAt: j.CapturedAt,
		Key: FindingID(t.Policy, v.Subject), Policy: t.Policy, Severity: t.Severity, Title: t.Title,
		Message: message(v), Resource: &v.Subject, Account: v.Subject.AccountID, Labels: t.Labels,
		Old: string(before), New: string(v.Outcome),
		Active: v.Outcome == verdict.NonCompliant || v.Outcome == verdict.Error,
		Quiet:  j.Quiet,
	}
	if f != nil && f.Waiver != "" && v.Outcome == verdict.NonCompliant {
		c.Quiet = verdict.QuietWaived
	}
	if f != nil {
		c.Data = marshal(f)
	} else {
		c.Data = marshal(v)
	}
	return f, c
}

// silent reports whether an outcome is one that nobody is told of when there was none before or
// another such one: a resource that starts to comply is no news.
func silent(o verdict.Outcome) bool {
	switch o {
	case "", verdict.Compliant, verdict.NotApplicable, verdict.InsufficientData:
		return true
	}
	return false
}

func next(old *verdict.Finding, t Terms, j Judgement) *verdict.Finding {
	v := j.Verdict
	var f verdict.Finding
	if old != nil {
		f = *old
	}
	switch v.Outcome {
	case verdict.NonCompliant:
		if old == nil || old.Status == verdict.Resolved {
			f = verdict.Finding{
				ID: FindingID(t.Policy, v.Subject), Policy: t.Policy, Subject: v.Subject,
				Status: verdict.Open, FirstSeen: j.CapturedAt, Regressions: f.Regressions,
			}
			if old != nil {
				f.Regressions++
			}
			if j.NewVersion {
				f.FlippedBy = j.Version
			}
		}
		f.Outcome, f.Denials, f.Reason = v.Outcome, v.Denials, v.Reason
		f.Evidence, f.Waiver = v.Evidence, j.Waiver
		f.Title, f.Severity, f.Labels = t.Title, t.Severity, t.Labels
		f.LastSeen = later(f.LastSeen, j.CapturedAt)
		return &f
	case verdict.Error, verdict.InsufficientData:
		if old == nil {
			return nil
		}
		if old.Status == verdict.Open {
			f.Outcome, f.Reason = v.Outcome, v.Reason
		}
		return &f
	default:
		if old == nil || old.Status == verdict.Resolved {
			return old
		}
		at := j.CapturedAt
		f.Status, f.Outcome, f.Reason = verdict.Resolved, v.Outcome, v.Reason
		f.ResolvedAt, f.Resolution, f.Waiver = &at, j.Resolution, ""
		return &f
	}
}

// Remove returns the finding after its policy was removed or disabled, and the change to be routed;
// nil where there was no open finding.
func Remove(old *verdict.Finding, at time.Time) (*verdict.Finding, *verdict.Change) {
	if old == nil || old.Status == verdict.Resolved {
		return nil, nil
	}
	f := *old
	f.Status, f.ResolvedAt, f.Resolution, f.Waiver = verdict.Resolved, &at, verdict.ResolvedPolicyRemoved, ""
	return &f, change(&f, old, "The policy was removed.", string(old.Outcome), "REMOVED", false, at)
}

// Waive returns the finding after the waivers changed or one ended; waiver is the one that covers it
// now. It returns nil where that is no news.
func Waive(old *verdict.Finding, waiver string, at time.Time) (*verdict.Finding, *verdict.Change) {
	if old == nil || old.Status != verdict.Open || old.Waiver == waiver {
		return nil, nil
	}
	f := *old
	f.Waiver = waiver
	if waiver == "" {
		return &f, change(&f, old, fmt.Sprintf("The waiver %q ended; %s", old.Waiver, text(f.Denials, f.Reason)), "WAIVED", string(f.Outcome), true, at)
	}
	c := change(&f, old, fmt.Sprintf("Waived by %q.", waiver), string(f.Outcome), "WAIVED", false, at)
	return &f, c
}

func change(f, old *verdict.Finding, msg, before, after string, active bool, at time.Time) *verdict.Change {
	s := f.Subject
	return &verdict.Change{
		Class: verdict.ClassCompliance, RecordedAt: at, Key: f.ID, Policy: f.Policy, Severity: f.Severity,
		Title: f.Title, Message: msg, Resource: &s, Account: s.AccountID, Labels: old.Labels,
		Old: before, New: after, Active: active, Data: marshal(f),
	}
}

func message(v verdict.Verdict) string { return text(v.Denials, v.Reason) }

// text is what a verdict says in one line: its first messages, or its reason.
func text(denials []verdict.Denial, reason string) string {
	if len(denials) == 0 {
		return reason
	}
	var parts []string
	for _, d := range denials[:min(3, len(denials))] {
		parts = append(parts, d.Message)
	}
	if n := len(denials) - len(parts); n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, "; ")
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// marshal cannot fail: the types hold nothing that JSON lacks, and raw members were checked when
// they were made.
func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("compliance: %v", err))
	}
	return b
}
