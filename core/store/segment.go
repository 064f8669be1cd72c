package store

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Every event has a number, counted over all events ever stored, and a fingerprint of 32 bits. To find
// the events with a fingerprint there are segments of about 262,000 events each. The newest is open: it
// is a table in memory, which is rebuilt from event_ids when the store is opened. When it is full it
// is sealed: its entries, sorted by fingerprint, become 1,024 rows of event_pages of some 1.5 KB, and a
// filter over them is what stays in memory, at 15 bits an event and only for as long as duplicates are
// looked for. So a new id costs one cache miss a segment, and one read of a page for every 800 segments
// asked; and a look-up by id costs one page a segment, however old.
const (
	segmentEvents = 1 << 18
	segmentBits   = 15
	pageBits      = 10
	pageCount     = 1 << pageBits
	// A page's entry is what the page's number leaves of the fingerprint, and the event's place in
	// the segment, three bytes each.
	entryBytes = 6
	maxPlace   = 1<<24 - 1
	restMask   = 1<<(32-pageBits) - 1
)

// mixed spreads a fingerprint over 64 bits, for the filters.
func mixed(fp uint32) uint64 {
	h := uint64(fp) * 0x9e3779b97f4a7c15
	return h ^ h>>32*0xd6e8feb86659fd93
}

// openSegment is the table of the newest fingerprints: open addressing, with the fingerprint in the
// upper half of a slot and the place plus one in the lower.
type openSegment struct {
	// first is the number of the segment's first event, next that of the one after its last.
	first, next int64
	// lastSeq is the batch of the last event, newest the latest time of receiving.
	lastSeq, newest int64
	count           int
	slots           []uint64
}

func (o *openSegment) add(fp uint32, number int64) {
	if 3*o.count >= 2*len(o.slots) {
		old := o.slots
		o.slots = make([]uint64, max(1024, 2*len(old)))
		for _, slot := range old {
			if slot != 0 {
				o.put(slot)
			}
		}
	}
	o.put(uint64(fp)<<32 | uint64(number-o.first+1))
	o.count++
	o.next = max(o.next, number+1)
}

func (o *openSegment) put(slot uint64) {
	mask := uint64(len(o.slots) - 1)
	// The fingerprint is a hash: its bits are as good as any.
	at := slot >> 32 & mask
	for o.slots[at] != 0 {
		at = (at + 1) & mask
	}
	o.slots[at] = slot
}

// find appends the numbers of the events with a fingerprint.
func (o *openSegment) find(fp uint32, out []int64) []int64 {
	if len(o.slots) == 0 {
		return out
	}
	mask := uint64(len(o.slots) - 1)
	for at := uint64(fp) & mask; o.slots[at] != 0; at = (at + 1) & mask {
		if slot := o.slots[at]; uint32(slot>>32) == fp {
			out = append(out, o.first+int64(uint32(slot))-1)
		}
	}
	return out
}

// sealedSegment is what stays in memory of a sealed segment.
type sealedSegment struct {
	id     int64
	first  int64
	newest int64
	filter bloom
}

// seal writes the open segment down.
func (tx *Tx) seal(o *openSegment) (*sealedSegment, error) {
	id, err := tx.nextID("event_segments", "id")
	if err != nil {
		return nil, err
	}
	s := &sealedSegment{id: id, first: o.first, newest: o.newest, filter: newBloom(o.count, segmentBits)}
	slots := make([]uint64, 0, o.count)
	for _, slot := range o.slots {
		if slot != 0 {
			slots = append(slots, slot)
			s.filter.add(mixed(uint32(slot >> 32)))
		}
	}
	slices.Sort(slots)
	args := make([]any, 0, 2*pageCount)
	for page := range uint64(pageCount) {
		n := 0
		for n < len(slots) && slots[n]>>(64-pageBits) == page {
			n++
		}
		if n > 0 {
			args = append(args, id<<pageBits|int64(page), encodePage(slots[:n]))
			slots = slots[n:]
		}
	}
	if err := tx.insert(`INSERT INTO event_pages (id, entries)`, 2, args, ""); err != nil {
		return nil, err
	}
	err = tx.run(`INSERT INTO event_segments (id, first_event, events, newest, filter) VALUES (?, ?, ?, ?, ?)`, id, o.first, o.next-o.first, o.newest, s.filter.bytes())
	if err != nil {
		return nil, err
	}
	return s, tx.run(`DELETE FROM event_ids WHERE seq <= ?`, o.lastSeq)
}

