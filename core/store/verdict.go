package store

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// The verdicts on a resource stand together in one row. Nearly every write and read is of all verdicts
// on one resource. BenchmarkVerdictLayout measures this against one row for each policy and resource
// with the same coding. For 100,000 resources and 20 policies, one in ten not compliant, a resource's
// verdicts take 590 bytes against 1,720, the first judgement 73 µs against 100, a change of all of them
// 65 µs against 170, a change of one 27 µs against 28, and reading them 33 µs against 62. What is lost is
// an index by policy: VerdictsOf walks over all rows, and counts are kept apart.

// Verdicts returns the current verdicts on a resource, by policy.
func (tx *Tx) Verdicts(resource int64) ([]verdict.Verdict, error) {
	body, subject, err := tx.verdictRow(resource)
	if err != nil || body == nil {
		return nil, err
	}
	return tx.openVerdicts(body, subject, "")
}

// verdictRow returns the stored verdicts on a resource and whom they are about.
func (tx *Tx) verdictRow(resource int64) (body []byte, s verdict.Subject, err error) {
	_, err = tx.one(`SELECT v.body, r.account, r.region, r.resource_type, r.resource_id FROM verdicts v JOIN resources r ON r.id = v.resource WHERE v.resource = ?`,
		[]any{resource}, &body, &s.AccountID, &s.Region, &s.ResourceType, &s.ResourceID)
	if err != nil {
		return nil, s, fmt.Errorf("read verdicts: %w", err)
	}
	return body, s, nil
}

// openVerdicts decodes a row, or what it holds of one policy.
func (tx *Tx) openVerdicts(body []byte, subject verdict.Subject, policy verdict.PolicyID) ([]verdict.Verdict, error) {
	rows, err := decodeVerdicts(body)
	if err != nil {
		return nil, fmt.Errorf("%w: verdicts on %s: %w", ErrCorrupt, subject, err)
	}
	out := make([]verdict.Verdict, 0, len(rows))
	for i := range rows {
		terms, err := tx.termsByID(rows[i].terms)
		if err != nil {
			return nil, err
		}
		if policy != "" && terms.policy != policy {
			continue
		}
		v, err := rows[i].open(terms)
		if err != nil {
			return nil, fmt.Errorf("%w: verdict of %s on %s: %w", ErrCorrupt, terms.policy, subject, err)
		}
		v.Subject = subject
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b verdict.Verdict) int { return comparePolicies(a.Policy, b.Policy) })
	return out, nil
}

