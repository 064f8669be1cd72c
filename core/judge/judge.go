package judge

import (
	"context"
	"errors"
	"fmt"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Judge runs policies. Both its functions may be nil; they may be called from several goroutines.
type Judge struct {
	// Blocked reports whether a policy must not be run on a record because the two took the process
	// down before.
	Blocked func(policy verdict.PolicyID, record func() string) bool
	// Judged is told of each outcome.
	Judged func(verdict.Outcome)
}

// Version is an item with its parsed body, made when a policy first wants it.
type Version struct {
	Item  *record.Item
	value *policy.Value
}

func (v *Version) parse() (*policy.Value, error) {
	if v == nil || v.Item == nil {
		return nil, nil
	}
	if v.value == nil {
		value, err := policy.Parse(v.Item.Body)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", v.Item.Key, err)
		}
		v.value = value
	}
	return v.value, nil
}

func (v *Version) Hash() record.Digest {
	if v == nil || v.Item == nil {
		return record.Digest{}
	}
	return v.Item.Hash
}

// Run runs policies on one version of a resource.
func (j *Judge) Run(ctx context.Context, policies []*policy.Policy, now, before *Version, r policy.Reader) ([]verdict.Verdict, error) {
	if len(policies) == 0 {
		return nil, nil
	}
	value, err := now.parse()
	previous, beforeErr := before.parse()
	if err = errors.Join(err, beforeErr); err != nil {
		// What intake lets through can be read. If it cannot, that must not hold up all that comes after.
		return unreadable(policies, now, err), nil
	}
	s := policy.Subject{
		Key: now.Item.Key, Resource: value, Previous: previous, Gone: !now.Item.Status.Recorded(),
		Time: now.Item.CaptureTime, ItemHash: now.Item.Hash.String(),
	}
	if previous != nil {
		s.PreviousHash = before.Item.Hash.String()
	}
	out := make([]verdict.Verdict, 0, len(policies))
	for _, pol := range policies {
		if j.Blocked != nil && j.Blocked(pol.ID, now.Item.Key.String) {
			out = append(out, verdict.Verdict{
				Policy: pol.ID, Subject: verdict.Subject(now.Item.Key), Outcome: verdict.Error, At: s.Time,
				Reason:   "the daemon went down twice while this policy was run on this resource; it is not run on it until the policy changes",
				Evidence: verdict.Evidence{Policy: pol.Digest.String(), Item: s.ItemHash},
			})
			continue
		}
		v := pol.Judge(ctx, s, r)
		if ctx.Err() != nil {
			// The evaluation was cut short by shutdown: its ERROR says nothing.
			return nil, ctx.Err()
		}
		if j.Judged != nil {
			j.Judged(v.Outcome)
		}
		out = append(out, v)
	}
	return out, nil
}

// unreadable are the verdicts on an item that policies cannot be given.
func unreadable(policies []*policy.Policy, now *Version, err error) []verdict.Verdict {
	out := make([]verdict.Verdict, 0, len(policies))
	for _, pol := range policies {
		out = append(out, verdict.Verdict{
			Policy: pol.ID, Subject: verdict.Subject(now.Item.Key), Outcome: verdict.Error, At: now.Item.CaptureTime, Reason: err.Error(),
			Evidence: verdict.Evidence{Policy: pol.Digest.String(), Item: now.Item.Hash.String()},
		})
	}
	return out
}
