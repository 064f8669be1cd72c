package lake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
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

// errEnough ends a walk.
var errEnough = errors.New("enough")

// drainedAfter reads events of the lake; end is the last number that the lake has had.
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
	err = mergeInTurn(ctx, l, &lean, files, number, func(row *leanRow) error {
		end = row.Number
		ev, err := record.ParseEvent(row.Record, record.Digest{})
		if err != nil {
			return fmt.Errorf("event %d of the lake: %w", row.Number, err)
		}
		out = append(out, store.EventRow{Number: row.Number, Instance: record.Instance(row.Instance), Received: time.UnixMicro(row.Received).UTC(), Event: ev})
		if len(out) >= limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, end, err
}
