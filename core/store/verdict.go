package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// The verdicts on a resource stand together in one row, as compressed JSON. Nearly every write and
// read is of all verdicts on one resource; one row for each pair costs, for 100,000 resources and 20
// policies, two million rows with an index entry each, and evidence that repeats the same digests.
// That is reasoned, not yet measured side by side.

// Verdicts returns the current verdicts on a resource.
func (tx *Tx) Verdicts(resource int64) ([]verdict.Verdict, error) {
	var body []byte
	ok, err := tx.one(`SELECT body FROM verdicts WHERE resource = ?`, []any{resource}, &body)
	if err != nil || !ok {
		return nil, err
	}
	return decodeVerdicts(body)
}

func decodeVerdicts(body []byte) ([]verdict.Verdict, error) {
	raw, err := unpackBody(body)
	if err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	var out []verdict.Verdict
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	return out, nil
}

// PutVerdicts replaces or adds verdicts on a resource, and removes those of policies.
func (tx *Tx) PutVerdicts(resource int64, put []verdict.Verdict, remove []verdict.PolicyID) error {
	all, err := tx.Verdicts(resource)
	if err != nil {
		return err
	}
	at := make(map[verdict.PolicyID]int, len(all))
	for i := range all {
		at[all[i].Policy] = i
	}
	type pair struct {
		policy  verdict.PolicyID
		outcome verdict.Outcome
	}
	delta := map[pair]int64{}
	for _, v := range put {
		delta[pair{v.Policy, v.Outcome}]++
		if i, ok := at[v.Policy]; ok {
			delta[pair{v.Policy, all[i].Outcome}]--
			all[i] = v
			continue
		}
		at[v.Policy] = len(all)
		all = append(all, v)
	}
	for _, p := range remove {
		i, ok := at[p]
		if !ok {
			continue
		}
		delta[pair{p, all[i].Outcome}]--
		all = append(all[:i], all[i+1:]...)
		clear(at)
		for j := range all {
			at[all[j].Policy] = j
		}
	}
	for p, n := range delta {
		if n == 0 {
			continue
		}
		if err := tx.run(`INSERT INTO verdict_counts (policy, outcome, n) VALUES (?, ?, ?) ON CONFLICT (policy, outcome) DO UPDATE SET n = verdict_counts.n + excluded.n`,
			string(p.policy), string(p.outcome), n); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("write verdicts: %w", err)
	}
	return tx.run(`INSERT INTO verdicts (resource, body) VALUES (?, ?) ON CONFLICT (resource) DO UPDATE SET body = excluded.body`, resource, packBody(raw))
}

