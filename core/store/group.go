package store

import (
	"database/sql"
	"fmt"
	"time"
)

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
	_, err := tx.one(`SELECT min(due) FROM route_groups WHERE due > 0`, nil, &due)
	return fromMicros(due.Int64), due.Valid, err
}

func (tx *Tx) groups(where string, args ...any) ([]Group, error) {
	var out []Group
	err := tx.each(`SELECT route, name, due, body FROM route_groups `+where, args, func(r *sql.Rows) error {
		var g Group
		var due int64
		if err := r.Scan(&g.Route, &g.Name, &due, &g.Body); err != nil {
			return err
		}
		g.Due = fromMicros(due)
		out = append(out, g)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	for i := range out {
		if out[i].Body, err = tx.unpack(out[i].Body); err != nil {
			return nil, fmt.Errorf("read group %s of route %s: %w", out[i].Name, out[i].Route, err)
		}
	}
	return out, nil
}

// PutGroup writes a group.
func (tx *Tx) PutGroup(g Group) error {
	body, err := tx.pack("group", g.Body)
	if err == nil {
		err = tx.run(`INSERT INTO route_groups (route, name, due, body) VALUES (?, ?, ?, ?) ON CONFLICT (route, name) DO UPDATE SET due = excluded.due, body = excluded.body`,
			g.Route, g.Name, micros(g.Due), body)
	}
	if err != nil {
		return fmt.Errorf("write group %s of route %s: %w", g.Name, g.Route, err)
	}
	return nil
}

// DeleteGroup forgets a group.
func (tx *Tx) DeleteGroup(route, name string) error {
	return tx.run(`DELETE FROM route_groups WHERE route = ? AND name = ?`, route, name)
}
