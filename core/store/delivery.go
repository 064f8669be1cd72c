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
	// Next is when the next attempt is due.
	Next     time.Time     `json:"next,omitzero"`
	Attempts int           `json:"attempts"`
	State    DeliveryState `json:"state"`
	// Changed is when the state was reached or the last attempt made.
	Changed time.Time `json:"changed,omitzero"`
	// Answer is what the receiver or the transport said last.
	Answer string `json:"answer,omitempty"`
	// Document is the notification as JSON.
	Document json.RawMessage `json:"document"`
}

// AddDelivery appends a delivery and returns its number. The same id twice is an error.
func (tx *Tx) AddDelivery(d Delivery) (int64, error) {
	seq, err := tx.nextID("deliveries", "seq")
	if err != nil {
		return 0, err
	}
	document, err := tx.pack("delivery", d.Document)
	if err == nil {
		err = tx.run(`INSERT INTO deliveries (seq, id, route, instance, group_key, class, created, next, attempts, state, changed, answer, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			seq, d.ID, d.Route, string(d.Instance), d.GroupKey, string(d.Class), micros(d.Created), micros(d.Next), d.Attempts, string(d.State), micros(d.Changed), d.Answer, document)
	}
	if err != nil {
		return 0, fmt.Errorf("write delivery %s: %w", d.ID, err)
	}
	return seq, nil
}

// PutDelivery writes what an attempt changed.
func (tx *Tx) PutDelivery(d Delivery) error {
	err := tx.run(`UPDATE deliveries SET next = ?, attempts = ?, state = ?, changed = ?, answer = ? WHERE seq = ?`,
		micros(d.Next), d.Attempts, string(d.State), micros(d.Changed), d.Answer, d.Seq)
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

// heads are the first pending deliveries of each group of one instance. They are found by stepping from
// group to group, so that it costs as many steps as there are groups, however long each is. It takes the
// instance three times.
const heads = `WITH RECURSIVE heads (group_key) AS (
		SELECT min(group_key) FROM deliveries WHERE state = 'pending' AND instance = ?
		UNION ALL
		SELECT (SELECT min(n.group_key) FROM deliveries n WHERE n.state = 'pending' AND n.instance = ? AND n.group_key > heads.group_key)
		FROM heads WHERE heads.group_key IS NOT NULL
	), firsts (seq) AS (
		SELECT (SELECT min(f.seq) FROM deliveries f WHERE f.state = 'pending' AND f.instance = ? AND f.group_key = heads.group_key)
		FROM heads WHERE heads.group_key IS NOT NULL
	) `

// DeliveriesDue returns, for an instance, the first pending delivery of each group whose next attempt
// is due, in their order: those behind it wait, so that a group keeps its order, and other groups do
// not wait for it.
func (tx *Tx) DeliveriesDue(inst record.Instance, now time.Time, limit int) ([]Delivery, error) {
	return tx.deliveries(tx.each, heads+deliveryColumns+` WHERE d.seq IN (SELECT seq FROM firsts) AND d.next <= ? ORDER BY d.seq LIMIT ?`,
		string(inst), string(inst), string(inst), micros(now), limit)
}

// NextDelivery returns when the next attempt after now is due: that of the first pending delivery of some
// group, since those behind it wait for it. It returns false where there is none.
func (tx *Tx) NextDelivery(now time.Time) (time.Time, bool, error) {
	instances, err := tx.PendingInstances()
	if err != nil {
		return time.Time{}, false, err
	}
	var first sql.NullInt64
	for _, inst := range instances {
		var next sql.NullInt64
		_, err := tx.one(heads+`SELECT min(d.next) FROM deliveries d WHERE d.seq IN (SELECT seq FROM firsts) AND d.next > ?`,
			[]any{string(inst), string(inst), string(inst), micros(now)}, &next)
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
