package pipeline

import (
	"context"
	"fmt"

	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// prepared is what a worker makes of a batch.
type prepared struct {
	generation *Generation
	batch      intake.Batch
	items      []judge.Ahead
	encoded    store.Encoded
	matches    []match
	failures   []failure
}

// match is one match of an alarm policy; event is the index into the batch.
type match struct {
	policy *policy.Policy
	event  int
	match  verdict.Match
}

// failure is an alarm policy that failed on an event.
type failure struct {
	policy *policy.Policy
	event  int
	err    error
}

// prepare checks and judges a batch, outside any transaction that writes. An error of the store here
// leaves the batch unjudged: the commit judges it then, and meets the same error where it matters.
func (p *Pipeline) prepare(ctx context.Context, j *job) *prepared {
	prep := &prepared{generation: p.generation.Load()}
	prep.batch = p.intake.Check(p.types(j.inst), j.msg.Records, j.received)
	if !j.msg.Import {
		p.matchEvents(ctx, prep)
	}
	prep.encoded = store.EncodeEvents(prep.batch.Events)
	prep.items = make([]judge.Ahead, len(prep.batch.Items))
	if len(prep.batch.Items) == 0 || j.msg.Import {
		return prep
	}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		ahead, err := p.judge.Items(ctx, tx, prep.generation.Policies, prep.batch.Items)
		if err == nil {
			prep.items = ahead
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		p.log.Warn("a batch could not be judged ahead; it is judged when it is committed", "instance", j.inst, "err", err)
	}
	return prep
}

// matchEvents runs the alarm policies that may match on each event. It needs no store.
func (p *Pipeline) matchEvents(ctx context.Context, prep *prepared) {
	var candidates []*policy.Policy
	for i := range prep.batch.Events {
		ev := &prep.batch.Events[i]
		candidates = prep.generation.Policies.ForEvent(ev, candidates[:0])
		if len(candidates) == 0 {
			continue
		}
		value, err := policy.Parse(ev.Body)
		if err != nil {
			// Intake has parsed these bytes; if Rego's reader refuses them, every policy on them failed.
			for _, pol := range candidates {
				prep.failures = append(prep.failures, failure{pol, i, fmt.Errorf("parse event: %w", err)})
			}
			continue
		}
		for _, pol := range candidates {
			if p.health.blocked(pol.ID, func() string { return markedEvent(ev) }) {
				continue
			}
			found, err := pol.Match(ctx, value, ev.Time)
			if err != nil {
				prep.failures = append(prep.failures, failure{pol, i, err})
				continue
			}
			for _, m := range found {
				prep.matches = append(prep.matches, match{pol, i, m})
			}
		}
	}
}
