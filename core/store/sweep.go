package store

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// Own notes that an instance lists a resource in a scope.
func (tx *Tx) Own(resource int64, inst record.Instance, scope string) error {
	// The row is nearly always there and the same; reading is much cheaper than writing.
	var have string
	ok, err := tx.one(`SELECT scope FROM owners WHERE resource = ? AND instance = ?`, []any{resource, string(inst)}, &have)
	if err != nil || ok && (have == scope || scope == "") {
		return err
	}
	return tx.run(`INSERT INTO owners (resource, instance, scope) VALUES (?, ?, ?) ON CONFLICT (resource, instance) DO UPDATE SET scope = excluded.scope`,
		resource, string(inst), scope)
}

// Disown notes that an instance lists a resource no more.
func (tx *Tx) Disown(resource int64, inst record.Instance) error {
	return tx.run(`DELETE FROM owners WHERE resource = ? AND instance = ?`, resource, string(inst))
}

// Owners returns the instances that list a resource.
func (tx *Tx) Owners(resource int64) ([]record.Instance, error) {
	var out []record.Instance
	err := tx.each(`SELECT instance FROM owners WHERE resource = ? ORDER BY instance`, []any{resource}, func(r *sql.Rows) error {
		var inst string
		if err := r.Scan(&inst); err != nil {
			return err
		}
		out = append(out, record.Instance(inst))
		return nil
	})
	return out, err
}

// OwnerInstances returns the instances that list anything.
func (tx *Tx) OwnerInstances() ([]record.Instance, error) {
	var out []record.Instance
	err := tx.each(`SELECT DISTINCT instance FROM owners ORDER BY instance`, nil, func(r *sql.Rows) error {
		var inst string
		if err := r.Scan(&inst); err != nil {
			return err
		}
		out = append(out, record.Instance(inst))
		return nil
	})
	return out, err
}

// ownedPage is how many resources Owned reads at once.
const ownedPage = 1000

// Owned calls fn for every resource that an instance lists in a scope, in the order of their numbers;
// an empty scope means all of them, no types mean any type. fn may use the transaction.
func (tx *Tx) Owned(inst record.Instance, scope string, types []string, fn func(resource int64) error) error {
	query, args := `SELECT o.resource, r.resource_type FROM owners o JOIN resources r ON r.id = o.resource WHERE o.instance = ?`, []any{string(inst)}
	if scope != "" {
		query, args = query+` AND o.scope = ?`, append(args, scope)
	}
	query += ` AND o.resource > ? ORDER BY o.resource LIMIT ?`
	page := make([]int64, 0, ownedPage)
	for after := int64(0); ; {
		page = page[:0]
		n := 0
		err := tx.each(query, append(args[:len(args):len(args)], after, ownedPage), func(r *sql.Rows) error {
			var typ string
			if err := r.Scan(&after, &typ); err != nil {
				return err
			}
			if n++; len(types) == 0 || slices.Contains(types, typ) {
				page = append(page, after)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read what %s lists: %w", inst, err)
		}
		for _, resource := range page {
			if err := fn(resource); err != nil {
				return err
			}
		}
		if n < ownedPage {
			return nil
		}
	}
}

// Held is a sweep that would delete too much and waits.
type Held struct {
	Instance record.Instance
	Scope    string
	At       time.Time
	// Missing are the resources that it did not see, of Total.
	Missing []int64
	Total   int
}

// HoldSweep writes a held sweep.
func (tx *Tx) HoldSweep(h Held) error {
	missing := make([]byte, 0, 4*len(h.Missing))
	for _, r := range h.Missing {
		missing = binary.AppendUvarint(missing, uint64(r))
	}
	return tx.run(`INSERT INTO held_sweeps (instance, scope, at, total, missing) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (instance, scope) DO UPDATE SET at = excluded.at, total = excluded.total, missing = excluded.missing`,
		string(h.Instance), h.Scope, micros(h.At), h.Total, missing)
}

// Held returns the held sweep of a scope, nil where there is none.
func (tx *Tx) Held(inst record.Instance, scope string) (*Held, error) {
	all, err := tx.held(` WHERE instance = ? AND scope = ?`, string(inst), scope)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// HeldSweeps returns all held sweeps.
func (tx *Tx) HeldSweeps() ([]Held, error) { return tx.held(` ORDER BY instance, scope`) }

func (tx *Tx) held(where string, args ...any) ([]Held, error) {
	var out []Held
	err := tx.each(`SELECT instance, scope, at, total, missing FROM held_sweeps`+where, args, func(r *sql.Rows) error {
		var h Held
		var inst string
		var at int64
		var missing []byte
		if err := r.Scan(&inst, &h.Scope, &at, &h.Total, &missing); err != nil {
			return err
		}
		h.Instance, h.At = record.Instance(inst), fromMicros(at)
		for len(missing) > 0 {
			n, used := binary.Uvarint(missing)
			if used <= 0 {
				return fmt.Errorf("%w: held sweep of %s, scope %q", ErrCorrupt, inst, h.Scope)
			}
			h.Missing = append(h.Missing, int64(n))
			missing = missing[used:]
		}
		out = append(out, h)
		return nil
	})
	return out, err
}

// ReleaseHeld forgets a held sweep.
func (tx *Tx) ReleaseHeld(inst record.Instance, scope string) error {
	return tx.run(`DELETE FROM held_sweeps WHERE instance = ? AND scope = ?`, string(inst), scope)
}
