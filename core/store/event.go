package store

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

// EventFilter chooses events. Empty fields match anything.
type EventFilter struct {
	ID string
	// Resource is a resource's id or name, ResourceType its type.
	Resource, ResourceType string
	// Actor is an actor's id or name.
	Actor                    string
	Action, Source, Outcome  string
	Account, Region, Address string
	// ErrorCode is the source's word for why it failed.
	ErrorCode string
	// Text must stand somewhere in the record, whatever the case.
	Text string
	// From is the first time that matches, To the first that does not any more.
	From, To time.Time
	// After continues where a page ended.
	After string
	// Limit is how many events a page has, 100 where it is 0.
	Limit int
}

// EventRow is a recorded event. The event's Hash is not filled in.
type EventRow struct {
	// Number counts all events in the order in which they were recorded.
	Number   int64
	Instance record.Instance
	Received time.Time
	Event    record.Event
}

// EventPlace orders events, newest first: by time, and by number where times are the same.
type EventPlace struct{ At, Number int64 }

// Place returns where an event stands in a list.
func (r *EventRow) Place() EventPlace { return EventPlace{r.Event.Time.UnixMicro(), r.Number} }

// Compare returns less than 0 where p stands before o.
func (p EventPlace) Compare(o EventPlace) int {
	return cmp.Or(cmp.Compare(o.At, p.At), cmp.Compare(o.Number, p.Number))
}

// needles are byte strings of which a record that matches must hold every one, unless it has escapes.
func (f *EventFilter) needles() [][]byte {
	var out [][]byte
	for _, s := range []string{f.ID, f.Resource, f.ResourceType, f.Actor, f.Action, f.Source, f.Account, f.Region, f.Address, f.ErrorCode} {
		// What has to be escaped in JSON is left to the real comparison.
		if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' }) {
			out = append(out, []byte(s))
		}
	}
	return out
}

// Matches reports whether an event is one that the filter chooses; Text and After are not looked at.
func (f *EventFilter) Matches(ev *record.Event) bool {
	if f.ID != "" && ev.ID != f.ID || f.Action != "" && ev.Action != f.Action || f.Source != "" && ev.Source != f.Source ||
		f.Outcome != "" && string(ev.Outcome) != f.Outcome || f.Account != "" && ev.AccountID != f.Account ||
		f.ErrorCode != "" && ev.ErrorCode != f.ErrorCode ||
		f.Region != "" && ev.Region != f.Region || f.Address != "" && ev.Origin.Address != f.Address ||
		f.Actor != "" && ev.Actor.ID != f.Actor && ev.Actor.Name != f.Actor ||
		!f.From.IsZero() && ev.Time.Before(f.From) || !f.To.IsZero() && !ev.Time.Before(f.To) {
		return false
	}
	if f.Resource == "" && f.ResourceType == "" {
		return true
	}
	return slices.ContainsFunc(ev.Targets, func(t record.Target) bool {
		return (f.Resource == "" || t.ResourceID == f.Resource || t.Name == f.Resource) && (f.ResourceType == "" || t.ResourceType == f.ResourceType)
	})
}

// tokens are those that a batch must perhaps hold.
func (f *EventFilter) tokens() []uint64 {
	var out []uint64
	for _, t := range []struct {
		kind byte
		s    string
	}{
		{tokenResource, f.Resource},
		{tokenType, f.ResourceType},
		{tokenActor, f.Actor},
		{tokenAction, f.Action},
		{tokenSource, f.Source},
		{tokenAddress, f.Address},
		{tokenAccount, f.Account},
	} {
		if t.s != "" {
			out = append(out, token(t.kind, t.s))
		}
	}
	return out
}

// eventPage gathers the first events of a page, in order, and one more.
type eventPage struct {
	f       *EventFilter
	needles [][]byte
	text    Text
	after   *EventPlace
	limit   int
	rows    []EventRow
}

// full reports whether no event up to a time could be on the page.
func (p *eventPage) full(upTo int64) bool {
	return len(p.rows) > p.limit && p.rows[p.limit].Event.Time.UnixMicro() > upTo
}

// take looks at one event of a batch.
func (p *eventPage) take(b *openBatch, index int) error {
	body := b.bodies[index]
	if bytes.IndexByte(body, '\\') < 0 {
		for _, n := range p.needles {
			if !bytes.Contains(body, n) {
				return nil
			}
		}
	}
	if !p.text.In(body) {
		return nil
	}
	// The batch is shared with others: what goes out is the caller's own.
	ev, err := record.ParseEvent(bytes.Clone(body), record.Digest{})
	if err != nil {
		return fmt.Errorf("%w: journal row %d, event %d: %w", ErrCorrupt, b.seq, index, err)
	}
	if !p.f.Matches(&ev) {
		return nil
	}
	row := EventRow{Number: b.first + int64(index), Instance: b.instance, Received: fromMicros(b.received), Event: ev}
	if p.after != nil && row.Place().Compare(*p.after) <= 0 {
		return nil
	}
	p.rows = append(p.rows, row)
	return nil
}

// order sorts what was gathered and lets go of what does not fit on the page.
func (p *eventPage) order() {
	slices.SortFunc(p.rows, func(a, b EventRow) int { return a.Place().Compare(b.Place()) })
	if len(p.rows) > p.limit+1 {
		clear(p.rows[p.limit+1:])
		p.rows = p.rows[:p.limit+1]
	}
}

