package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// CauseRow is a cause with what the work on it needs.
type CauseRow struct {
	verdict.Cause
	// Resource is the number of the finding's resource, Watched that of the one whose events may tell who
	// did it; 0 is none.
	Resource, Watched int64
	// Due is when it is to be looked at again, and zero once it is settled.
	Due time.Time
	// marks counts how often events made it due.
	marks int64
}

// AddCause appends a cause, gives it its id, and returns that. Where it has a revision already it goes to
// the history as well.
func (tx *Tx) AddCause(r *CauseRow) (int64, error) {
	id, err := tx.nextID("causes", "id")
	if err != nil {
		return 0, err
	}
	r.ID = id
	body, err := tx.packJSON("cause", r.Cause)
	if err == nil {
		err = tx.run(`INSERT INTO causes (id, finding, resource, watched, due, marks, body) VALUES (?, ?, ?, ?, ?, 0, ?)`,
			id, r.Finding, r.Resource, r.Watched, micros(r.Due), body)
	}
	if err == nil && r.Revision > 0 {
		err = tx.addHistory(causeHistory, micros(r.At), body)
	}
	if err != nil {
		return 0, fmt.Errorf("write cause of finding %s: %w", r.Finding, err)
	}
	return id, nil
}

// PutCause writes what a look at a cause brought. Where events made it due since it was read it stays due.
// revised says that there is a new revision, which is written and goes to the history.
func (tx *Tx) PutCause(r *CauseRow, revised bool) error {
	if !revised {
		err := tx.run(`UPDATE causes SET due = CASE WHEN marks = ? THEN ? ELSE due END, watched = ? WHERE id = ?`, r.marks, micros(r.Due), r.Watched, r.ID)
		if err != nil {
			return fmt.Errorf("write cause %d: %w", r.ID, err)
		}
		return nil
	}
	body, err := tx.packJSON("cause", r.Cause)
	if err == nil {
		err = tx.run(`UPDATE causes SET due = CASE WHEN marks = ? THEN ? ELSE due END, watched = ?, body = ? WHERE id = ?`,
			r.marks, micros(r.Due), r.Watched, body, r.ID)
	}
	if err == nil {
		err = tx.addHistory(causeHistory, micros(r.At), body)
	}
	if err != nil {
		return fmt.Errorf("write cause %d: %w", r.ID, err)
	}
	return nil
}

const causeColumns = `SELECT id, resource, watched, due, marks, body FROM causes`

