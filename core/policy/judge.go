package policy

import (
	"context"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Subject is one version of one resource, as it is judged.
type Subject struct {
	Key      record.Key
	Resource *Value
	// Previous is the version before; nil is null to the policy.
	Previous *Value
	// Gone says that the resource exists no more, which no policy is asked about.
	Gone bool
	// Time is what time.now_ns returns.
	Time time.Time
	// ItemHash and PreviousHash go into the evidence.
	ItemHash, PreviousHash string
}

// Judge runs a compliance policy on one resource. It never panics; whatever goes wrong is in the
// verdict: ERROR with a Reason, or NON_COMPLIANT with one where denials were found beside the error.
// r may be nil where the policy reads no other resources.
func (p *Policy) Judge(ctx context.Context, s Subject, r Reader) verdict.Verdict {
	return verdict.Verdict{Policy: p.ID, Subject: verdict.Subject(s.Key), Outcome: verdict.Error, At: s.Time}
}

// Match runs an alarm policy on one event and returns what matched, in the order of the messages.
// at is what time.now_ns returns. With an error there are no matches.
func (p *Policy) Match(ctx context.Context, event *Value, at time.Time) ([]verdict.Match, error) {
	return nil, nil
}