// finish returns the page and where the next one begins.
func (p *eventPage) finish() ([]EventRow, string, error) {
	if len(p.rows) <= p.limit {
		return p.rows, "", nil
	}
	return p.rows[:p.limit], p.rows[p.limit-1].Place().String(), nil
}

// Events returns matching events of the journal, newest first by event time, and where the next page
// begins, "" at the end. What has moved to the lake is not among them.
func (tx *Tx) Events(f EventFilter) ([]EventRow, string, error) {
	p := &eventPage{f: &f, needles: f.needles(), text: NewText(f.Text), limit: f.Limit}
	if p.limit <= 0 {
		p.limit = 100
	}
	if f.After != "" {
		after, err := ParseEventPlace(f.After)
		if err != nil {
			return nil, "", err
		}
		p.after = &after
	}
	if f.ID != "" {
		return tx.eventsByID(p)
	}
	return tx.walkEvents(p)
}

// Event returns the recorded events with an id, newest first: sources may use the same ids, and one id
// may have come with several contents. An empty source is any.
func (tx *Tx) Event(source, id string) ([]EventRow, error) {
	rows, _, err := tx.Events(EventFilter{ID: id, Source: source})
	return rows, err
}

// EventByID is Event from any source.
func (tx *Tx) EventByID(id string) ([]EventRow, error) { return tx.Event("", id) }

// eventsByID goes by the fingerprints, which lead to the events themselves.
func (tx *Tx) eventsByID(p *eventPage) ([]EventRow, string, error) {
	numbers, err := tx.eventNumbers(idFingerprint(p.f.ID))
	if err != nil {
		return nil, "", err
	}
	for _, n := range numbers {
		seq, index, _, ok, err := tx.locate(n)
		if err != nil {
			return nil, "", err
		}
		if !ok {
			continue
		}
		b, err := tx.batch(seq)
		if err != nil {
			return nil, "", err
		}
		if b == nil || index >= len(b.bodies) {
			continue
		}
		if err := p.take(b, index); err != nil {
			return nil, "", err
		}
	}
	p.order()
	return p.finish()
}

// summaries is how many summaries are read at once.
const summaries = 256

// walkEvents opens the batches whose summary does not rule them out, by their newest event. Once a full
// page is newer than all that the next batch can hold, the page stands.
func (tx *Tx) walkEvents(p *eventPage) ([]EventRow, string, error) {
	from, top := int64(math.MinInt64), int64(math.MaxInt64)
	if !p.f.From.IsZero() {
		from = p.f.From.UnixMicro()
	}
	if !p.f.To.IsZero() {
		top = p.f.To.UnixMicro() - 1
	}
	if p.after != nil {
		top = min(top, p.after.At)
	}
	drained, err := tx.Drained(table.Events)
	if err != nil {
		return nil, "", err
	}
	type summary struct{ seq, maxTime int64 }
	tokens := p.f.tokens()
	belowTime, belowSeq := int64(math.MaxInt64), int64(math.MaxInt64)
	for {
		var candidates []summary
		n := 0
		err := tx.search(`SELECT seq, max_time, filter FROM event_batches
			WHERE seq > ? AND max_time >= ? AND max_time <= ? AND min_time <= ? AND (max_time < ? OR seq < ?)
			ORDER BY max_time DESC, seq DESC LIMIT ?`, []any{drained, from, belowTime, top, belowTime, belowSeq, summaries}, func(r *sql.Rows) error {
			var b summary
			var filter sql.RawBytes
			if err := r.Scan(&b.seq, &b.maxTime, &filter); err != nil {
				return err
			}
			n++
			belowTime, belowSeq = b.maxTime, b.seq
			if !slices.ContainsFunc(tokens, func(t uint64) bool { return !bloomHas(filter, t) }) {
				candidates = append(candidates, b)
			}
			return nil
		})
		if err != nil {
			return nil, "", err
		}
		for _, c := range candidates {
			if p.full(c.maxTime) {
				return p.finish()
			}
			if err := tx.ctx.Err(); err != nil {
				return nil, "", err
			}
			b, err := tx.batch(c.seq)
			if err != nil {
				return nil, "", err
			}
			if b == nil {
				continue
			}
			for i := range b.bodies {
				if err := p.take(b, i); err != nil {
					return nil, "", err
				}
			}
			p.order()
		}
		if n < summaries || p.full(belowTime) {
			return p.finish()
		}
	}
}

// errCursor is what a page cursor gets that was never given out.
var errCursor = errors.New("the page cursor is not one that was given out")

// String is the form in which a place is given out as a cursor.
func (p EventPlace) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", p.At, p.Number))
}

// ParseEventPlace reads what String wrote.
func ParseEventPlace(s string) (EventPlace, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return EventPlace{}, errCursor
	}
	at, number, ok := strings.Cut(string(b), ".")
	if !ok {
		return EventPlace{}, errCursor
	}
	var p EventPlace
	if p.At, err = strconv.ParseInt(at, 10, 64); err != nil {
		return EventPlace{}, errCursor
	}
	if p.Number, err = strconv.ParseInt(number, 10, 64); err != nil {
		return EventPlace{}, errCursor
	}
	return p, nil
}
