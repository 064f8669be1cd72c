package pipeline

import (
	"context"
	"fmt"

	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// Records that are imported enter history with their own times and are judged by nobody. A resource that
// is known from an import alone has no owner; it is judged from when a collector sees it.

// metaImported says that records were ever imported. As long as they were not, nobody asks for owners.
const metaImported = "pipeline/imported"

func (p *Pipeline) loadImports(ctx context.Context) error {
	return p.store.View(ctx, func(tx *store.Tx) error {
		b, err := tx.Meta(metaImported)
		p.imports.Store(len(b) > 0)
		return err
	})
}

// importItems stores the items of a batch that is imported and returns how many became versions.
func (c *commit) importItems(j *job, prep *prepared, seq int64) (stored int, err error) {
	if len(prep.batch.Items) > 0 && !c.p.imports.Load() {
		if err := c.tx.SetMeta(metaImported, []byte("yes")); err != nil {
			return 0, err
		}
		c.p.imports.Store(true)
	}
	for i := range prep.batch.Items {
		it := &prep.batch.Items[i]
		known, err := c.tx.HasVersion(it)
		if err != nil {
			return 0, fmt.Errorf("look for %s: %w", it.Key, err)
		}
		if known {
			continue
		}
		res, err := c.tx.PutItem(store.ItemWrite{Item: *it, Instance: j.inst, Received: j.received, Batch: seq})
		if err != nil {
			return 0, fmt.Errorf("store item %s: %w", it.Key, err)
		}
		if res.Kind != store.ItemUnchanged {
			stored++
		}
	}
	return stored, nil
}

// onlyImported reports whether no collector has ever seen a resource that is there.
func (p *Pipeline) onlyImported(tx *store.Tx, it *record.Item, resource int64) (bool, error) {
	if !p.imports.Load() || !it.Status.Recorded() {
		return false, nil
	}
	owners, err := tx.Owners(resource)
	return len(owners) == 0, err
}

// adopts reports whether an item is the first that a collector says of a resource known from an import.
func (c *commit) adopts(it *record.Item, res store.ItemResult) (bool, error) {
	if res.Kind != store.ItemUnchanged {
		return false, nil
	}
	return c.p.onlyImported(c.tx, it, res.Resource)
}

// adopt judges a resource whose version was imported and is now seen by a collector.
func (c *commit) adopt(ctx context.Context, it *record.Item, res store.ItemResult, first bool) error {
	cur, err := c.tx.CurrentByID(res.Resource)
	if err != nil || cur == nil || cur.Version != res.Version {
		return err
	}
	r := &judge.Reader{Tx: c.tx, Cache: c.cache}
	verdicts, err := c.p.judge.Run(ctx, c.gen.Policies.ForType(it.ResourceType), &judge.Version{Item: &cur.Item}, nil, r)
	if err != nil {
		return fmt.Errorf("judge %s: %w", it.Key, err)
	}
	return c.verdicts(&cur.Item, res.Resource, res.Version, verdicts, nil, true, first)
}
