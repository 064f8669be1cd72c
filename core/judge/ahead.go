package judge

import (
	"context"
	"fmt"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Ahead is the judgement of one item before its turn, with what it was made on.
type Ahead struct {
	// Judged is false where the item looked unchanged or late.
	Judged bool
	// Before is the hash of the version that was current, zero where there was none.
	Before   record.Digest
	Verdicts []verdict.Verdict
}

// Items judges each item of a batch that becomes current, in order, on the version before it and on the
// committed state overlaid with the batch.
func (j *Judge) Items(ctx context.Context, tx *store.Tx, set *policy.Set, items []record.Item) ([]Ahead, error) {
	state, err := currents(tx, items)
	if err != nil {
		return nil, err
	}
	out := make([]Ahead, len(items))
	steps := make([]*Version, len(items))
	befores := make([]*Version, len(items))
	overlay := map[record.Key]*Version{}
	for i := range items {
		it := &items[i]
		cur := state[it.Key]
		if cur.skips(it) {
			continue
		}
		steps[i], befores[i] = &Version{Item: it}, cur.Version
		out[i].Judged = true
		out[i].Before = cur.Version.Hash()
		state[it.Key] = standing{steps[i], it.CaptureTime.UnixMicro()}
		overlay[it.Key] = steps[i]
	}
	r := &Reader{Tx: tx, Overlay: overlay, Cache: NewValues()}
	for i, now := range steps {
		if now == nil {
			continue
		}
		if out[i].Verdicts, err = j.Run(ctx, set.ForType(now.Item.ResourceType), now, befores[i], r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Settle returns the verdicts on an item that became current, before being the version that it replaced:
// those made ahead where they still hold, else new ones. again says that it judged again.
func (j *Judge) Settle(ctx context.Context, set *policy.Set, a *Ahead, now, before *Version, r *Reader) (verdicts []verdict.Verdict, again bool, err error) {
	ok := a.Judged && a.Before == before.Hash()
	if ok {
		if ok, err = Holds(ctx, now.Item.Key, a.Verdicts, r); err != nil {
			return nil, false, fmt.Errorf("check what %s was judged on: %w", now.Item.Key, err)
		}
	}
	if ok {
		return a.Verdicts, false, nil
	}
	if verdicts, err = j.Run(ctx, set.ForType(now.Item.ResourceType), now, before, r); err != nil {
		return nil, true, fmt.Errorf("judge %s: %w", now.Item.Key, err)
	}
	return verdicts, true, nil
}

// standing is the version of a resource that is current, with the capture time up to which it is
// known to be.
type standing struct {
	*Version
	confirmed int64
}

// skips reports whether an item would not become current: it is late, or says nothing new.
func (s standing) skips(it *record.Item) bool {
	if s.Version == nil {
		return false
	}
	return it.CaptureTime.UnixMicro() < s.confirmed || it.Hash == s.Item.Hash
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
		state[k] = standing{&Version{Item: &cur.Item}, cur.Confirmed.UnixMicro()}
	}
	return state, nil
}
