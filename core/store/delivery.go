package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// DeliveryState is where a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	Pending   DeliveryState = "pending"
	Delivered DeliveryState = "delivered"
	Dead      DeliveryState = "dead"
)

// Delivery is one notification on its way to one notifier.
type Delivery struct {
	// Seq orders deliveries; within one instance and group they leave in this order.
	Seq      int64           `json:"seq"`
	ID       string          `json:"id"`
	Route    string          `json:"route"`
	Instance record.Instance `json:"instance"`
	GroupKey string          `json:"groupKey"`
	Class    verdict.Class   `json:"class"`
	Created  time.Time       `json:"created"`
	// Next is when the next attempt is due; zero for a pending one that waits for those before it in
	// its group. The store sets and lifts that.
	Next     time.Time     `json:"next,omitzero"`
	Attempts int           `json:"attempts"`
	State    DeliveryState `json:"state"`
	// Changed is when the state was reached or the last attempt made.
	Changed time.Time `json:"changed,omitzero"`
	// Answer is what the receiver or the transport said last.
	Answer string `json:"answer,omitempty"`
	// Document is the notification as JSON.
	Document json.RawMessage `json:"document,omitempty"`
}

// AddDelivery appends a delivery and returns its number. One behind a pending one of its group waits for
// it. The same id twice is an error.
func (tx *Tx) AddDelivery(d Delivery) (int64, error) {
	seq, err := tx.nextID("deliveries", "seq")
	if err != nil {
		return 0, err
	}
	if d.State == Pending {
		before, err := tx.pendingInGroup(d.Instance, d.GroupKey, seq)
		if err != nil {
			return 0, err
		}
		if d.Next = dueAt(d.Next); before != 0 {
			d.Next = time.Time{}
		}
	}
	document, err := tx.pack("delivery", d.Document)
	if err == nil {
		err = tx.run(`INSERT INTO deliveries (seq, id, route, instance, group_key, class, created, next, attempts, state, changed, answer, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			seq, d.ID, d.Route, string(d.Instance), d.GroupKey, string(d.Class), micros(d.Created), micros(d.Next), d.Attempts, string(d.State), micros(d.Changed), d.Answer, document)
	}
	if err == nil {
		d.Seq = seq
		err = tx.deliveryState(d, d.Created)
	}
	if err != nil {
		return 0, fmt.Errorf("write delivery %s: %w", d.ID, err)
	}
	return seq, nil
}

// deliveryState notes the state that a delivery came into.
func (tx *Tx) deliveryState(d Delivery, at time.Time) error {
	d.Next = time.Time{}
	body, err := tx.packJSON("delivery state", d)
	if err != nil {
		return err
	}
	return tx.addHistory(deliveryHistory, micros(at), body)
}

// pendingInGroup returns the first pending delivery of a group beside one, 0 where there is none.
func (tx *Tx) pendingInGroup(inst record.Instance, group string, beside int64) (int64, error) {
	var first sql.NullInt64
	_, err := tx.one(`SELECT min(seq) FROM deliveries WHERE state = 'pending' AND instance = ? AND group_key = ? AND seq <> ?`,
		[]any{string(inst), group, beside}, &first)
	if err != nil {
		return 0, fmt.Errorf("read group %s: %w", group, err)
	}
	return first.Int64, nil
}

// dueAt returns a time that stands for itself in the table, where 0 means that it waits for another.
func dueAt(t time.Time) time.Time {
	if t.UnixMicro() <= 0 {
		return fromMicros(1)
	}
	return t
}

// PutDelivery writes what an attempt changed. Of each group one delivery has its turn: when it ends, the
// first of the others has it, from d.Changed on. What becomes pending again gets its turn after the one
// that has it, and before those that came later.
func (tx *Tx) PutDelivery(d Delivery) error {
	var state string
	var next int64
	if _, err := tx.one(`SELECT state, next FROM deliveries WHERE seq = ?`, []any{d.Seq}, &state, &next); err != nil {
		return fmt.Errorf("read delivery %s: %w", d.ID, err)
	}
	other, err := tx.pendingInGroup(d.Instance, d.GroupKey, d.Seq)
	if err != nil {
		return err
	}
	hadTurn := DeliveryState(state) == Pending && next > 0
	switch {
	case d.State != Pending:
		d.Next = time.Time{}
	case hadTurn || other == 0:
		d.Next = dueAt(d.Next)
	default:
		d.Next = time.Time{}
	}
	err = tx.run(`UPDATE deliveries SET next = ?, attempts = ?, state = ?, changed = ?, answer = ? WHERE seq = ?`,
		micros(d.Next), d.Attempts, string(d.State), micros(d.Changed), d.Answer, d.Seq)
	if err == nil && hadTurn && d.State != Pending && other != 0 {
		err = tx.run(`UPDATE deliveries SET next = ? WHERE seq = ?`, micros(dueAt(d.Changed)), other)
	}
	if err == nil && state != string(d.State) {
		d.Document = nil
		err = tx.deliveryState(d, d.Changed)
	}
	if err != nil {
		return fmt.Errorf("write delivery %s: %w", d.ID, err)
	}
	return nil
}

const deliveryColumns = `SELECT d.seq, d.id, d.route, d.instance, d.group_key, d.class, d.created, d.next, d.attempts, d.state, d.changed, d.answer, d.document FROM deliveries d`

func (tx *Tx) deliveries(read reading, query string, args ...any) ([]Delivery, error) {
	var out []Delivery
	err := read(query, args, func(r *sql.Rows) error {
		var d Delivery
		var inst, class, state string
		var created, next, changed int64
		var document []byte
		if err := r.Scan(&d.Seq, &d.ID, &d.Route, &inst, &d.GroupKey, &class, &created, &next, &d.Attempts, &state, &changed, &d.Answer, &document); err != nil {
			return err
		}
		d.Instance, d.Class, d.State, d.Document = record.Instance(inst), verdict.Class(class), DeliveryState(state), document
		d.Created, d.Next, d.Changed = fromMicros(created), fromMicros(next), fromMicros(changed)
		out = append(out, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	for i := range out {
		if out[i].Document, err = tx.unpack(out[i].Document); err != nil {
			return nil, fmt.Errorf("read delivery %s: %w", out[i].ID, err)
		}
	}
	return out, nil
}

// DeliveriesDue returns, for an instance, the deliveries whose next attempt is due, at most one of each
// group, those that wait longest first.
func (tx *Tx) DeliveriesDue(inst record.Instance, now time.Time, limit int) ([]Delivery, error) {
	return tx.deliveries(tx.each, deliveryColumns+` WHERE d.state = 'pending' AND d.instance = ? AND d.next > 0 AND d.next <= ? ORDER BY d.next, d.seq LIMIT ?`,
		string(inst), micros(now), limit)
}

// NextDelivery returns when the next attempt after now is due, false where there is none.
func (tx *Tx) NextDelivery(now time.Time) (time.Time, bool, error) {
	instances, err := tx.PendingInstances()
	if err != nil {
		return time.Time{}, false, err
	}
	var first sql.NullInt64
	for _, inst := range instances {
		var next sql.NullInt64
		_, err := tx.one(`SELECT min(next) FROM deliveries WHERE state = 'pending' AND instance = ? AND next > 0 AND next > ?`, []any{string(inst), micros(now)}, &next)
		if err != nil {
			return time.Time{}, false, fmt.Errorf("read deliveries: %w", err)
		}
		if next.Valid && (!first.Valid || next.Int64 < first.Int64) {
			first = next
		}
	}
	return fromMicros(first.Int64), first.Valid, nil
}

// PendingInstances returns the instances that have pending deliveries.
func (tx *Tx) PendingInstances() ([]record.Instance, error) {
	var out []record.Instance
	err := tx.each(`WITH RECURSIVE found (instance) AS (
			SELECT min(instance) FROM deliveries WHERE state = 'pending'
			UNION ALL
			SELECT (SELECT min(n.instance) FROM deliveries n WHERE n.state = 'pending' AND n.instance > found.instance) FROM found WHERE found.instance IS NOT NULL
		) SELECT instance FROM found WHERE instance IS NOT NULL ORDER BY instance`, nil, func(r *sql.Rows) error {
		var inst string
		err := r.Scan(&inst)
		out = append(out, record.Instance(inst))
		return err
	})
	return out, err
}

// Delivery returns a delivery by its id, nil where there is none.
func (tx *Tx) Delivery(id string) (*Delivery, error) {
	all, err := tx.deliveries(tx.each, deliveryColumns+` WHERE d.id = ?`, id)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// DeliveryFilter chooses deliveries. Empty fields match anything.
type DeliveryFilter struct {
	State, Instance, Route, Class string
	// Before goes on below a number; 0 for the first page.
	Before int64
	// Limit is how many deliveries a page has, 100 where it is 0.
	Limit int
}

// Deliveries returns matching deliveries, newest first.
func (tx *Tx) Deliveries(f DeliveryFilter) ([]Delivery, error) {
	var w where
	w.equal("d.state", f.State)
	w.equal("d.instance", f.Instance)
	w.equal("d.route", f.Route)
	w.equal("d.class", f.Class)
	if f.Before > 0 {
		w.add(`d.seq < ?`, f.Before)
	}
	return tx.deliveries(tx.search, deliveryColumns+w.String()+` ORDER BY d.seq DESC LIMIT ?`, append(w.args, pageLimit(f.Limit))...)
}

// CountDeliveries returns how many deliveries each instance has in each state.
func (tx *Tx) CountDeliveries() (map[record.Instance]map[DeliveryState]int64, error) {
	out := map[record.Instance]map[DeliveryState]int64{}
	err := tx.each(`SELECT instance, state, count(*) FROM deliveries GROUP BY instance, state`, nil, func(r *sql.Rows) error {
		var inst, state string
		var n int64
		if err := r.Scan(&inst, &state, &n); err != nil {
			return err
		}
		i := record.Instance(inst)
		if out[i] == nil {
			out[i] = map[DeliveryState]int64{}
		}
		out[i][DeliveryState(state)] = n
		return nil
	})
	return out, err
}
