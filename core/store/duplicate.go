package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/regent-dev/regent/core/record"
)

// Dup says whether an event was stored before.
type Dup uint8

// What Duplicates answers for an event.
const (
	DupNone Dup = iota
	// DupSame is the same source, id and content.
	DupSame
	// DupConflict is the same source and id with other content.
	DupConflict
)

// DupWindow is how long an event is recognised, counted from when its batch was received.
const DupWindow = 7 * 24 * time.Hour

// The sizes of the filters. A segment covers so many events that few segments are asked for each new
// id; 20 bits an event keep wrong answers rare enough that hardly a batch is opened in vain.
const (
	segmentEvents = 1 << 17
	dupBits       = 20
)

// eventKey is what recognises an event: a hash of its source and id, and the beginning of its content
// hash. Two events that agree in both are the same; somebody who makes two ids collide gets a
// conflict, in which both are kept.
type eventKey struct{ id, content uint64 }

func keyOf(ev *record.Event) eventKey {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(ev.Source)
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(ev.ID)
	if ev.ID == "" {
		// Without an id only the content tells.
		_, _ = d.Write(ev.Hash[:])
	}
	return eventKey{d.Sum64(), binary.BigEndian.Uint64(ev.Hash[:])}
}

func encodeKeys(keys []eventKey) []byte {
	out := make([]byte, 0, 16*len(keys))
	for _, k := range keys {
		out = binary.BigEndian.AppendUint64(out, k.id)
		out = binary.BigEndian.AppendUint64(out, k.content)
	}
	return out
}

func decodeKeys(b []byte) []eventKey {
	keys := make([]eventKey, 0, len(b)/16)
	for ; len(b) >= 16; b = b[16:] {
		keys = append(keys, eventKey{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])})
	}
	return keys
}

// duplicates are the filters over the journal, in memory. They are touched by the writing transaction
// only.
type duplicates struct {
	segments []*segment
	// pending are the batches of the transaction under way.
	pending     []pendingBatch
	pendingKeys map[uint64][]uint64
	// opened keeps the keys of the batches opened last: a file that is read again meets the same
	// batches one after the other.
	opened map[int64][]eventKey
}

type segment struct {
	filter  bloom
	events  int
	newest  int64
	batches []batchFilter
}

type batchFilter struct {
	seq    int64
	filter bloom
}

type pendingBatch struct {
	seq, received int64
	keys          []eventKey
}

// openedBatches bounds duplicates.opened.
const openedBatches = 64

func openDuplicates(ctx context.Context, s *Store) (*duplicates, error) {
	d := &duplicates{pendingKeys: map[uint64][]uint64{}, opened: map[int64][]eventKey{}}
	since := time.Now().Add(-DupWindow).UnixMicro()
	rows, err := s.write.QueryContext(ctx, `SELECT seq, received, keys FROM journal WHERE received >= ? AND events > 0 ORDER BY seq`, since)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq, received int64
		var keys sql.RawBytes
		if err := rows.Scan(&seq, &received, &keys); err != nil {
			return nil, err
		}
		d.add(pendingBatch{seq, received, decodeKeys(keys)})
	}
	return d, rows.Err()
}

func (d *duplicates) add(b pendingBatch) {
	if len(b.keys) == 0 {
		return
	}
	n := len(d.segments)
	if n == 0 || d.segments[n-1].events+len(b.keys) > segmentEvents {
		d.segments = append(d.segments, &segment{filter: newBloom(max(segmentEvents, len(b.keys)), dupBits)})
		n++
	}
	s := d.segments[n-1]
	own := newBloom(len(b.keys), dupBits)
	for _, k := range b.keys {
		s.filter.add(k.id)
		own.add(k.id)
	}
	s.events += len(b.keys)
	s.newest = b.received
	s.batches = append(s.batches, batchFilter{b.seq, own})
}

func (d *duplicates) commit() {
	for _, b := range d.pending {
		d.add(b)
	}
	d.rollback()
}

func (d *duplicates) rollback() {
	d.pending = d.pending[:0]
	clear(d.pendingKeys)
}

// expire lets go of the segments that are older than the window.
func (d *duplicates) expire(now time.Time) {
	since := now.Add(-DupWindow).UnixMicro()
	for len(d.segments) > 1 && d.segments[0].newest < since {
		d.segments = d.segments[1:]
	}
}

// Duplicates says for each event whether it was stored in the last DupWindow. It must be asked in the
// writing transaction that then appends the batch.
func (tx *Tx) Duplicates(events []record.Event) ([]Dup, error) {
	d := tx.s.dups
	out := make([]Dup, len(events))
	for i := range events {
		k := keyOf(&events[i])
		for _, content := range d.pendingKeys[k.id] {
			out[i] = worse(out[i], k.content, content)
		}
		for _, s := range d.segments {
			if out[i] == DupSame {
				break
			}
			if !s.filter.has(k.id) {
				continue
			}
			for _, b := range s.batches {
				if !b.filter.has(k.id) {
					continue
				}
				keys, err := tx.keysOf(b.seq)
				if err != nil {
					return nil, fmt.Errorf("open batch %d: %w", b.seq, err)
				}
				for _, stored := range keys {
					if stored.id == k.id {
						out[i] = worse(out[i], k.content, stored.content)
					}
				}
			}
		}
	}
	return out, nil
}

// worse keeps the stronger of two answers: the same content anywhere is the same event.
func worse(so Dup, content, stored uint64) Dup {
	if content == stored || so == DupSame {
		return DupSame
	}
	return DupConflict
}

func (tx *Tx) keysOf(seq int64) ([]eventKey, error) {
	d := tx.s.dups
	if keys, ok := d.opened[seq]; ok {
		return keys, nil
	}
	var raw []byte
	if _, err := tx.one(`SELECT keys FROM journal WHERE seq = ?`, []any{seq}, &raw); err != nil {
		return nil, err
	}
	if len(d.opened) >= openedBatches {
		clear(d.opened)
	}
	keys := decodeKeys(raw)
	d.opened[seq] = keys
	return keys, nil
}
