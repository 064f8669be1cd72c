package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/store"
)

// EventsAfter returns events of lake and journal with numbers above one, in their order, about limit of
// them. A number that is missing between two others was past its retention.
func (l *Lake) EventsAfter(ctx context.Context, number int64, limit int) ([]store.EventRow, error) {
	for {
		rows, end, err := l.drainedAfter(ctx, number, limit)
		if err != nil || len(rows) > 0 {
			return rows, err
		}
		// What is not in the lake is in the journal, or it moved there between the two looks.
		rows, err = l.o.Store.EventsAfter(ctx, max(number, end), limit)
		if !errors.Is(err, store.ErrDrained) {
			return rows, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		again, _, lookErr := l.drainedAfter(ctx, number, limit)
		if lookErr != nil {
			return nil, lookErr
		}
		if len(again) > 0 {
			return again, nil
		}
		// The lake has let go of them: the summaries in the store outlive the files.
		if number, lookErr = l.firstAfter(ctx, max(number, end)); lookErr != nil {
			return nil, lookErr
		}
	}
}

// firstAfter returns the last number that was drained, from which the journal goes on.
func (l *Lake) firstAfter(ctx context.Context, number int64) (int64, error) {
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		last, err := tx.LastDrainedEvent()
		number = max(number, last)
		return err
	})
	return number, err
}

// drainedAfter reads events of the lake; end is the last number that was read.
func (l *Lake) drainedAfter(ctx context.Context, number int64, limit int) (out []store.EventRow, end int64, err error) {
	defer l.readers.begin(l.now())()
	var files []manifest.File
	err = l.o.Store.View(ctx, func(tx *store.Tx) error {
		all, err := tx.LakeFilesAfter(table.Events, number)
		for _, f := range all {
			files = append(files, f.File)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	sortByNumber(files)
	next := nextEvents{above: number, limit: limit}
	for i, f := range files {
		if next.full(f.MinNumber) {
			break
		}
		if err := l.eachGroup(ctx, f, func(g int, c *groupColumns) error { return next.look(i, g, c) }); err != nil {
			return nil, 0, err
		}
	}
	for i, f := range files {
		if !slices.ContainsFunc(next.found, func(at eventAt) bool { return at.file == i }) {
			continue
		}
		err := l.eachGroup(ctx, f, func(g int, c *groupColumns) error {
			for _, at := range next.in(i, g) {
				row, err := eventOf(c, at.row, at.number)
				if err != nil {
					return err
				}
				out = append(out, row)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	slices.SortFunc(out, func(a, b store.EventRow) int { return cmp.Compare(a.Number, b.Number) })
	if len(out) > 0 {
		end = out[len(out)-1].Number
	}
	return out, end, nil
}

// eachGroup calls fn for the row groups of a file.
func (l *Lake) eachGroup(ctx context.Context, info manifest.File, fn func(n int, c *groupColumns) error) error {
	f, done, err := l.open(ctx, info)
	if err != nil {
		return err
	}
	defer done()
	for n, g := range f.parquet.RowGroups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(n, &groupColumns{file: f.parquet, group: g}); err != nil {
			return l.unreadable(info.Path, fmt.Errorf("%w: %w", ErrDamaged, err))
		}
	}
	return nil
}

// nextEvents finds the first events with numbers above one.
type nextEvents struct {
	above int64
	limit int
	// found are in the order of their numbers.
	found []eventAt
}

// eventAt is where an event stands.
type eventAt struct {
	number      int64
	file, group int
	row         int64
}

// full reports whether an event with a number would be one too many.
func (n *nextEvents) full(number int64) bool {
	return len(n.found) >= n.limit && number > n.found[n.limit-1].number
}

// look takes the events of a row group in.
func (n *nextEvents) look(file, group int, c *groupColumns) error {
	lo, hi, err := c.bounds(byNumber)
	if err != nil || hi <= n.above || n.full(lo) {
		return err
	}
	numbers, err := c.numbers(byNumber)
	if err != nil {
		return err
	}
	most := int64(math.MaxInt64)
	if len(n.found) >= n.limit {
		most = n.found[n.limit-1].number
	}
	for row, number := range numbers {
		if number > n.above && number < most {
			n.found = append(n.found, eventAt{number, file, group, int64(row)})
		}
	}
	slices.SortFunc(n.found, func(a, b eventAt) int { return cmp.Compare(a.number, b.number) })
	n.found = n.found[:min(len(n.found), n.limit)]
	return nil
}

// in returns the events of a row group in the order of their rows.
func (n *nextEvents) in(file, group int) (out []eventAt) {
	for _, at := range n.found {
		if at.file == file && at.group == group {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, func(a, b eventAt) int { return cmp.Compare(a.row, b.row) })
	return out
}
