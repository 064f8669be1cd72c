package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

// ErrDrained says that the next events asked for have moved to the lake.
var ErrDrained = errors.New("events have moved to the lake")

// LastEvent returns the number of the last event that was recorded, 0 where none was.
func (tx *Tx) LastEvent() (int64, error) {
	var n sql.NullInt64
	if _, err := tx.one(`SELECT max(first_event + events - 1) FROM event_batches`, nil, &n); err != nil {
		return 0, fmt.Errorf("read the number of the last event: %w", err)
	}
	return n.Int64, nil
}

// EventsAfter returns events of the journal with numbers above one, in their order; 0 begins with the first.
// The numbers have no holes: one that is missing between two others was past its retention. A page ends with
// a batch of the journal, so that it may have more than limit events, by less than a batch. Where the next
// event is in the lake, ErrDrained says so.
func (s *Store) EventsAfter(ctx context.Context, number int64, limit int) (out []EventRow, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		out, err = tx.EventsAfter(number, limit)
		return err
	})
	return out, err
}

// EventsAfter is Store.EventsAfter within a transaction.
func (tx *Tx) EventsAfter(number int64, limit int) ([]EventRow, error) {
	drained, err := tx.Drained(table.Events)
	if err != nil {
		return nil, err
	}
	var out []EventRow
	for number < math.MaxInt64 && len(out) < limit {
		var seq, first, count int64
		ok, err := tx.one(`SELECT seq, first_event, events FROM event_batches WHERE first_event <= ? AND first_event + events > ? ORDER BY first_event DESC LIMIT 1`,
			[]any{number + 1, number + 1}, &seq, &first, &count)
		if err == nil && !ok {
			ok, err = tx.one(`SELECT seq, first_event, events FROM event_batches WHERE first_event > ? ORDER BY first_event LIMIT 1`,
				[]any{number}, &seq, &first, &count)
		}
		if err != nil {
			return nil, fmt.Errorf("read events after number %d: %w", number, err)
		}
		if !ok {
			break
		}
		if seq <= drained {
			return nil, fmt.Errorf("read events after number %d: %w", number, ErrDrained)
		}
		b, err := tx.openBatch(seq)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return nil, fmt.Errorf("%w: journal row %d has a summary and no events", ErrCorrupt, seq)
		}
		for i := max(0, number+1-first); i < int64(len(b.bodies)); i++ {
			ev, err := record.ParseEvent(b.bodies[i], record.Digest{})
			if err != nil {
				return nil, fmt.Errorf("%w: journal row %d, event %d: %w", ErrCorrupt, seq, i, err)
			}
			out = append(out, EventRow{Number: first + i, Instance: b.instance, Received: fromMicros(b.received), Event: ev})
		}
		number = first + count - 1
	}
	return out, nil
}

// metaNextEvent holds the number of the next event at the time when some were removed.
const metaNextEvent = "store/next_event"

// keepNumber writes down how far events are numbered. Whoever removes events calls it in the same
// transaction: where all are gone their numbers would be given out again by the next start, and those who go
// by numbers would take new events for old ones.
func (tx *Tx) keepNumber() error {
	return tx.SetMeta(metaNextEvent, strconv.AppendInt(nil, tx.s.dups.nextEvent(), 10))
}

// keptNumber returns what keepNumber wrote, 0 where it did not.
func (tx *Tx) keptNumber() (int64, error) {
	b, err := tx.Meta(metaNextEvent)
	if err != nil || b == nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: the number of the next event is %q", ErrCorrupt, b)
	}
	return n, nil
}
