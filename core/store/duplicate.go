package store

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"time"

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

// DupWindow is how long an event is recognised, from when its batch was received to when the newest
// batch was.
const DupWindow = 7 * 24 * time.Hour

// duplicates knows where events with a fingerprint are; see segment.go. It is touched by the writing
// transaction only.
type duplicates struct {
	// limit is from how many events on the open segment is sealed.
	limit  int
	open   *openSegment
	sealed []*sealedSegment
	// newest is when the newest batch was received.
	newest int64
	// recent are where duplicates were found last. What is sent again comes in the order in which it
	// came first, so the next one is most likely behind.
	recent [2]recentPlace
	// opened are the checks of the batches looked at last, the last used first.
	opened []*batchChecks
	// older are the segments before sealed, for who asks for more than DupWindow; nil where they are not
	// at hand.
	older []*sealedSegment
	// numbers is memory to work in.
	numbers []int64

	// What follows is of the transaction under way: its batches, those of their events that are
	// looked for already, by fingerprint, and the segment that it sealed, which is the open one until
	// it is committed.
	pending []pendingBatch
	indexed int
	lastOf  map[uint32]int
	events  []pendingEvent
	sealing *sealedSegment
}

type pendingBatch struct {
	seq, first, received int64
	encoded              *Encoded
}

// pendingEvent is an event and the one before it with the same fingerprint, less than 0 for none.
type pendingEvent struct {
	event  *record.Event
	before int
}

// recentPlace is a place in a batch.
type recentPlace struct {
	batch *batchChecks
	index int
}

// batchChecks are the checks of a batch's events, each so wide.
type batchChecks struct {
	seq, received int64
	checks        []byte
	width         int
}

// A check is what tells whether two events are the same, also when the event itself has moved to the
// lake: the first half of the digest of its content, which nobody can find a second event for, and a
// further piece of the digest of its source and id, whose first piece is the fingerprint by which it was
// found. Batches of before it was halved have the whole digest.
const (
	checkedBytes  = len(record.Digest{}) / 2
	identityBytes = 4
	checkBytes    = checkedBytes + identityBytes
	// openedChecks bounds the batches whose checks are at hand.
	openedChecks = 64
)

func appendCheck(out []byte, ev *record.Event) []byte {
	out = append(out, ev.Hash[:checkedBytes]...)
	id := identity(ev)
	return append(out, id[:]...)
}

