package channel

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"github.com/regent-dev/regent/core/store"
)

const (
	// page is how many items are read from the store at once, eventPage how many events: in the lake a page
	// of them stands scattered over a row group, which is unpacked for it.
	page      = 500
	eventPage = 5000
	// maxRun bounds how many numbers one run goes through, so that a plan never has very many files and
	// a long backlog is delivered bit by bit.
	maxRun = 1_000_000
)

// build gathers the records of a run in files.
type build struct {
	store  *store.Store
	events Events
	source string
	spec   *Spec
	run    *run
	// again says that the run was made before and is not to change.
	again bool
	spool *spool
	files []planned
}

// newRun begins a run behind a position.
func newRun(position int64, now time.Time, asked bool) (*run, error) {
	id, err := uuid()
	if err != nil {
		return nil, err
	}
	return &run{ID: id, Started: now.UTC().Truncate(time.Second), After: position, Asked: asked}, nil
}

// uuid makes a random one (version 4), the form that AWS Config's ids have.
func uuid() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// do writes the files of a run to dir. A run that is written again gives what it gave before, byte for
// byte.
func (b *build) do(ctx context.Context, dir string) error {
	head := func(group) []byte { return []byte(`{"Records":[`) }
	switch b.spec.Kind {
	case Snapshot:
		// The documents of AWS Config have the first name of the id, its files the second.
		head = func(group) []byte {
			return fmt.Appendf(nil, `{"fileVersion":"1.0","configurationSnapshotId":%q,"configSnapshotId":%q,"configurationItems":[`, b.run.ID, b.run.ID)
		}
	case History:
		head = func(group) []byte { return []byte(`{"fileVersion":"1.0","configurationItems":[`) }
	case Trail:
	}
	b.files = nil
	var err error
	if b.spool, err = newSpool(dir, head, "]}\n", b.done); err != nil {
		return err
	}
	switch b.spec.Kind {
	case Snapshot:
		err = b.snapshot(ctx)
	case History:
		err = b.history(ctx)
	case Trail:
		err = b.trail(ctx)
	}
	if err != nil {
		return err
	}
	return b.spool.finish()
}

// done takes a file that is complete into the plan.
func (b *build) done(g group, p *part) error {
	size, sum, err := measure(filepath.Join(b.spool.dir, p.name))
	if err != nil {
		return err
	}
	f := File{
		Kind: b.spec.Kind, Channel: b.spec.Name, Bucket: b.spec.Bucket.String(), Key: b.key(g, p), Bytes: size, SHA256: sum, Count: p.count,
		Account: g.account, Region: g.region, Type: g.typ, From: p.from, To: p.to,
	}
	if b.spec.Kind == Snapshot {
		f.ID = b.run.ID
	}
	b.files = append(b.files, planned{f, p.name})
	return nil
}

// last returns the number of the newest version.
func (b *build) last(ctx context.Context) (n int64, err error) {
	err = b.store.View(ctx, func(tx *store.Tx) error { n, err = tx.LastVersion(); return err })
	return n, err
}

// snapshot writes the state. An account and region of which nothing is left gets an empty list: that the
// last resource is gone is what its reader must learn.
func (b *build) snapshot(ctx context.Context) error {
	if !b.again {
		var err error
		if b.run.To, err = b.last(ctx); err != nil {
			return err
		}
	}
	for after := int64(0); ; {
		var items []*store.Current
		err := b.store.View(ctx, func(tx *store.Tx) (err error) { items, err = tx.StateAt(b.run.To, after, page); return err })
		if err != nil {
			return err
		}
		for _, c := range items {
			after = c.Resource
			if !b.spec.Match.item(&c.Item) {
				continue
			}
			g := group{account: c.Item.AccountID, region: c.Item.Region}
			if !c.Item.Status.Recorded() {
				b.spool.touch(g)
				continue
			}
			if err := b.item(g, c); err != nil {
				return err
			}
		}
		if len(items) < page {
			return nil
		}
	}
}

func (b *build) item(g group, c *store.Current) error {
	return b.spool.add(g, c.Version, c.Item.CaptureTime, func(dst []byte) ([]byte, error) { return appendItem(dst, &c.Item) })
}

// history writes all versions since the last run.
func (b *build) history(ctx context.Context) error {
	if !b.again {
		last, err := b.last(ctx)
		if err != nil {
			return err
		}
		b.run.To = min(last, b.run.After+maxRun)
		b.run.More = last > b.run.To
	}
	for after := b.run.After; after < b.run.To; {
		var items []*store.Current
		err := b.store.View(ctx, func(tx *store.Tx) (err error) { items, err = tx.VersionsAfter(after, page); return err })
		if err != nil {
			return err
		}
		for _, c := range items {
			if after = c.Version; after > b.run.To {
				return nil
			}
			if !b.spec.Match.item(&c.Item) {
				continue
			}
			if err := b.item(group{c.Item.AccountID, c.Item.Region, c.Item.ResourceType}, c); err != nil {
				return err
			}
		}
		if len(items) < page {
			return nil
		}
	}
	return nil
}

// trail writes all matching events since the last run.
func (b *build) trail(ctx context.Context) error {
	lost := int64(0)
	limit := b.run.After + maxRun
	if b.again {
		limit = b.run.To
	}
	at := b.run.After
	for more := true; more && at < limit; {
		events, err := b.events.EventsAfter(ctx, at, eventPage)
		if err != nil {
			return err
		}
		more = len(events) > 0
		for i := range events {
			e := &events[i]
			if e.Number > limit {
				more = false
				break
			}
			// A new trail begins with what there is; later, numbers follow one another.
			if e.Number > at+1 && at > 0 {
				lost += e.Number - at - 1
			}
			at = e.Number
			if !b.spec.Match.event(&e.Event) {
				continue
			}
			if err := b.event(e); err != nil {
				return err
			}
		}
	}
	if !b.again {
		b.run.To, b.run.Lost, b.run.More = at, lost, at >= limit
	}
	return nil
}

func (b *build) event(e *store.EventRow) error {
	g := group{account: e.Event.AccountID, region: e.Event.Region}
	return b.spool.add(g, e.Number, e.Event.Time, func(dst []byte) ([]byte, error) { return appendEvent(dst, &e.Event) })
}
