package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// Work is a pair that is to be judged again.
type Work struct {
	Policy   verdict.PolicyID
	Resource int64
	Reason   string
	Due      time.Time
}

// AddWork writes work down; a pair that waits already keeps the earlier time.
func (tx *Tx) AddWork(work []Work) error {
	type pair struct {
		policy   verdict.PolicyID
		resource int64
	}
	at := make(map[pair]int, len(work))
	args := make([]any, 0, 4*len(work))
	for _, w := range work {
		// One statement may not meet the same row twice.
		p := pair{w.Policy, w.Resource}
		due := micros(w.Due)
		if i, twice := at[p]; twice {
			if args[i].(int64) > due {
				args[i] = due
			}
			continue
		}
		at[p] = len(args) + 2
		args = append(args, string(w.Policy), w.Resource, due, w.Reason)
	}
	err := tx.insert(`INSERT INTO work (policy, resource, due, reason)`, 4, args,
		`ON CONFLICT (policy, resource) DO UPDATE SET due = CASE WHEN excluded.due < work.due THEN excluded.due ELSE work.due END`)
	if err != nil {
		return fmt.Errorf("write work: %w", err)
	}
	return nil
}

// NextWork returns work that is due, oldest first.
func (tx *Tx) NextWork(now time.Time, limit int) ([]Work, error) {
	var out []Work
	err := tx.each(`SELECT policy, resource, due, reason FROM work WHERE due <= ? ORDER BY due, policy, resource LIMIT ?`, []any{micros(now), limit}, func(r *sql.Rows) error {
		var w Work
		var policy string
		var due int64
		if err := r.Scan(&policy, &w.Resource, &due, &w.Reason); err != nil {
			return err
		}
		w.Policy, w.Due = verdict.PolicyID(policy), fromMicros(due)
		out = append(out, w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read work: %w", err)
	}
	return out, nil
}

// FinishWork forgets work, unless it was written down anew meanwhile for another time.
func (tx *Tx) FinishWork(work []Work) error {
	for _, w := range work {
		if err := tx.run(`DELETE FROM work WHERE policy = ? AND resource = ? AND due = ?`, string(w.Policy), w.Resource, micros(w.Due)); err != nil {
			return fmt.Errorf("finish work: %w", err)
		}
	}
	return nil
}

// CountWork returns how many pairs wait.
func (tx *Tx) CountWork() (n int64, err error) {
	_, err = tx.one(`SELECT count(*) FROM work`, nil, &n)
	return n, err
}