// ForgetPolicy removes the verdicts of a policy, and what it read, from at most limit resources, and
// returns from how many.
func (tx *Tx) ForgetPolicy(policy verdict.PolicyID, limit int) (int, error) {
	// There is no index by policy: it is looked for from where the last call stopped, which meta keeps.
	key := "store/forget/" + string(policy)
	after := int64(0)
	if b, err := tx.Meta(key); err != nil {
		return 0, err
	} else if b != nil {
		if _, err := fmt.Sscan(string(b), &after); err != nil {
			return 0, fmt.Errorf("read %s: %w", key, err)
		}
	}
	n := 0
	var resources []int64
	err := tx.each(`SELECT resource, body FROM verdicts WHERE resource > ? ORDER BY resource LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
		var resource int64
		var body []byte
		if err := r.Scan(&resource, &body); err != nil {
			return err
		}
		n++
		after = resource
		all, err := decodeVerdicts(body)
		if err != nil {
			return err
		}
		for _, v := range all {
			if v.Policy == policy {
				resources = append(resources, resource)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, resource := range resources {
		if err := tx.PutVerdicts(resource, nil, []verdict.PolicyID{policy}); err != nil {
			return 0, err
		}
		if err := tx.SetReads(policy, resource, nil); err != nil {
			return 0, err
		}
	}
	if n < limit {
		return n, tx.SetMeta(key, nil)
	}
	return n, tx.SetMeta(key, fmt.Append(nil, after))
}

// VerdictCounts returns how many verdicts of each outcome a policy has.
func (tx *Tx) VerdictCounts() (map[verdict.PolicyID]map[verdict.Outcome]int64, error) {
	out := map[verdict.PolicyID]map[verdict.Outcome]int64{}
	err := tx.each(`SELECT policy, outcome, n FROM verdict_counts WHERE n <> 0`, nil, func(r *sql.Rows) error {
		var p, o string
		var n int64
		if err := r.Scan(&p, &o, &n); err != nil {
			return err
		}
		if out[verdict.PolicyID(p)] == nil {
			out[verdict.PolicyID(p)] = map[verdict.Outcome]int64{}
		}
		out[verdict.PolicyID(p)][verdict.Outcome(o)] = n
		return nil
	})
	return out, err
}

// SetReads replaces what a policy read for its verdict on a resource.
func (tx *Tx) SetReads(policy verdict.PolicyID, resource int64, reads []verdict.Read) error {
	if err := tx.run(`DELETE FROM reads WHERE policy = ? AND resource = ?`, string(policy), resource); err != nil {
		return err
	}
	for _, r := range reads {
		row, err := tx.nextID("reads", "row")
		if err != nil {
			return err
		}
		err = tx.run(`INSERT INTO reads (row, policy, resource, target_type, target_id) VALUES (?, ?, ?, ?, ?) ON CONFLICT (policy, resource, target_type, target_id) DO NOTHING`,
			row, string(policy), resource, r.ResourceType, r.ResourceID)
		if err != nil {
			return err
		}
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

// Dependents returns whose verdicts rest on a resource, or on all of its type, after a row.
func (tx *Tx) Dependents(resourceType, id string, after int64, limit int) ([]Dependent, error) {
	var out []Dependent
	err := tx.each(`SELECT row, policy, resource, target_id FROM reads WHERE target_type = ? AND target_id IN (?, '') AND row > ? ORDER BY row LIMIT ?`,
		[]any{resourceType, id, after, limit}, func(r *sql.Rows) error {
			var d Dependent
			var policy, target string
			if err := r.Scan(&d.Row, &policy, &d.Resource, &target); err != nil {
				return err
			}
			d.Policy, d.All = verdict.PolicyID(policy), target == ""
			out = append(out, d)
			return nil
		})
	return out, err
}

// Work is a pair that is to be judged again.
type Work struct {
	Policy   verdict.PolicyID
	Resource int64
	Reason   string
	Due      time.Time
}

// AddWork writes work down; a pair that waits already keeps the earlier time.
func (tx *Tx) AddWork(work []Work) error {
	for _, w := range work {
		err := tx.run(`INSERT INTO work (policy, resource, due, reason) VALUES (?, ?, ?, ?)
			ON CONFLICT (policy, resource) DO UPDATE SET due = CASE WHEN excluded.due < work.due THEN excluded.due ELSE work.due END`, string(w.Policy), w.Resource, micros(w.Due), w.Reason)
		if err != nil {
			return err
		}
	}
	return nil
}

// NextWork returns work that is due, oldest first.
func (tx *Tx) NextWork(now time.Time, limit int) ([]Work, error) {
	var out []Work
	err := tx.each(`SELECT policy, resource, due, reason FROM work WHERE due <= ? ORDER BY due LIMIT ?`, []any{micros(now), limit}, func(r *sql.Rows) error {
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
	return out, err
}

// FinishWork forgets work, unless it was written down anew meanwhile for another time.
func (tx *Tx) FinishWork(work []Work) error {
	for _, w := range work {
		if err := tx.run(`DELETE FROM work WHERE policy = ? AND resource = ? AND due = ?`, string(w.Policy), w.Resource, micros(w.Due)); err != nil {
			return err
		}
	}
	return nil
}

// CountWork returns how many pairs wait.
func (tx *Tx) CountWork() (n int64, err error) {
	_, err = tx.one(`SELECT count(*) FROM work`, nil, &n)
	return n, err
}
