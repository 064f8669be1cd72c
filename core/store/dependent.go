package store

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"

	"github.com/regent-dev/regent/core/verdict"
)

// SetReads replaces what a policy read for its verdict on a resource.
func (tx *Tx) SetReads(policy verdict.PolicyID, resource int64, reads []verdict.Read) error {
	type target struct{ typ, id string }
	var want, have []target
	for _, r := range reads {
		want = append(want, target{r.ResourceType, r.ResourceID})
	}
	order := func(a, b target) int { return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.id, b.id)) }
	slices.SortFunc(want, order)
	want = slices.Compact(want)
	err := tx.each(`SELECT target_type, target_id FROM reads WHERE resource = ? AND policy = ?`, []any{resource, string(policy)}, func(r *sql.Rows) error {
		var t target
		err := r.Scan(&t.typ, &t.id)
		have = append(have, t)
		return err
	})
	if err != nil {
		return fmt.Errorf("read what %s read: %w", policy, err)
	}
	slices.SortFunc(have, order)
	// Nearly always a policy reads the same as before.
	if slices.Equal(want, have) {
		return nil
	}
	if len(have) > 0 {
		if err := tx.run(`DELETE FROM reads WHERE resource = ? AND policy = ?`, resource, string(policy)); err != nil {
			return fmt.Errorf("write what %s read: %w", policy, err)
		}
	}
	args := make([]any, 0, 5*len(want))
	for _, t := range want {
		number, err := tx.nextID("reads", "number")
		if err != nil {
			return err
		}
		args = append(args, number, string(policy), resource, t.typ, t.id)
	}
	if err := tx.insert(`INSERT INTO reads (number, policy, resource, target_type, target_id)`, 5, args, ""); err != nil {
		return fmt.Errorf("write what %s read: %w", policy, err)
	}
	return nil
}

// Dependent is a policy on a resource whose verdict rests on another resource.
type Dependent struct {
	// Row orders dependents, to go on after.
	Row      int64
	Policy   verdict.PolicyID
	Resource int64
	// All is true where the policy read the whole type.
	All bool
}

// Dependents returns whose verdicts rest on a resource, or on all of its type, after a row. It goes by
// type and id, whatever the account and region: a look-up may resolve differently when a resource
// comes or goes elsewhere.
func (tx *Tx) Dependents(resourceType, id string, after int64, limit int) ([]Dependent, error) {
	var out []Dependent
	// Two queries, because each comes in order from the index; one would have to sort all.
	for _, target := range slices.Compact([]string{"", id}) {
		err := tx.each(`SELECT number, policy, resource FROM reads WHERE target_type = ? AND target_id = ? AND number > ? ORDER BY number LIMIT ?`,
			[]any{resourceType, target, after, limit}, func(r *sql.Rows) error {
				var policy string
				d := Dependent{All: target == ""}
				err := r.Scan(&d.Row, &policy, &d.Resource)
				d.Policy = verdict.PolicyID(policy)
				out = append(out, d)
				return err
			})
		if err != nil {
			return nil, fmt.Errorf("read what depends on %s %s: %w", resourceType, id, err)
		}
	}
	slices.SortFunc(out, func(a, b Dependent) int { return cmp.Compare(a.Row, b.Row) })
	return out[:min(len(out), limit)], nil
}
