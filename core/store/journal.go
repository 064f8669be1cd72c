package store

import (
	"cmp"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/regent-dev/regent/core/record"
)

// Encoded is a batch of events as it is stored. It is made outside any transaction, because
// compressing is most of the work.
type Encoded struct {
	count            int
	minTime, maxTime int64
	keys             []eventKey
	filter           []byte
	data             []byte
}

// Len returns how many events there are.
func (e *Encoded) Len() int { return e.count }

// Size returns how many bytes they take.
func (e *Encoded) Size() int { return len(e.data) + len(e.filter) + 16*len(e.keys) }

// coders are the compressors; the library's are safe to share only for some calls, so each user takes
// one.
var (
	encoders = sync.Pool{New: func() any {
		// The options are valid, so there is no error.
		e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		return e
	}}
	decoders = sync.Pool{New: func() any {
		d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		return d
	}}
)

func compress(dst, src []byte) []byte {
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	return e.EncodeAll(src, dst)
}

func decompress(src []byte) ([]byte, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	return d.DecodeAll(src, nil)
}

// filterBits is how many bits the filter of a batch takes for each different thing in it.
const filterBits = 12

// EncodeEvents compresses events and makes their summary. It is safe for concurrent use.
func EncodeEvents(events []record.Event) Encoded {
	if len(events) == 0 {
		return Encoded{}
	}
	e := Encoded{count: len(events), minTime: math.MaxInt64, maxTime: math.MinInt64, keys: make([]eventKey, 0, len(events))}
	size := 0
	for i := range events {
		size += len(events[i].Body) + 4
	}
	raw := make([]byte, 0, size)
	tokens := make(map[uint64]struct{}, 2*len(events))
	for i := range events {
		ev := &events[i]
		at := ev.Time.UnixMicro()
		e.minTime, e.maxTime = min(e.minTime, at), max(e.maxTime, at)
		e.keys = append(e.keys, keyOf(ev))
		raw = binary.AppendUvarint(raw, uint64(len(ev.Body)))
		raw = append(raw, ev.Body...)
		for _, t := range eventTokens(ev) {
			tokens[t] = struct{}{}
		}
	}
	f := newBloom(len(tokens), filterBits)
	for t := range tokens {
		f.add(t)
	}
	e.filter = f.bytes()
	e.data = compress(make([]byte, 0, len(raw)/4), raw)
	return e
}

// The kinds of thing that a batch's filter knows.
const (
	tokenID       = 'i'
	tokenResource = 'r'
	tokenActor    = 'a'
	tokenAction   = 'c'
)

func token(kind byte, parts ...string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write([]byte{kind})
	for _, p := range parts {
		_, _ = d.WriteString(p)
		_, _ = d.Write([]byte{0})
	}
	return d.Sum64()
}

func eventTokens(ev *record.Event) []uint64 {
	out := make([]uint64, 0, 4+2*len(ev.Targets))
	add := func(kind byte, s string) {
		if s != "" {
			out = append(out, token(kind, s))
		}
	}
	add(tokenID, ev.ID)
	add(tokenAction, ev.Action)
	add(tokenActor, ev.Actor.ID)
	add(tokenActor, ev.Actor.Name)
	for _, t := range ev.Targets {
		add(tokenResource, t.ResourceID)
		if t.Name != t.ResourceID {
			add(tokenResource, t.Name)
		}
	}
	return out
}

// errDamagedBatch says that the bytes of a batch are not what EncodeEvents makes.
var errDamagedBatch = errors.New("batch is damaged")

// decodeEvents opens a batch.
func decodeEvents(data []byte, count int) ([][]byte, error) {
	raw, err := decompress(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamagedBatch, err)
	}
	out := make([][]byte, 0, min(count, len(raw)))
	for len(raw) > 0 {
		n, used := binary.Uvarint(raw)
		if used <= 0 || n > uint64(len(raw)-used) {
			return nil, errDamagedBatch
		}
		out = append(out, raw[used:used+int(n)])
		raw = raw[used+int(n):]
	}
	if len(out) != count {
		return nil, fmt.Errorf("%w: %d events instead of %d", errDamagedBatch, len(out), count)
	}
	return out, nil
}

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