func (tx *Tx) causes(query string, args ...any) ([]CauseRow, error) {
	var out []CauseRow
	var bodies [][]byte
	err := tx.each(query, args, func(r *sql.Rows) error {
		var c CauseRow
		var due int64
		var body []byte
		err := r.Scan(&c.ID, &c.Resource, &c.Watched, &due, &c.marks, &body)
		c.Due = fromMicros(due)
		out, bodies = append(out, c), append(bodies, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read causes: %w", err)
	}
	for i, packed := range bodies {
		id := out[i].ID
		if err := tx.unpackJSON(packed, &out[i].Cause); err != nil {
			return nil, fmt.Errorf("read cause %d: %w", id, err)
		}
		out[i].ID = id
	}
	return out, nil
}

// Cause returns a cause by its id, nil where there is none.
func (tx *Tx) Cause(id int64) (*CauseRow, error) {
	all, err := tx.causes(causeColumns+` WHERE id = ?`, id)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// CausesOf returns the causes of a finding on a resource, the last first.
func (tx *Tx) CausesOf(resource int64, finding string, limit int) ([]CauseRow, error) {
	return tx.causes(causeColumns+` WHERE resource = ? AND finding = ? ORDER BY id DESC LIMIT ?`, resource, finding, limit)
}

// CausesDue returns causes whose time has come, oldest first.
func (tx *Tx) CausesDue(now time.Time, limit int) ([]CauseRow, error) {
	return tx.causes(causeColumns+` WHERE due > 0 AND due <= ? ORDER BY due, id LIMIT ?`, micros(now), limit)
}

// NextCause returns when the next cause is due; false where none is.
func (tx *Tx) NextCause() (time.Time, bool, error) {
	var due sql.NullInt64
	_, err := tx.one(`SELECT min(due) FROM causes WHERE due > 0`, nil, &due)
	return fromMicros(due.Int64), due.Valid, err
}

// MarkCauses makes the causes that wait for events on a resource due, at the latest at a time, and returns
// how many.
func (tx *Tx) MarkCauses(watched int64, due time.Time) (int64, error) {
	n, err := tx.exec(`UPDATE causes SET marks = marks + 1, due = CASE WHEN due > ? THEN ? ELSE due END WHERE watched = ? AND due > 0`, micros(due), micros(due), watched)
	if err != nil {
		return 0, fmt.Errorf("mark causes: %w", err)
	}
	return n, nil
}

// TrimCauses forgets the settled causes of a finding but for so many of the last, and returns how many
// went.
func (tx *Tx) TrimCauses(resource int64, finding string, keep int) (int64, error) {
	n, err := tx.exec(`DELETE FROM causes WHERE resource = ? AND finding = ? AND due = 0 AND id < (
		SELECT min(id) FROM (SELECT id FROM causes WHERE resource = ? AND finding = ? ORDER BY id DESC LIMIT ?) AS last)
		AND id < (SELECT max(id) FROM causes)`, resource, finding, resource, finding, keep)
	if err != nil {
		return 0, fmt.Errorf("trim causes of finding %s: %w", finding, err)
	}
	return n, nil
}

// CausesAfter returns the revisions of causes after a number that are not drained, in order.
func (tx *Tx) CausesAfter(after int64, limit int) ([]HistoryRow[verdict.Cause], error) {
	return states[verdict.Cause](tx, causeHistory, after, limit)
}

// CauseWatch is a resource on which events of a time are waited for.
type CauseWatch struct {
	Resource int64
	// ID, Name and ARN are what events may call it.
	ID, Name, ARN string
	From, To      time.Time
	// Until is how long events are waited for.
	Until time.Time
}

// PutCauseWatch writes what events are waited for on a resource.
func (tx *Tx) PutCauseWatch(w CauseWatch) error {
	err := tx.run(`INSERT INTO cause_watches (watched, from_at, to_at, until) VALUES (?, ?, ?, ?)
		ON CONFLICT (watched) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at, until = excluded.until`,
		w.Resource, micros(w.From), micros(w.To), micros(w.Until))
	if err != nil {
		return fmt.Errorf("write what events are waited for: %w", err)
	}
	return nil
}

// CauseWatches returns the resources on which events are waited for after a time.
func (tx *Tx) CauseWatches(now time.Time, fn func(CauseWatch)) error {
	err := tx.each(`SELECT w.watched, w.from_at, w.to_at, w.until, r.resource_id, r.name, r.arn FROM cause_watches w JOIN resources r ON r.id = w.watched WHERE w.until > ?`,
		[]any{micros(now)}, func(r *sql.Rows) error {
			var w CauseWatch
			var from, to, until int64
			if err := r.Scan(&w.Resource, &from, &to, &until, &w.ID, &w.Name, &w.ARN); err != nil {
				return err
			}
			w.From, w.To, w.Until = fromMicros(from), fromMicros(to), fromMicros(until)
			fn(w)
			return nil
		})
	if err != nil {
		return fmt.Errorf("read what events are waited for: %w", err)
	}
	return nil
}

// ForgetCauseWatches forgets what events were waited for up to a time.
func (tx *Tx) ForgetCauseWatches(now time.Time) error {
	return tx.run(`DELETE FROM cause_watches WHERE until <= ?`, micros(now))
}

// CauseTold is a delivery that told of a change before anybody knew who had made it. Name is the group's.
type CauseTold struct {
	Cause                           int64
	Route, Name, Instance, Delivery string
}

// AddCauseTold notes such a delivery; the first of a route and notifier stays.
func (tx *Tx) AddCauseTold(t CauseTold) error {
	err := tx.run(`INSERT INTO cause_told (cause, route, name, instance, delivery) VALUES (?, ?, ?, ?, ?) ON CONFLICT (cause, route, instance) DO NOTHING`,
		t.Cause, t.Route, t.Name, t.Instance, t.Delivery)
	if err != nil {
		return fmt.Errorf("note delivery %s: %w", t.Delivery, err)
	}
	return nil
}

// CauseTold returns the deliveries that told of a cause before its actor was known.
func (tx *Tx) CauseTold(cause int64) ([]CauseTold, error) {
	var out []CauseTold
	err := tx.each(`SELECT route, name, instance, delivery FROM cause_told WHERE cause = ? ORDER BY route, instance`, []any{cause}, func(r *sql.Rows) error {
		t := CauseTold{Cause: cause}
		err := r.Scan(&t.Route, &t.Name, &t.Instance, &t.Delivery)
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read who was told of cause %d: %w", cause, err)
	}
	return out, nil
}

// ForgetCauseTold forgets the deliveries that told of a cause.
func (tx *Tx) ForgetCauseTold(cause int64) error {
	return tx.run(`DELETE FROM cause_told WHERE cause = ?`, cause)
}

// EventInstances returns the instances whose events the journal knows of. It reads all its summaries.
func (tx *Tx) EventInstances() ([]string, error) {
	var out []string
	err := tx.each(`SELECT DISTINCT instance FROM event_batches ORDER BY instance`, nil, func(r *sql.Rows) error {
		var s string
		err := r.Scan(&s)
		out = append(out, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read who sent events: %w", err)
	}
	return out, nil
}