// identity is a piece of the digest of an event's source and id.
func identity(ev *record.Event) (out [identityBytes]byte) {
	b := make([]byte, 0, 128)
	b = append(append(append(b, ev.Source...), 0), ev.ID...)
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

func (b *batchChecks) len() int { return len(b.checks) / b.width }

// is reports whether the event at an index has a content.
func (b *batchChecks) is(index int, hash *record.Digest) bool {
	return bytes.Equal(b.checks[index*b.width:][:checkedBytes], hash[:checkedBytes])
}

// hasIdentity reports whether the event at an index has a source and id.
func (b *batchChecks) hasIdentity(index int, id [identityBytes]byte) bool {
	return bytes.Equal(b.checks[(index+1)*b.width-len(id):][:len(id)], id[:])
}

// ahead is how many events behind a recent place are looked at.
const ahead = 4

// loadDuplicates reads the filters and the newest fingerprints.
func loadDuplicates(tx *Tx) (*duplicates, error) {
	d := &duplicates{limit: segmentEvents, open: &openSegment{}, lastOf: map[uint32]int{}}
	var newest sql.NullInt64
	if _, err := tx.one(`SELECT max(received) FROM journal`, nil, &newest); err != nil {
		return nil, err
	}
	d.newest = newest.Int64
	next := int64(1)
	err := tx.each(`SELECT id, first_event, events, newest, filter FROM event_segments ORDER BY id`, nil, func(r *sql.Rows) error {
		var s sealedSegment
		var events int64
		var filter sql.RawBytes
		if err := r.Scan(&s.id, &s.first, &events, &s.newest, &filter); err != nil {
			return err
		}
		next = max(next, s.first+events)
		if s.newest < d.since() {
			return nil
		}
		var ok bool
		if s.filter, ok = readBloom(filter); !ok {
			return fmt.Errorf("%w: filter of segment %d", ErrCorrupt, s.id)
		}
		d.sealed = append(d.sealed, &s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.open.first, d.open.next = next, next
	err = tx.each(`SELECT b.seq, b.first_event, b.received, i.ids FROM event_batches b JOIN event_ids i ON i.seq = b.seq ORDER BY b.first_event`, nil, func(r *sql.Rows) error {
		var seq, first, received int64
		var ids sql.RawBytes
		if err := r.Scan(&seq, &first, &received, &ids); err != nil {
			return err
		}
		if first < d.open.first || first-d.open.first > maxPlace || len(ids)%4 != 0 {
			return fmt.Errorf("%w: fingerprints of batch %d", ErrCorrupt, seq)
		}
		for i := 0; i < len(ids); i += 4 {
			d.open.add(binary.LittleEndian.Uint32(ids[i:]), first+int64(i/4))
		}
		d.open.lastSeq, d.open.newest = seq, max(d.open.newest, received)
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept, err := tx.keptNumber()
	if kept > d.open.next {
		if d.open.next == d.open.first {
			d.open.first = kept
		}
		d.open.next = kept
	}
	return d, err
}

// nextEvent is the number of the next event to be stored.
func (d *duplicates) nextEvent() int64 {
	if n := len(d.pending); n > 0 {
		return d.pending[n-1].first + int64(d.pending[n-1].encoded.Len())
	}
	return d.open.next
}

func (d *duplicates) isPending(seq int64) bool { return len(d.pending) > 0 && seq >= d.pending[0].seq }

func (d *duplicates) pend(b pendingBatch) { d.pending = append(d.pending, b) }

// index makes the pending events ready to be looked for.
func (d *duplicates) index() {
	for ; d.indexed < len(d.pending); d.indexed++ {
		e := d.pending[d.indexed].encoded
		for i, fp := range e.ids {
			before, known := d.lastOf[fp]
			if !known {
				before = -1
			}
			d.lastOf[fp] = len(d.events)
			d.events = append(d.events, pendingEvent{&e.events[i], before})
		}
	}
}

// since is the time of receiving from which events are recognised.
func (d *duplicates) since() int64 { return d.newest - DupWindow.Microseconds() }

// sealFull seals the open segment where it is full.
func (d *duplicates) sealFull(tx *Tx) error {
	if d.open.count < d.limit || d.sealing != nil {
		return nil
	}
	s, err := tx.seal(d.open)
	if err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	d.sealing = s
	return nil
}

// commit takes over what the transaction wrote.
func (d *duplicates) commit() {
	if d.sealing != nil {
		d.sealed = append(d.sealed, d.sealing)
		d.open = &openSegment{first: d.open.next, next: d.open.next}
	}
	for _, b := range d.pending {
		for i, fp := range b.encoded.ids {
			d.open.add(fp, b.first+int64(i))
		}
		d.open.lastSeq, d.open.newest = b.seq, max(d.open.newest, b.received)
		d.newest = max(d.newest, b.received)
	}
	for len(d.sealed) > 0 && d.sealed[0].newest < d.since() {
		if d.older != nil {
			d.older = append(d.older, d.sealed[0])
		}
		d.sealed = d.sealed[1:]
	}
	d.rollback()
}

// rollback forgets what the transaction wrote.
func (d *duplicates) rollback() {
	// Not only cut short: the batches hold on to their events.
	clear(d.pending)
	clear(d.events)
	d.pending, d.events, d.indexed = d.pending[:0], d.events[:0], 0
	clear(d.lastOf)
	d.sealing = nil
}

// Duplicates says for each event whether it was stored in the last DupWindow, or in this transaction;
// with ever, whether it was stored at all and is not past its retention. It must be asked in the writing
// transaction that then appends the batch. Events of the slice are not compared with each other.
func (tx *Tx) Duplicates(events []record.Event, ever bool) ([]Dup, error) {
	d := tx.s.dups
	d.index()
	if ever && d.older == nil {
		if err := d.loadOlder(tx); err != nil {
			return nil, fmt.Errorf("look for duplicates: %w", err)
		}
	}
	out := make([]Dup, len(events))
	for i := range events {
		var err error
		if out[i], err = tx.duplicate(&events[i], ever); err != nil {
			return nil, fmt.Errorf("look for duplicates: %w", err)
		}
	}
	return out, nil
}

// ForgetOlder lets go of what Duplicates holds to look for events older than DupWindow. The next one who
// asks for them reads it again.
func (tx *Tx) ForgetOlder() { tx.s.dups.older = nil }

// loadOlder reads the filters of the segments that are past DupWindow.
func (d *duplicates) loadOlder(tx *Tx) error {
	first := int64(math.MaxInt64)
	if len(d.sealed) > 0 {
		first = d.sealed[0].id
	} else if d.sealing != nil {
		first = d.sealing.id
	}
	older := []*sealedSegment{}
	err := tx.each(`SELECT id, first_event, newest, filter FROM event_segments WHERE id < ? ORDER BY id`, []any{first}, func(r *sql.Rows) error {
		var s sealedSegment
		var filter sql.RawBytes
		if err := r.Scan(&s.id, &s.first, &s.newest, &filter); err != nil {
			return err
		}
		var ok bool
		if s.filter, ok = readBloom(filter); !ok {
			return fmt.Errorf("%w: filter of segment %d", ErrCorrupt, s.id)
		}
		older = append(older, &s)
		return nil
	})
	d.older = older
	return err
}

func (tx *Tx) duplicate(ev *record.Event, ever bool) (Dup, error) {
	d := tx.s.dups
	since := d.since()
	if ever {
		since = math.MinInt64
	}
	if d.isRecent(ev, since) {
		return DupSame, nil
	}
	fp := fingerprint(ev)
	answer := d.duplicateOfPending(ev, fp)
	if answer == DupSame {
		return answer, nil
	}
	var err error
	d.numbers = d.open.find(fp, d.numbers[:0])
	if answer, err = tx.compare(ev, d.numbers, since, answer); err != nil || answer == DupSame {
		return answer, err
	}
	if answer, err = tx.compareSealed(ev, fp, d.sealed, since, answer); err != nil || answer == DupSame || !ever {
		return answer, err
	}
	return tx.compareSealed(ev, fp, d.older, since, answer)
}

// compareSealed holds an event against those of sealed segments, the newest first.
func (tx *Tx) compareSealed(ev *record.Event, fp uint32, segments []*sealedSegment, since int64, answer Dup) (Dup, error) {
	d := tx.s.dups
	h := mixed(fp)
	for i := len(segments) - 1; i >= 0; i-- {
		s := segments[i]
		if !s.filter.has(h) {
			continue
		}
		var err error
		if d.numbers, err = tx.findSealed(s.id, s.first, fp, d.numbers[:0]); err != nil {
			return answer, err
		}
		if answer, err = tx.compare(ev, d.numbers, since, answer); err != nil || answer == DupSame {
			return answer, err
		}
	}
	return answer, nil
}

// isRecent reports whether an event is one of the next behind a recent place.
func (d *duplicates) isRecent(ev *record.Event, since int64) bool {
	for i := range d.recent {
		r := &d.recent[i]
		if r.batch == nil || r.batch.received < since {
			continue
		}
		for at := r.index + 1; at <= r.index+ahead && at < r.batch.len(); at++ {
			if r.batch.is(at, &ev.Hash) {
				r.index = at
				return true
			}
		}
	}
	return false
}

func (d *duplicates) duplicateOfPending(ev *record.Event, fp uint32) Dup {
	answer := DupNone
	at, known := d.lastOf[fp]
	for known && at >= 0 {
		p := d.events[at]
		if p.event.Source == ev.Source && p.event.ID == ev.ID {
			answer = worse(answer, ev, p.event.Hash)
		}
		at = p.before
	}
	return answer
}

// compare holds an event against stored ones with its fingerprint.
func (tx *Tx) compare(ev *record.Event, numbers []int64, since int64, answer Dup) (Dup, error) {
	d := tx.s.dups
	for _, number := range numbers {
		seq, index, received, ok, err := tx.locate(number)
		if err != nil {
			return answer, err
		}
		if !ok || received < since {
			continue
		}
		b, err := tx.checksOf(seq, received)
		if err != nil {
			return answer, err
		}
		if index >= b.len() {
			return answer, fmt.Errorf("%w: checks of batch %d", ErrCorrupt, seq)
		}
		switch {
		case b.is(index, &ev.Hash):
			if d.recent[0].batch == nil || d.recent[0].batch.seq != seq {
				d.recent[1] = d.recent[0]
			}
			d.recent[0] = recentPlace{b, index}
			return DupSame, nil
		case ev.ID != "" && b.hasIdentity(index, identity(ev)):
			answer = DupConflict
		}
	}
	return answer, nil
}

// checksOf returns the checks of a committed batch.
func (tx *Tx) checksOf(seq, received int64) (*batchChecks, error) {
	d := tx.s.dups
	for i, b := range d.opened {
		if b.seq == seq {
			copy(d.opened[1:i+1], d.opened[:i])
			d.opened[0] = b
			return b, nil
		}
	}
	b := &batchChecks{seq: seq, received: received}
	var events int
	if _, err := tx.one(`SELECT c.checks, b.events FROM event_checks c JOIN event_batches b ON b.seq = c.seq WHERE c.seq = ?`, []any{seq}, &b.checks, &events); err != nil {
		return nil, fmt.Errorf("read checks of batch %d: %w", seq, err)
	}
	b.width = checkBytes
	if whole := len(record.Digest{}) + identityBytes; len(b.checks) == events*whole {
		b.width = whole
	}
	if len(d.opened) < openedChecks {
		d.opened = append(d.opened, nil)
	}
	copy(d.opened[1:], d.opened)
	d.opened[0] = b
	return b, nil
}

// worse keeps the stronger of two answers on an event and a stored one with its source and id. Without
// an id, other content is another event.
func worse(so Dup, ev *record.Event, stored record.Digest) Dup {
	switch {
	case stored == ev.Hash || so == DupSame:
		return DupSame
	case ev.ID == "":
		return so
	}
	return DupConflict
}