// AppendBatch appends a batch to the journal and adds to the instance's totals.
func (tx *Tx) AppendBatch(b BatchRow) (int64, error) {
	seq, err := tx.nextID("journal", "seq")
	if err != nil {
		return 0, err
	}
	var e Encoded
	if b.Events != nil {
		e = *b.Events
	}
	received := micros(b.Received)
	err = tx.run(`INSERT INTO journal (seq, instance, received, read, stored, duplicate, quarantined, events, min_time, max_time, keys, filter, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, string(b.Instance), received, b.Read, b.Stored, b.Duplicate, b.Quarantined, e.count, e.minTime, e.maxTime, encodeKeys(e.keys), e.filter, e.data)
	if err != nil {
		return 0, err
	}
	if e.count > 0 {
		d := tx.s.dups
		d.pending = append(d.pending, pendingBatch{seq, received, e.keys})
		for _, k := range e.keys {
			d.pendingKeys[k.id] = append(d.pendingKeys[k.id], k.content)
		}
	}
	return seq, tx.addTotals(b.Instance, b.Read, b.Stored, b.Duplicate, b.Quarantined, b.Conflicts)
}

func (tx *Tx) addTotals(inst record.Instance, read, stored, duplicate, quarantined, conflicts int) error {
	return tx.run(`INSERT INTO totals (instance, read, stored, duplicate, quarantined, conflicts) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (instance) DO UPDATE SET read = totals.read + excluded.read, stored = totals.stored + excluded.stored,
		duplicate = totals.duplicate + excluded.duplicate, quarantined = totals.quarantined + excluded.quarantined,
		conflicts = totals.conflicts + excluded.conflicts`, string(inst), read, stored, duplicate, quarantined, conflicts)
}

// CountItems adds the items of a batch to what became of it, once they have been stored.
func (tx *Tx) CountItems(inst record.Instance, seq int64, stored, duplicate int) error {
	if err := tx.run(`UPDATE journal SET stored = stored + ?, duplicate = duplicate + ? WHERE seq = ?`, stored, duplicate, seq); err != nil {
		return err
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

// EventFilter chooses events. Empty fields match anything.
type EventFilter struct {
	ID string
	// Resource is a resource's id or name, ResourceType its type.
	Resource, ResourceType string
	// Actor is an actor's id or name.
	Actor                    string
	Action, Source, Outcome  string
	Account, Region, Address string
	// Text must stand somewhere in the record, whatever the case.
	Text     string
	From, To time.Time
	// After continues where a page ended.
	After string
	Limit int
}

// EventRow is a recorded event with its place in the journal.
type EventRow struct {
	Seq      int64
	Index    int
	Instance record.Instance
	Received time.Time
	Event    record.Event
}

// place orders events, newest first.
func (r *EventRow) place() [3]int64 {
	return [3]int64{r.Event.Time.UnixMicro(), r.Seq, int64(r.Index)}
}

func comparePlaces(a, b [3]int64) int {
	return cmp.Or(cmp.Compare(b[0], a[0]), cmp.Compare(b[1], a[1]), cmp.Compare(b[2], a[2]))
}

func (f *EventFilter) matches(ev *record.Event) bool {
	if f.ID != "" && ev.ID != f.ID || f.Action != "" && ev.Action != f.Action || f.Source != "" && ev.Source != f.Source ||
		f.Outcome != "" && string(ev.Outcome) != f.Outcome || f.Account != "" && ev.AccountID != f.Account ||
		f.Region != "" && ev.Region != f.Region || f.Address != "" && ev.Origin.Address != f.Address ||
		f.Actor != "" && ev.Actor.ID != f.Actor && ev.Actor.Name != f.Actor ||
		!f.From.IsZero() && ev.Time.Before(f.From) || !f.To.IsZero() && !ev.Time.Before(f.To) {
		return false
	}
	if f.Resource != "" || f.ResourceType != "" {
		if !slices.ContainsFunc(ev.Targets, func(t record.Target) bool {
			return (f.Resource == "" || t.ResourceID == f.Resource || t.Name == f.Resource) && (f.ResourceType == "" || t.ResourceType == f.ResourceType)
		}) {
			return false
		}
	}
	return f.Text == "" || strings.Contains(strings.ToLower(string(ev.Body)), strings.ToLower(f.Text))
}

// tokens are those that a batch must perhaps hold.
func (f *EventFilter) tokens() []uint64 {
	var out []uint64
	for _, t := range []struct {
		kind byte
		s    string
	}{{tokenID, f.ID}, {tokenResource, f.Resource}, {tokenActor, f.Actor}, {tokenAction, f.Action}} {
		if t.s != "" {
			out = append(out, token(t.kind, t.s))
		}
	}
	return out
}

// Events returns matching events, newest first by event time, and where the next page begins, "" at
// the end.
func (tx *Tx) Events(f EventFilter) ([]EventRow, string, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	var after *[3]int64
	top := int64(math.MaxInt64)
	if f.After != "" {
		p, err := readPlace(f.After)
		if err != nil {
			return nil, "", err
		}
		after, top = &p, p[0]
	}
	if !f.To.IsZero() {
		top = min(top, f.To.UnixMicro())
	}
	from := int64(math.MinInt64)
	if !f.From.IsZero() {
		from = f.From.UnixMicro()
	}
	type batch struct{ seq, maxTime int64 }
	tokens := f.tokens()
	var out []EventRow
	// Batches come by their newest event. Once a full page is newer than all that the next batch can
	// hold, the page stands. What is read in one go is bounded; beyond it the walk goes on below.
	next, nextSeq := int64(math.MaxInt64), int64(math.MaxInt64)
	for {
		var batches []batch
		err := tx.each(`SELECT seq, max_time, filter FROM journal
			WHERE events > 0 AND max_time >= ? AND min_time <= ? AND (max_time < ? OR (max_time = ? AND seq < ?))
			ORDER BY max_time DESC, seq DESC LIMIT 256`, []any{from, top, next, next, nextSeq}, func(r *sql.Rows) error {
			var b batch
			var filter sql.RawBytes
			if err := r.Scan(&b.seq, &b.maxTime, &filter); err != nil {
				return err
			}
			next, nextSeq = b.maxTime, b.seq
			fl, ok := readBloom(filter)
			if ok && slices.ContainsFunc(tokens, func(t uint64) bool { return !fl.has(t) }) {
				b.seq = -1
			}
			batches = append(batches, b)
			return nil
		})
		if err != nil {
			return nil, "", err
		}
		for _, b := range batches {
			if len(out) > limit && out[limit].Event.Time.UnixMicro() > b.maxTime {
				return page(out, limit)
			}
			if b.seq < 0 {
				continue
			}
			rows, err := tx.batchEvents(b.seq, &f)
			if err != nil {
				return nil, "", err
			}
			for _, r := range rows {
				if after == nil || comparePlaces(r.place(), *after) > 0 {
					out = append(out, r)
				}
			}
			slices.SortFunc(out, func(a, b EventRow) int { return comparePlaces(a.place(), b.place()) })
			if len(out) > limit+1 {
				out = out[:limit+1]
			}
		}
		if len(batches) < 256 {
			return page(out, limit)
		}
	}
}

func page(rows []EventRow, limit int) ([]EventRow, string, error) {
	if len(rows) <= limit {
		return rows, "", nil
	}
	return rows[:limit], writePlace(rows[limit-1].place()), nil
}

func writePlace(p [3]int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", p[0], p[1], p[2]))
}

func readPlace(s string) (p [3]int64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return p, errors.New("the page cursor is not one that was given out")
	}
	parts := strings.Split(string(b), ".")
	if len(parts) != 3 {
		return p, errors.New("the page cursor is not one that was given out")
	}
	for i := range p {
		if p[i], err = strconv.ParseInt(parts[i], 10, 64); err != nil {
			return p, errors.New("the page cursor is not one that was given out")
		}
	}
	return p, nil
}

// batchEvents opens one batch and returns its matching events.
func (tx *Tx) batchEvents(seq int64, f *EventFilter) ([]EventRow, error) {
	var inst string
	var received int64
	var count int
	var data []byte
	ok, err := tx.one(`SELECT instance, received, events, data FROM journal WHERE seq = ?`, []any{seq}, &inst, &received, &count, &data)
	if err != nil || !ok {
		return nil, err
	}
	bodies, err := decodeEvents(data, count)
	if err != nil {
		return nil, fmt.Errorf("journal row %d: %w", seq, err)
	}
	var out []EventRow
	for i, body := range bodies {
		ev, err := record.ParseEvent(body, record.Digest{})
		if err != nil {
			return nil, fmt.Errorf("journal row %d, event %d: %w", seq, i, err)
		}
		if f.matches(&ev) {
			out = append(out, EventRow{Seq: seq, Index: i, Instance: record.Instance(inst), Received: fromMicros(received), Event: ev})
		}
	}
	return out, nil
}

// EventByID returns the events with an id, of which there may be several where sources reuse ids or
// contents differ.
func (tx *Tx) EventByID(id string) ([]EventRow, error) {
	rows, _, err := tx.Events(EventFilter{ID: id, Limit: 100})
	return rows, err
}