func comparePolicies(a, b verdict.PolicyID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// outcomeOf is what verdicts are counted by.
type outcomeOf struct {
	policy  verdict.PolicyID
	outcome verdict.Outcome
}

func (tx *Tx) count(policy verdict.PolicyID, outcome verdict.Outcome, n int64) {
	if tx.counts == nil {
		tx.counts = map[outcomeOf]int64{}
	}
	tx.counts[outcomeOf{policy, outcome}] += n
}

// PutVerdicts replaces or adds verdicts on a resource, and removes those of policies. The resource must
// be stored; the verdicts' subject is that resource, whatever they say. No history is kept of it.
func (tx *Tx) PutVerdicts(resource int64, put []verdict.Verdict, remove []verdict.PolicyID) error {
	_, err := tx.putVerdicts(resource, put, remove)
	return err
}

// ChangeVerdicts replaces or adds verdicts on a resource, and keeps in the history those that say another
// thing than before. They were made on a version of the resource and hold from a time on.
func (tx *Tx) ChangeVerdicts(resource, version int64, at time.Time, put []verdict.Verdict) error {
	changed, err := tx.putVerdicts(resource, put, nil)
	if err != nil || len(changed) == 0 {
		return err
	}
	return tx.addVerdictChanges(resource, version, at, changed)
}

// putVerdicts does that, and returns the verdicts that say another thing than before or were removed.
func (tx *Tx) putVerdicts(resource int64, put []verdict.Verdict, remove []verdict.PolicyID) (changed []verdictCode, err error) {
	var body []byte
	if _, err := tx.one(`SELECT body FROM verdicts WHERE resource = ?`, []any{resource}, &body); err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	var rows []verdictCode
	if body != nil {
		if rows, err = decodeVerdicts(body); err != nil {
			return nil, fmt.Errorf("%w: verdicts on resource %d: %w", ErrCorrupt, resource, err)
		}
	}
	policies := make([]verdict.PolicyID, len(rows), len(rows)+len(put))
	for i := range rows {
		terms, err := tx.termsByID(rows[i].terms)
		if err != nil {
			return nil, err
		}
		policies[i] = terms.policy
	}
	for i := range put {
		v := &put[i]
		id, err := tx.termsID(termsOf(v))
		if err != nil {
			return nil, err
		}
		code, err := encodeVerdict(v, id)
		if err != nil {
			return nil, fmt.Errorf("write verdict of %s: %w", v.Policy, err)
		}
		delete(tx.s.forgetting, v.Policy)
		tx.count(v.Policy, v.Outcome, 1)
		if old := slices.Index(policies, v.Policy); old >= 0 {
			tx.count(v.Policy, rows[old].outcome, -1)
			another, err := saysAnother(&rows[old], &code)
			if err != nil {
				return nil, fmt.Errorf("%w: verdict of %s on resource %d: %w", ErrCorrupt, v.Policy, resource, err)
			}
			if another {
				changed = append(changed, code)
			}
			rows[old] = code
			continue
		}
		policies = append(policies, v.Policy)
		rows, changed = append(rows, code), append(changed, code)
	}
	for _, p := range remove {
		if i := slices.Index(policies, p); i >= 0 {
			tx.count(p, rows[i].outcome, -1)
			changed = append(changed, verdictCode{terms: rows[i].terms, outcome: verdict.Removed, at: tx.committing(), item: rows[i].item, previous: packDigest("")})
			policies, rows = slices.Delete(policies, i, i+1), slices.Delete(rows, i, i+1)
		}
	}
	if len(rows) == 0 {
		err = tx.run(`DELETE FROM verdicts WHERE resource = ?`, resource)
	} else {
		err = tx.run(`INSERT INTO verdicts (resource, body) VALUES (?, ?) ON CONFLICT (resource) DO UPDATE SET body = excluded.body`, resource, encodeVerdicts(rows))
	}
	if err != nil {
		return nil, fmt.Errorf("write verdicts: %w", err)
	}
	return changed, nil
}

// ResourceVerdict is a verdict with the resource's number.
type ResourceVerdict struct {
	Resource int64
	verdict.Verdict
}

// verdictPage is how many resources are looked at at once for the verdicts of a policy.
const verdictPage = 2000

// WalkVerdicts calls fn with the current verdicts on each resource after one that has any, in the order of
// the resources, until fn says that it is enough.
func (tx *Tx) WalkVerdicts(after int64, fn func(resource int64, all []verdict.Verdict) (enough bool, err error)) error {
	for {
		type row struct {
			resource int64
			body     []byte
			subject  verdict.Subject
		}
		var page []row
		err := tx.each(`SELECT v.resource, v.body, r.account, r.region, r.resource_type, r.resource_id
			FROM verdicts v JOIN resources r ON r.id = v.resource WHERE v.resource > ? ORDER BY v.resource LIMIT 500`, []any{after}, func(r *sql.Rows) error {
			var x row
			err := r.Scan(&x.resource, &x.body, &x.subject.AccountID, &x.subject.Region, &x.subject.ResourceType, &x.subject.ResourceID)
			page = append(page, x)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, x := range page {
			all, err := tx.openVerdicts(x.body, x.subject, "")
			if err != nil {
				return err
			}
			if enough, err := fn(x.resource, all); enough || err != nil {
				return err
			}
			after = x.resource
		}
		if err := tx.ctx.Err(); err != nil {
			return err
		}
	}
}

// VerdictsOf returns the verdicts of a policy in the order of their resources after one; an empty
// outcome is any. There is no index by policy: it walks over the verdicts on all resources.
func (tx *Tx) VerdictsOf(policy verdict.PolicyID, outcome verdict.Outcome, after int64, limit int) ([]ResourceVerdict, error) {
	var out []ResourceVerdict
	limit = pageLimit(limit)
	_, err := tx.walkVerdicts(policy, after, func(resource int64, body []byte, subject verdict.Subject) (bool, error) {
		found, err := tx.openVerdicts(body, subject, policy)
		for _, v := range found {
			if outcome == "" || v.Outcome == outcome {
				out = append(out, ResourceVerdict{resource, v})
			}
		}
		return len(out) < limit, err
	})
	return out, err
}

// walkVerdicts calls fn for every resource after one that has a verdict of the policy, until fn says
// that it is enough, and reports whether it came to the end.
func (tx *Tx) walkVerdicts(policy verdict.PolicyID, after int64, fn func(resource int64, body []byte, s verdict.Subject) (bool, error)) (bool, error) {
	ids, err := tx.termsOfPolicy(policy)
	if err != nil {
		return false, err
	}
	type row struct {
		resource int64
		body     []byte
		subject  verdict.Subject
	}
	for {
		var page []row
		n := 0
		err := tx.each(`SELECT v.resource, v.body, r.account, r.region, r.resource_type, r.resource_id
			FROM verdicts v JOIN resources r ON r.id = v.resource WHERE v.resource > ? ORDER BY v.resource LIMIT ?`, []any{after, verdictPage}, func(r *sql.Rows) error {
			var x row
			var body sql.RawBytes
			if err := r.Scan(&x.resource, &body, &x.subject.AccountID, &x.subject.Region, &x.subject.ResourceType, &x.subject.ResourceID); err != nil {
				return err
			}
			n++
			after = x.resource
			has, err := hasTerms(body, ids)
			if err != nil {
				return fmt.Errorf("%w: verdicts on %s: %w", ErrCorrupt, x.subject, err)
			}
			if has {
				x.body = slices.Clone(body)
				page = append(page, x)
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		for _, x := range page {
			if more, err := fn(x.resource, x.body, x.subject); err != nil || !more {
				return false, err
			}
		}
		if n < verdictPage {
			return true, nil
		}
		if err := tx.ctx.Err(); err != nil {
			return false, err
		}
	}
}

// ForgetPolicy removes the verdicts of a policy, and what it read, from at most limit resources, and
// returns from how many. Fewer than limit say that none are left.
func (tx *Tx) ForgetPolicy(policy verdict.PolicyID, limit int) (int, error) {
	// The walk goes on where the last call ended, as long as nobody adds verdicts meanwhile.
	places := tx.s.forgetting
	var resources []int64
	_, err := tx.walkVerdicts(policy, places[policy], func(resource int64, _ []byte, _ verdict.Subject) (bool, error) {
		resources = append(resources, resource)
		return len(resources) < limit, nil
	})
	if err != nil {
		return 0, err
	}
	for _, resource := range resources {
		changed, err := tx.putVerdicts(resource, nil, []verdict.PolicyID{policy})
		if err == nil && len(changed) > 0 {
			err = tx.addVerdictChanges(resource, 0, fromMicros(tx.committing()), changed)
		}
		if err != nil {
			return 0, err
		}
		if err := tx.SetReads(policy, resource, nil); err != nil {
			return 0, err
		}
		places[policy] = resource
	}
	if len(resources) < limit {
		delete(places, policy)
	}
	tx.onRollback = append(tx.onRollback, func() { delete(places, policy) })
	return len(resources), nil
}

// VerdictCounts returns how many verdicts of each outcome each policy has.
func (tx *Tx) VerdictCounts() (map[verdict.PolicyID]map[verdict.Outcome]int64, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
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
