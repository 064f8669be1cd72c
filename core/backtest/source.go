package backtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/record"
)

// Row is one recorded item or event.
type Row struct {
	// Number orders the rows of a kind by arrival.
	Number int64
	// Time is the capture or event time, Received when the record arrived; zero where nobody wrote it
	// down.
	Time, Received time.Time
	Instance       record.Instance
	// Content is the content hash of an item, zero where the row does not say.
	Content record.Digest
	// State marks an item that was in force at the start rather than recorded since.
	State  bool
	Record json.RawMessage
	// Checked says that the record is as an intake let it pass.
	Checked bool
	// Place is where the row stands, for messages.
	Place string
}

// Source gives recorded items and events in the order of arrival. Items begin with the state in force at
// since, marked as such. A zero since is the beginning, a zero until the end. A sequence ends with its
// first error.
type Source interface {
	Items(ctx context.Context, since, until time.Time) iter.Seq2[Row, error]
	Events(ctx context.Context, since, until time.Time) iter.Seq2[Row, error]
}

// never is a time that no record has: whatever comes back with it had none of its own.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// reader turns rows into records.
type reader struct {
	check *intake.Intake
	types *intake.Types
}

func newReader() (*reader, error) {
	types, err := intake.NewTypes(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("prepare to read records: %w", err)
	}
	return &reader{check: intake.New([]byte("backtest")), types: types}, nil
}

// item reads the item of a row.
func (r *reader) item(row *Row) (record.Item, error) {
	var it record.Item
	if row.Checked {
		var err error
		if it, err = record.ParseItem(row.Record, nil); err != nil {
			return it, fmt.Errorf("%s: %w", row.Place, err)
		}
	} else {
		b := r.check.Check(r.types, []record.Raw{{Kind: record.KindItem, JSON: row.Record}}, never)
		if len(b.Quarantined) > 0 {
			return it, fmt.Errorf("%s: %s", row.Place, b.Quarantined[0].Reason)
		}
		it = b.Items[0]
	}
	if !it.CaptureTime.Before(never) {
		return it, fmt.Errorf("%s: the item has no configurationItemCaptureTime", row.Place)
	}
	if !row.Content.IsZero() {
		// The daemon left out the paths that the collector declared volatile, which a row does not say.
		it.Hash = row.Content
	}
	return it, nil
}

// event reads the event of a row.
func (r *reader) event(row *Row) (record.Event, error) {
	if !row.Checked {
		b := r.check.Check(r.types, []record.Raw{{Kind: record.KindEvent, JSON: row.Record}}, never)
		if len(b.Quarantined) > 0 {
			return record.Event{}, fmt.Errorf("%s: %s", row.Place, b.Quarantined[0].Reason)
		}
		if ev := b.Events[0]; ev.Time.Before(never) {
			return ev, nil
		}
		return record.Event{}, fmt.Errorf("%s: the event has no time", row.Place)
	}
	ev, err := record.ParseEvent(row.Record, record.Digest{})
	if err != nil {
		return ev, fmt.Errorf("%s: %w", row.Place, err)
	}
	if ev.ID == "" {
		// Its hash is its name.
		var canon record.Canon
		text, err := canon.Append(nil, row.Record)
		if err != nil {
			return ev, fmt.Errorf("%s: %w", row.Place, err)
		}
		ev.Hash = record.Sum(text)
	}
	return ev, nil
}

// line is a row as it is written: one JSON object a line. The last line of a whole stream has End, and
// the number of rows before it.
type line struct {
	Number   int64           `json:"number"`
	Time     string          `json:"time"`
	Received string          `json:"received"`
	Instance record.Instance `json:"instance"`
	Content  string          `json:"contentSha256"`
	State    bool            `json:"state"`
	Record   json.RawMessage `json:"record"`
	End      bool            `json:"end"`
	Rows     int64           `json:"rows"`
}

// recordMember begins the record of a row.
var recordMember = []byte(`"record":`)

// parse reads a line. Rows are written with the record last, so that only what stands before it has to be
// taken apart; the record is then what is left, and whether it is JSON shows where it is read. It returns
// false for a line that is written in another way.
func (l *line) parse(text []byte) bool {
	i := bytes.Index(text, recordMember)
	if i < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return false
	}
	head := bytes.TrimRight(text[:i], " \t")
	if n := len(head) - 1; head[n] == ',' {
		head = head[:n]
	}
	// Were the member not the line's own, this would not be a whole object.
	if err := json.Unmarshal(append(bytes.Clone(head), '}'), l); err != nil {
		return false
	}
	l.Record = bytes.TrimSpace(text[i+len(recordMember) : len(text)-1])
	return len(l.Record) > 0 && l.Record[0] == '{'
}

func (l *line) row() (Row, error) {
	row := Row{Number: l.Number, Instance: l.Instance, State: l.State, Record: l.Record}
	var err error
	if l.Time != "" {
		if row.Time, err = record.ParseTime(l.Time); err != nil {
			return row, err
		}
	}
	if l.Received != "" {
		if row.Received, err = record.ParseTime(l.Received); err != nil {
			return row, fmt.Errorf("received: %w", err)
		}
	}
	if l.Content != "" {
		if err := row.Content.UnmarshalText([]byte(l.Content)); err != nil {
			return row, fmt.Errorf("contentSha256: %w", err)
		}
	}
	return row, nil
}
