package store

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// BatchRow is one accepted batch.
type BatchRow struct {
	Instance record.Instance
	Received time.Time
	// Read = Stored + Duplicate + Quarantined, once CountItems has added the items.
	Read, Stored, Duplicate, Quarantined int
	// Conflicts counts events whose id was there with other content; they are among Stored.
	Conflicts int
	// Events are the new events, nil where there are none.
	Events *Encoded
}

// AppendBatch appends a batch to the journal, adds to the instance's totals, and returns the batch's
// number.
func (tx *Tx) AppendBatch(b BatchRow) (int64, error) {
	seq, err := tx.nextID("journal", "seq")
	if err != nil {
		return 0, err
	}
	received := micros(b.Received)
	err = tx.run(`INSERT INTO journal (seq, instance, received, read, stored, duplicate, quarantined) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		seq, string(b.Instance), received, b.Read, b.Stored, b.Duplicate, b.Quarantined)
	if err != nil {
		return 0, fmt.Errorf("append batch: %w", err)
	}
	if b.Events != nil && b.Events.Len() > 0 {
		if err := tx.appendEvents(seq, b, received); err != nil {
			return 0, fmt.Errorf("append events: %w", err)
		}
	}
	return seq, tx.addTotals(b.Instance, b.Read, b.Stored, b.Duplicate, b.Quarantined, b.Conflicts)
}

func (tx *Tx) appendEvents(seq int64, b BatchRow, received int64) error {
	d, e := tx.s.dups, b.Events
	if err := d.sealFull(tx); err != nil {
		return err
	}
	first := d.nextEvent()
	err := tx.run(`INSERT INTO event_batches (seq, instance, received, first_event, events, min_time, max_time, filter) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, string(b.Instance), received, first, e.Len(), e.minTime, e.maxTime, e.filter)
	if err != nil {
		return err
	}
	if err := tx.run(`INSERT INTO event_data (seq, data) VALUES (?, ?)`, seq, e.data); err != nil {
		return err
	}
	if err := tx.run(`INSERT INTO event_ids (seq, ids) VALUES (?, ?)`, seq, encodeIDs(e.ids)); err != nil {
		return err
	}
	if err := tx.run(`INSERT INTO event_checks (seq, checks) VALUES (?, ?)`, seq, e.checks); err != nil {
		return err
	}
	d.pend(pendingBatch{seq: seq, first: first, received: received, encoded: e})
	return nil
}

func encodeIDs(ids []uint32) []byte {
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		out = binary.LittleEndian.AppendUint32(out, id)
	}
	return out
}

func (tx *Tx) addTotals(inst record.Instance, read, stored, duplicate, quarantined, conflicts int) error {
	err := tx.run(`INSERT INTO totals (instance, read, stored, duplicate, quarantined, conflicts) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (instance) DO UPDATE SET read = totals.read + excluded.read, stored = totals.stored + excluded.stored,
		duplicate = totals.duplicate + excluded.duplicate, quarantined = totals.quarantined + excluded.quarantined,
		conflicts = totals.conflicts + excluded.conflicts`, string(inst), read, stored, duplicate, quarantined, conflicts)
	if err != nil {
		return fmt.Errorf("add to totals: %w", err)
	}
	return nil
}

// CountItems adds the items of a batch to what became of it, once they have been stored.
func (tx *Tx) CountItems(inst record.Instance, seq int64, stored, duplicate int) error {
	if err := tx.run(`UPDATE journal SET stored = stored + ?, duplicate = duplicate + ? WHERE seq = ?`, stored, duplicate, seq); err != nil {
		return fmt.Errorf("count items: %w", err)
	}
	return tx.addTotals(inst, 0, stored, duplicate, 0, 0)
}

// Totals are what an instance sent, in all.
type Totals struct {
	Read        int64 `json:"read"`
	Stored      int64 `json:"stored"`
	Duplicate   int64 `json:"duplicate"`
	Quarantined int64 `json:"quarantined"`
	Conflicts   int64 `json:"conflicts"`
}

// Totals returns the totals by instance.
func (tx *Tx) Totals() (map[record.Instance]Totals, error) {
	out := map[record.Instance]Totals{}
	err := tx.each(`SELECT instance, read, stored, duplicate, quarantined, conflicts FROM totals`, nil, func(r *sql.Rows) error {
		var inst string
		var t Totals
		if err := r.Scan(&inst, &t.Read, &t.Stored, &t.Duplicate, &t.Quarantined, &t.Conflicts); err != nil {
			return err
		}
		out[record.Instance(inst)] = t
		return nil
	})
	return out, err
}

// cachedBatches bounds the opened batches at hand. A file that is read again, or a list that is paged
// through, meets the same batches one after the other.
const cachedBatches = 16

// batchCache keeps the batches opened last. It is safe for concurrent use.
type batchCache struct {
	mu sync.Mutex
	// batches are the last used first.
	batches []*openBatch
}

func (c *batchCache) get(seq int64) *openBatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.batches {
		if b.seq == seq {
			copy(c.batches[1:], c.batches[:i])
			c.batches[0] = b
			return b
		}
	}
	return nil
}

func (c *batchCache) put(b *openBatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.batches) < cachedBatches {
		c.batches = append(c.batches, nil)
	}
	copy(c.batches[1:], c.batches)
	c.batches[0] = b
}

// openBatch is a batch that was decompressed. It is shared and not changed.
type openBatch struct {
	seq      int64
	instance record.Instance
	received int64
	first    int64
	bodies   [][]byte
}

// batch opens a batch, nil where there is none, or where it has moved to the lake.
func (tx *Tx) batch(seq int64) (*openBatch, error) {
	// What this transaction wrote itself may yet be rolled back, and its number given to another.
	own := tx.writable && tx.s.dups.isPending(seq)
	if !own {
		if b := tx.s.batches.get(seq); b != nil {
			return b, nil
		}
	}
	b, err := tx.openBatch(seq)
	if err == nil && b != nil && !own {
		tx.s.batches.put(b)
	}
	return b, err
}

// openBatch is batch for one who reads each batch once.
func (tx *Tx) openBatch(seq int64) (*openBatch, error) {
	b := &openBatch{seq: seq}
	var inst string
	var count int
	var data []byte
	ok, err := tx.one(`SELECT b.instance, b.received, b.first_event, b.events, d.data FROM event_batches b JOIN event_data d ON d.seq = b.seq WHERE b.seq = ?`,
		[]any{seq}, &inst, &b.received, &b.first, &count, &data)
	if err != nil || !ok {
		return nil, err
	}
	b.instance = record.Instance(inst)
	if b.bodies, err = decodeEvents(data, count); err != nil {
		return nil, fmt.Errorf("%w: journal row %d: %w", ErrCorrupt, seq, err)
	}
	return b, nil
}
