package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// AddChange appends a change to be routed and returns its number.
func (tx *Tx) AddChange(c verdict.Change) (int64, error) {
	seq, err := tx.nextID("changes", "seq")
	if err != nil {
		return 0, err
	}
	c.Seq = seq
	body, err := json.Marshal(c)
	if err != nil {
		return 0, fmt.Errorf("write change: %w", err)
	}
	return seq, tx.run(`INSERT INTO changes (seq, at, body) VALUES (?, ?, ?)`, seq, micros(c.At), body)
}

// Changes returns changes after a number, in order.
func (tx *Tx) Changes(after int64, limit int) ([]verdict.Change, error) {
	var out []verdict.Change
	err := tx.each(`SELECT body FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
		var body []byte
		var c verdict.Change
		if err := r.Scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &c); err != nil {
			return fmt.Errorf("read change: %w", err)
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// LastChange returns the number of the newest change, 0 where there is none.
func (tx *Tx) LastChange() (int64, error) {
	var n sql.NullInt64
	_, err := tx.one(`SELECT max(seq) FROM changes`, nil, &n)
	return n.Int64, err
}

// Group is what routing holds back for one group of one route. Body is routing's own.
type Group struct {
	Route string
	Name  string
	// Due is when routing wants to look at it again; a zero time means never by itself.
	Due  time.Time
	Body []byte
}

// Group returns a group, nil where there is none.
func (tx *Tx) Group(route, name string) (*Group, error) {
	all, err := tx.groups(`WHERE route = ? AND name = ?`, route, name)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// GroupsDue returns groups whose time has come, oldest first.
func (tx *Tx) GroupsDue(now time.Time, limit int) ([]Group, error) {
	return tx.groups(`WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?`, micros(now), limit)
}

// GroupsOf returns the groups of a route.
func (tx *Tx) GroupsOf(route string) ([]Group, error) {
	return tx.groups(`WHERE route = ? ORDER BY name`, route)
}

// NextGroup returns when the next group is due; false where none is.
func (tx *Tx) NextGroup() (time.Time, bool, error) {
	var due sql.NullInt64
	_, err := tx.one(`SELECT min(due) FROM groups WHERE due > 0`, nil, &due)
	return fromMicros(due.Int64), due.Valid, err
}

func (tx *Tx) groups(where string, args ...any) ([]Group, error) {
	var out []Group
	err := tx.each(`SELECT route, name, due, body FROM groups `+where, args, func(r *sql.Rows) error {
		var g Group
		var due int64
		if err := r.Scan(&g.Route, &g.Name, &due, &g.Body); err != nil {
			return err
		}
		g.Due = fromMicros(due)
		out = append(out, g)
		return nil
	})
	return out, err
}

// PutGroup writes a group.
func (tx *Tx) PutGroup(g Group) error {
	return tx.run(`INSERT INTO groups (route, name, due, body) VALUES (?, ?, ?, ?) ON CONFLICT (route, name) DO UPDATE SET due = excluded.due, body = excluded.body`,
		g.Route, g.Name, micros(g.Due), g.Body)
}

// DeleteGroup forgets a group.
func (tx *Tx) DeleteGroup(route, name string) error {
	return tx.run(`DELETE FROM groups WHERE route = ? AND name = ?`, route, name)
}

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
	return seq, tx.run(`INSERT INTO deliveries (seq, id, route, instance, group_key, class, created, next, attempts, state, changed, answer, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, d.ID, d.Route, string(d.Instance), d.GroupKey, string(d.Class), micros(d.Created), micros(d.Next), d.Attempts, string(d.State), micros(d.Changed), d.Answer, packBody(d.Document))
}

// PutDelivery writes what an attempt changed.
func (tx *Tx) PutDelivery(d Delivery) error {
	return tx.run(`UPDATE deliveries SET next = ?, attempts = ?, state = ?, changed = ?, answer = ? WHERE seq = ?`,
		micros(d.Next), d.Attempts, string(d.State), micros(d.Changed), d.Answer, d.Seq)
}

const deliveryColumns = `SELECT seq, id, route, instance, group_key, class, created, next, attempts, state, changed, answer, document FROM deliveries `

func (tx *Tx) deliveries(where string, args ...any) ([]Delivery, error) {
	var out []Delivery
	err := tx.each(deliveryColumns+where, args, func(r *sql.Rows) error {
		var d Delivery
		var inst, class, state string
		var created, next, changed int64
		var document []byte
		if err := r.Scan(&d.Seq, &d.ID, &d.Route, &inst, &d.GroupKey, &class, &created, &next, &d.Attempts, &state, &changed, &d.Answer, &document); err != nil {
			return err
		}
		raw, err := unpackBody(document)
		if err != nil {
			return fmt.Errorf("read delivery %s: %w", d.ID, err)
		}
		d.Instance, d.Class, d.State, d.Document = record.Instance(inst), verdict.Class(class), DeliveryState(state), raw
		d.Created, d.Next, d.Changed = fromMicros(created), fromMicros(next), fromMicros(changed)
		out = append(out, d)
		return nil
	})
	return out, err
}

// DeliveriesDue returns, for an instance, the first pending delivery of each group whose next attempt
// is due: those behind it wait, so that a group keeps its order, and other groups do not wait for it.
func (tx *Tx) DeliveriesDue(inst record.Instance, now time.Time, limit int) ([]Delivery, error) {
	return tx.deliveries(`WHERE seq IN (SELECT min(seq) FROM deliveries WHERE state = 'pending' AND instance = ? GROUP BY group_key) AND next <= ? ORDER BY seq LIMIT ?`,
		string(inst), micros(now), limit)
}

// NextDelivery returns when the next attempt after now is due: that of the first pending delivery of some
// group, since those behind it wait for it. It returns false where there is none.
func (tx *Tx) NextDelivery(now time.Time) (time.Time, bool, error) {
	var next sql.NullInt64
	_, err := tx.one(`SELECT min(next) FROM deliveries WHERE next > ? AND seq IN (SELECT min(seq) FROM deliveries WHERE state = 'pending' GROUP BY instance, group_key)`,
		[]any{micros(now)}, &next)
	return fromMicros(next.Int64), next.Valid, err
}

// PendingInstances returns the instances that have pending deliveries.
func (tx *Tx) PendingInstances() ([]record.Instance, error) {
	var out []record.Instance
	err := tx.each(`SELECT DISTINCT instance FROM deliveries WHERE state = 'pending' ORDER BY instance`, nil, func(r *sql.Rows) error {
		var inst string
		if err := r.Scan(&inst); err != nil {
			return err
		}
		out = append(out, record.Instance(inst))
		return nil
	})
	return out, err
}

// Delivery returns a delivery by its id, nil where there is none.
func (tx *Tx) Delivery(id string) (*Delivery, error) {
	all, err := tx.deliveries(`WHERE id = ?`, id)
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
	Limit  int
}

// Deliveries returns matching deliveries, newest first.
func (tx *Tx) Deliveries(f DeliveryFilter) ([]Delivery, error) {
	where, args := []string{"1 = 1"}, []any{}
	for _, c := range []struct{ column, value string }{{"state", f.State}, {"instance", f.Instance}, {"route", f.Route}, {"class", f.Class}} {
		if c.value != "" {
			where, args = append(where, c.column+` = ?`), append(args, c.value)
		}
	}
	if f.Before > 0 {
		where, args = append(where, `seq < ?`), append(args, f.Before)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	return tx.deliveries(`WHERE `+strings.Join(where, " AND ")+` ORDER BY seq DESC LIMIT ?`, append(args, limit)...)
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