func encodePage(slots []uint64) []byte {
	out := make([]byte, 0, entryBytes*len(slots))
	for _, slot := range slots {
		rest, place := uint32(slot>>32)&restMask, uint32(slot)-1
		out = append(out, byte(rest), byte(rest>>8), byte(rest>>16), byte(place), byte(place>>8), byte(place>>16))
	}
	return out
}

// errDamagedPage says that a page of a segment is not what seal makes.
var errDamagedPage = errors.New("page of fingerprints is damaged")

// findInPage appends the numbers of the events with a fingerprint, which first begins to count.
func findInPage(entries []byte, fp uint32, first int64, out []int64) ([]int64, error) {
	if len(entries)%entryBytes != 0 {
		return nil, errDamagedPage
	}
	want := fp & restMask
	for ; len(entries) > 0; entries = entries[entryBytes:] {
		rest := uint32(entries[0]) | uint32(entries[1])<<8 | uint32(entries[2])<<16
		if rest == want {
			place := int64(entries[3]) | int64(entries[4])<<8 | int64(entries[5])<<16
			out = append(out, first+place)
		}
	}
	return out, nil
}

// findSealed appends the numbers of a sealed segment's events with a fingerprint.
func (tx *Tx) findSealed(segment, first int64, fp uint32, out []int64) ([]int64, error) {
	var entries []byte
	ok, err := tx.one(`SELECT entries FROM event_pages WHERE id = ?`, []any{segment<<pageBits | int64(fp>>(32-pageBits))}, &entries)
	if err != nil || !ok {
		return out, err
	}
	if out, err = findInPage(entries, fp, first, out); err != nil {
		return nil, fmt.Errorf("%w: segment %d: %w", ErrCorrupt, segment, err)
	}
	return out, nil
}

// eventNumbers returns the numbers of all stored events with a fingerprint. It works on any snapshot
// and goes by the tables alone.
func (tx *Tx) eventNumbers(fp uint32) ([]int64, error) {
	type segment struct{ id, first int64 }
	var segments []segment
	err := tx.each(`SELECT id, first_event FROM event_segments ORDER BY id`, nil, func(r *sql.Rows) error {
		var s segment
		segments = append(segments, s)
		return r.Scan(&segments[len(segments)-1].id, &segments[len(segments)-1].first)
	})
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, s := range segments {
		if out, err = tx.findSealed(s.id, s.first, fp, out); err != nil {
			return nil, err
		}
	}
	err = tx.each(`SELECT b.first_event, i.ids FROM event_ids i JOIN event_batches b ON b.seq = i.seq`, nil, func(r *sql.Rows) error {
		var first int64
		var ids sql.RawBytes
		if err := r.Scan(&first, &ids); err != nil {
			return err
		}
		for i := 0; i+4 <= len(ids); i += 4 {
			if binary.LittleEndian.Uint32(ids[i:]) == fp {
				out = append(out, first+int64(i/4))
			}
		}
		return nil
	})
	return out, err
}

// locate returns the batch that holds an event and the event's place in it; false where the event is
// past its retention.
func (tx *Tx) locate(number int64) (seq int64, index int, received int64, ok bool, err error) {
	var first, events int64
	ok, err = tx.one(`SELECT seq, first_event, events, received FROM event_batches WHERE first_event <= ? ORDER BY first_event DESC LIMIT 1`,
		[]any{number}, &seq, &first, &events, &received)
	if err != nil || !ok || number >= first+events {
		return 0, 0, 0, false, err
	}
	return seq, int(number - first), received, true, nil
}
