package backtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// Remote is a Source that asks a daemon for its history.
type Remote struct {
	// Get asks for a path with a query. Its errors are for people; the body is the caller's to close.
	Get func(ctx context.Context, path string, query url.Values) (io.ReadCloser, error)
	// ByReceived takes since and until as times of arrival instead of times of the records.
	ByReceived bool
}

// The daemon's paths.
const (
	itemsPath  = "/v1/history/configuration_items"
	eventsPath = "/v1/history/events"
)

// Items implements Source.
func (r *Remote) Items(ctx context.Context, since, until time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		q := r.query(since, until)
		q.Set("state", "true")
		state := !since.IsZero()
		for row, err := range r.rows(ctx, itemsPath, q) {
			at := row.Time
			if r.ByReceived {
				at = row.Received
			}
			// The state comes first, and what belongs to it is from before the start.
			state = state && at.Before(since)
			row.State = row.State || state
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// Events implements Source.
func (r *Remote) Events(ctx context.Context, since, until time.Time) iter.Seq2[Row, error] {
	return r.rows(ctx, eventsPath, r.query(since, until))
}

func (r *Remote) query(since, until time.Time) url.Values {
	q := url.Values{"by": {"time"}}
	if r.ByReceived {
		q.Set("by", "received")
	}
	if !since.IsZero() {
		q.Set("since", record.FormatTime(since))
	}
	if !until.IsZero() {
		q.Set("until", record.FormatTime(until))
	}
	return q
}

// errCut says that an answer broke off.
var errCut = errors.New("the daemon's answer broke off; what came of it is not all there is")

func (r *Remote) rows(ctx context.Context, path string, q url.Values) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		body, err := r.Get(ctx, path, q)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer body.Close()
		lines := newLines(body)
		for n := int64(0); ; n++ {
			text, err := lines.next()
			if err != nil {
				if ctx.Err() == nil {
					err = fmt.Errorf("%w: after %d rows: %w", errCut, n, err)
				}
				yield(Row{}, err)
				return
			}
			var l line
			if l.parse(text) && json.Valid(l.Record) {
				// The line is the reader's, the row is kept.
				l.Record = bytes.Clone(l.Record)
			} else if err := parseWhole(text, &l); err != nil {
				yield(Row{}, fmt.Errorf("row %d of the daemon's answer: %w", n+1, err))
				return
			}
			if l.End {
				if l.Rows != n {
					yield(Row{}, fmt.Errorf("%w: %d rows of %d", errCut, n, l.Rows))
				}
				return
			}
			row, err := l.row()
			if err == nil && l.Record == nil {
				err = fmt.Errorf("it has no record: %s", bytes.TrimSpace(text[:min(len(text), 200)]))
			}
			if err != nil {
				yield(Row{}, fmt.Errorf("row %d of the daemon's answer: %w", n+1, err))
				return
			}
			row.Checked = true
			row.Place = fmt.Sprintf("record %d", row.Number)
			if !yield(row, nil) {
				return
			}
		}
	}
}

// parseWhole reads a line that is not written as rows are.
func parseWhole(text []byte, l *line) error {
	*l = line{}
	return json.Unmarshal(text, l)
}
