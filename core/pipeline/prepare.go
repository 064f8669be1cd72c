package pipeline

import (
	"context"
	"fmt"

	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// prepared is what a worker makes of a batch.
type prepared struct {
	generation *Generation
	batch      intake.Batch
	items      []preparedItem
	encoded    store.Encoded
	matches    []match
	failures   []failure
}

// preparedItem is the judgement of one item, with what it was made on.
type preparedItem struct {
	// judged is false where the item looked unchanged or late.
	judged bool
	// before is the hash of the version that was current, zero where there was none.
	before   record.Digest
	verdicts []verdict.Verdict
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
	prep.items = make([]preparedItem, len(prep.batch.Items))
	if len(prep.batch.Items) == 0 || j.msg.Import {
		return prep
	}
	err := p.store.View(ctx, func(tx *store.Tx) error { return p.judgeItems(ctx, tx, prep) })
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

// judgeItems judges each item of the batch that becomes current, in order, on the version before it.
func (p *Pipeline) judgeItems(ctx context.Context, tx *store.Tx, prep *prepared) error {
	items := prep.batch.Items
	state, err := currents(tx, items)
	if err != nil {
		return err
	}
	steps := make([]*version, len(items))
	befores := make([]*version, len(items))
	overlay := map[record.Key]*version{}
	for i := range items {
		it := &items[i]
		cur := state[it.Key]
		if cur.skips(it) {
			continue
		}
		steps[i], befores[i] = &version{item: it}, cur.version
		prep.items[i].judged = true
		prep.items[i].before = cur.version.hash()
		state[it.Key] = standing{steps[i], it.CaptureTime.UnixMicro()}
		overlay[it.Key] = steps[i]
	}
	r := &reader{tx: tx, overlay: overlay, cache: newValues()}
	for i, now := range steps {
		if now == nil {
			continue
		}
		policies := prep.generation.Policies.ForType(now.item.ResourceType)
		verdicts, err := p.judge(ctx, policies, now, befores[i], r)
		if err != nil {
			clear(prep.items)
			return err
		}
		prep.items[i].verdicts = verdicts
	}
	return nil
}

// standing is the version of a resource that is current, with the capture time up to which it is
// known to be.
type standing struct {
	*version
	confirmed int64
}

// skips reports whether an item would not become current: it is late, or says nothing new.
func (s standing) skips(it *record.Item) bool {
	if s.version == nil {
		return false
	}
	return it.CaptureTime.UnixMicro() < s.confirmed || it.Hash == s.item.Hash
}

// currents reads what is current for the resources of items.
func currents(tx *store.Tx, items []record.Item) (map[record.Key]standing, error) {
	keys := make([]record.Key, 0, len(items))
	seen := make(map[record.Key]bool, len(items))
	for i := range items {
		if !seen[items[i].Key] {
			seen[items[i].Key] = true
			keys = append(keys, items[i].Key)
		}
	}
	found, err := tx.CurrentMany(keys)
	if err != nil {
		return nil, fmt.Errorf("read current versions: %w", err)
	}
	state := make(map[record.Key]standing, len(found))
	for k, cur := range found {
		state[k] = standing{&version{item: &cur.Item}, cur.Confirmed.UnixMicro()}
	}
	return state, nil
}
