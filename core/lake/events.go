package lake

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// Events returns matching events of journal and lake, newest first by event time, and where the next page
// begins, "" at the end.
func (l *Lake) Events(ctx context.Context, f store.EventFilter) ([]store.EventRow, string, error) {
	defer l.readers.begin(l.now())()
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	p := &eventPage{f: &f, conditions: conditionsOf(&f), text: store.NewText(f.Text), limit: limit}
	if f.After != "" {
		after, err := store.ParseEventPlace(f.After)
		if err != nil {
			return nil, "", err
		}
		p.after = &after
	}
	var files []store.LakeFile
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		// One more than a page tells whether there is another.
		ask := f
		ask.Limit = limit + 1
		rows, _, err := tx.Events(ask)
		if err != nil {
			return err
		}
		p.rows = rows
		to := f.To
		if p.after != nil {
			if at := time.UnixMicro(p.after.At + 1); to.IsZero() || at.Before(to) {
				to = at
			}
		}
		files, err = tx.LakeFilesBetween(table.Events, f.From, to)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	for _, file := range files {
		// The files come with the newest first: once the page is newer than all of one, it stands.
		if p.full(file.MaxTime.UnixMicro()) {
			break
		}
		if err := l.lookInto(ctx, p, file.File); err != nil {
			return nil, "", err
		}
	}
	if len(p.rows) <= limit {
		return p.rows, "", nil
	}
	return p.rows[:limit], p.rows[limit-1].Place().String(), nil
}

// eventPage gathers the first events of a page, in order, and one more.
type eventPage struct {
	f          *store.EventFilter
	conditions []condition
	text       store.Text
	after      *store.EventPlace
	limit      int
	rows       []store.EventRow
}

// full reports whether no event up to a time could be on the page.
func (p *eventPage) full(upTo int64) bool {
	return len(p.rows) > p.limit && p.rows[p.limit].Place().At > upTo
}

// wants reports whether an event at a place could be on the page.
func (p *eventPage) wants(at store.EventPlace) bool {
	switch {
	case p.after != nil && at.Compare(*p.after) <= 0,
		!p.f.From.IsZero() && at.At < p.f.From.UnixMicro(),
		!p.f.To.IsZero() && at.At >= p.f.To.UnixMicro():
		return false
	}
	return len(p.rows) <= p.limit || at.Compare(p.rows[p.limit].Place()) < 0
}

func (p *eventPage) add(row store.EventRow) {
	place := row.Place()
	i, _ := slices.BinarySearchFunc(p.rows, place, func(r store.EventRow, at store.EventPlace) int { return r.Place().Compare(at) })
	p.rows = slices.Insert(p.rows, i, row)
	if len(p.rows) > p.limit+1 {
		p.rows = p.rows[:p.limit+1]
	}
}

// condition is a value that one of some columns must have.
type condition struct {
	columns [][]string
	value   string
	// bloom is false for columns without filters.
	bloom bool
}

// conditionsOf are the conditions that can be held against columns. They rule rows out; what is left is
// held against the filter itself.
func conditionsOf(f *store.EventFilter) []condition {
	var out []condition
	add := func(value string, bloom bool, columns ...[]string) {
		if value != "" {
			out = append(out, condition{columns, value, bloom})
		}
	}
	add(f.ID, true, column("id"))
	add(f.Resource, true, inList("targets", "resource_id"), inList("targets", "name"))
	add(f.Actor, true, column("actor_id"), column("actor_name"))
	add(f.Action, true, column("action"))
	add(f.Address, true, column("origin_address"))
	add(f.ErrorCode, true, column("error_code"))
	add(f.Source, true, column("source"))
	add(f.Account, true, column("account_id"))
	add(f.ResourceType, true, inList("targets", "resource_type"))
	add(f.Region, false, column("region"))
	add(f.Outcome, false, column("outcome"))
	return out
}

// lookInto looks for events of the page in a file, row group by row group.
func (l *Lake) lookInto(ctx context.Context, p *eventPage, info manifest.File) error {
	f, done, err := l.open(ctx, info)
	if err != nil {
		return err
	}
	defer done()
	groups := f.parquet.RowGroups()
	for _, g := range slices.Backward(groups) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.group(f.parquet, g); err != nil {
			return l.unreadable(info.Path, fmt.Errorf("%w: %w", ErrDamaged, err))
		}
	}
	return nil
}

// group looks into one row group.
func (p *eventPage) group(f *parquet.File, g parquet.RowGroup) error {
	c := &groupColumns{file: f, group: g}
	lo, hi, err := c.bounds("time")
	if err != nil {
		return err
	}
	if p.full(hi) || !p.f.From.IsZero() && hi < p.f.From.UnixMicro() || !p.f.To.IsZero() && lo >= p.f.To.UnixMicro() || p.after != nil && lo > p.after.At {
		return nil
	}
	for i := range p.conditions {
		may, err := c.may(&p.conditions[i])
		if err != nil || !may {
			return err
		}
	}
	var rows []int64
	for i := range p.conditions {
		found, err := c.match(&p.conditions[i], rows, i > 0)
		if err != nil {
			return err
		}
		if rows = found; len(rows) == 0 {
			return nil
		}
	}
	times, err := c.numbers("time")
	if err != nil {
		return err
	}
	numbers, err := c.numbers(byNumber)
	if err != nil {
		return err
	}
	if len(p.conditions) == 0 {
		rows = make([]int64, len(times))
		for i := range rows {
			rows[i] = int64(i)
		}
	}
	place := func(row int64) store.EventPlace { return store.EventPlace{At: times[row], Number: numbers[row]} }
	rows = slices.DeleteFunc(rows, func(row int64) bool { return !p.wants(place(row)) })
	slices.SortFunc(rows, func(a, b int64) int { return place(a).Compare(place(b)) })
	for _, row := range rows {
		if !p.wants(place(row)) {
			// They come in order: none behind it could be on the page either.
			return nil
		}
		if err := p.take(c, row, numbers[row]); err != nil {
			return err
		}
	}
	return nil
}

// take reads one row and holds it against the filter.
func (p *eventPage) take(c *groupColumns, row, number int64) error {
	if p.f.Text != "" {
		body, err := c.value("record", row)
		if err != nil || !p.text.In(body) {
			return err
		}
	}
	r, err := eventOf(c, row, number)
	if err == nil && p.f.Matches(&r.Event) {
		p.add(r)
	}
	return err
}

// eventOf reads one event.
func eventOf(c *groupColumns, row, number int64) (out store.EventRow, err error) {
	body, err := c.value("record", row)
	if err != nil {
		return out, err
	}
	ev, err := record.ParseEvent(bytes.Clone(body), record.Digest{})
	if err != nil {
		return out, fmt.Errorf("event %d: %w", number, err)
	}
	inst, err := c.value("instance", row)
	if err != nil {
		return out, err
	}
	received, err := c.value64("received", row)
	if err != nil {
		return out, err
	}
	return store.EventRow{Number: number, Instance: record.Instance(inst), Received: time.UnixMicro(received).UTC(), Event: ev}, nil
}
