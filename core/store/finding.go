package store

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/regent-dev/regent/core/verdict"
)

// ResourceFinding is a finding with its place in the store.
type ResourceFinding struct {
	// Row orders findings by when they were opened; one that is opened again gets another.
	Row      int64
	Resource int64
	verdict.Finding
}

// Finding returns the finding of a policy on a resource, nil where there never was one.
func (tx *Tx) Finding(policy verdict.PolicyID, resource int64) (*verdict.Finding, error) {
	all, err := tx.findings(tx.each, ` WHERE policy = ? AND resource = ?`, string(policy), resource)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0].Finding, err
}

// FindingByID returns a finding by its id, nil where there is none.
func (tx *Tx) FindingByID(id string) (*ResourceFinding, error) {
	all, err := tx.findings(tx.each, ` WHERE id = ?`, id)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// FindingsOf returns the findings of a policy in the order of their resources after one.
func (tx *Tx) FindingsOf(policy verdict.PolicyID, after int64, limit int) ([]ResourceFinding, error) {
	return tx.findings(tx.each, ` WHERE policy = ? AND resource > ? ORDER BY resource LIMIT ?`, string(policy), after, limit)
}

// FindingsOn returns the findings on a resource.
func (tx *Tx) FindingsOn(resource int64) ([]ResourceFinding, error) {
	return tx.findings(tx.each, ` WHERE resource = ? ORDER BY policy`, resource)
}

// OpenFindings returns open findings after a row.
func (tx *Tx) OpenFindings(after int64, limit int) ([]ResourceFinding, error) {
	return tx.findings(tx.each, ` WHERE status = 'OPEN' AND place > ? ORDER BY place LIMIT ?`, after, limit)
}

// reading is tx.each or tx.search.
type reading func(query string, args []any, fn func(*sql.Rows) error) error

func (tx *Tx) findings(read reading, where string, args ...any) ([]ResourceFinding, error) {
	var out []ResourceFinding
	var bodies [][]byte
	err := read(`SELECT place, resource, body FROM findings`+where, args, func(r *sql.Rows) error {
		var f ResourceFinding
		var body []byte
		err := r.Scan(&f.Row, &f.Resource, &body)
		out, bodies = append(out, f), append(bodies, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	for i, packed := range bodies {
		if err := tx.unpackJSON(packed, &out[i].Finding); err != nil {
			return nil, fmt.Errorf("read finding %d: %w", out[i].Row, err)
		}
	}
	return out, nil
}

// packJSON writes a value as a body of a kind.
func (tx *Tx) packJSON(kind string, v any) ([]byte, error) {
	body, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return tx.pack(kind, body)
}

// unpackJSON reads what packJSON wrote.
func (tx *Tx) unpackJSON(packed []byte, to any) error {
	body, err := tx.unpack(packed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// PutFinding writes the finding of a policy on a resource, which must be stored, and the state it came
// into to its history.
func (tx *Tx) PutFinding(resource int64, f verdict.Finding) error {
	body, err := tx.packJSON("finding", f)
	if err != nil {
		return fmt.Errorf("write finding %s: %w", f.ID, err)
	}
	changed := f.LastSeen
	if f.ResolvedAt != nil {
		changed = *f.ResolvedAt
	}
	var place int64
	var status string
	known, err := tx.one(`SELECT place, status FROM findings WHERE policy = ? AND resource = ?`, []any{string(f.Policy), resource}, &place, &status)
	if err != nil {
		return fmt.Errorf("write finding %s: %w", f.ID, err)
	}
	next := place
	if !known || status != string(verdict.Open) && f.Status == verdict.Open {
		if next, err = tx.nextID("findings", "place"); err != nil {
			return err
		}
	}
	if known {
		err = tx.run(`UPDATE findings SET place = ?, id = ?, status = ?, outcome = ?, severity = ?, waiver = ?, changed = ?, body = ? WHERE place = ?`,
			next, f.ID, string(f.Status), string(f.Outcome), string(f.Severity), f.Waiver, micros(changed), body, place)
	} else {
		err = tx.run(`INSERT INTO findings (place, id, policy, resource, status, outcome, severity, account, resource_type, resource_id, waiver, changed, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, next, f.ID, string(f.Policy), resource, string(f.Status), string(f.Outcome),
			string(f.Severity), f.Subject.AccountID, f.Subject.ResourceType, f.Subject.ResourceID, f.Waiver, micros(changed), body)
	}
	if err == nil {
		err = tx.addHistory(findingHistory, micros(changed), body)
	}
	if err != nil {
		return fmt.Errorf("write finding %s: %w", f.ID, err)
	}
	return nil
}

// FindingFilter chooses findings. Empty fields match anything; Policy, Type and Resource may hold "*"
// and "?".
type FindingFilter struct {
	Status, Outcome, Severity, Policy, Type, Resource, Account string
	// Waived chooses waived findings or those that are not.
	Waived *bool
	// Text must stand somewhere in the finding, whatever the case.
	Text string
	// Before goes on below a row; 0 for the first page.
	Before int64
	// Limit is how many findings a page has, 100 where it is 0.
	Limit int
}

// Findings returns matching findings, the last opened first.
func (tx *Tx) Findings(f FindingFilter) ([]ResourceFinding, error) {
	var w where
	w.equal("status", f.Status)
	w.equal("outcome", f.Outcome)
	w.equal("severity", f.Severity)
	w.equal("account", f.Account)
	w.glob("policy", f.Policy)
	w.glob("resource_type", f.Type)
	w.glob("resource_id", f.Resource)
	if f.Waived != nil {
		w.add(map[bool]string{true: `waiver <> ''`, false: `waiver = ''`}[*f.Waived])
	}
	limit, text := pageLimit(f.Limit), NewText(f.Text)
	return pages(limit, f.Before, w, "place", func(clause string, args []any) ([]ResourceFinding, error) {
		return tx.findings(tx.search, clause+` ORDER BY place DESC LIMIT ?`, append(args, limit)...)
	}, func(r *ResourceFinding) (int64, bool, error) {
		keep, err := text.inValue(&r.Finding)
		return r.Row, keep, err
	})
}

// inValue reports whether the text stands in a value's JSON.
func (t *Text) inValue(v any) (bool, error) {
	if len(t.folded) == 0 {
		return true, nil
	}
	b, err := marshal(v)
	return err == nil && t.In(b), err
}

// pages reads rows below a number, newest first, until a page is full of those to be kept. look
// returns a row's number and whether to keep it.
func pages[T any](limit int, below int64, w where, column string, read func(clause string, args []any) ([]T, error), look func(*T) (int64, bool, error)) ([]T, error) {
	var out []T
	for {
		page := w.clone()
		if below > 0 {
			page.add(column+` < ?`, below)
		}
		found, err := read(page.String(), page.args)
		if err != nil {
			return nil, err
		}
		for i := range found {
			number, keep, err := look(&found[i])
			if err != nil {
				return nil, err
			}
			below = number
			if !keep {
				continue
			}
			if out = append(out, found[i]); len(out) == limit {
				return out, nil
			}
		}
		if len(found) < limit {
			return out, nil
		}
	}
}

// CountFindings returns how many open findings there are by severity, waived ones apart under
// "waived".
func (tx *Tx) CountFindings() (map[string]int64, error) {
	out := map[string]int64{}
	err := tx.each(`SELECT severity, waiver <> '', count(*) FROM findings WHERE status = 'OPEN' GROUP BY severity, waiver <> ''`, nil, func(r *sql.Rows) error {
		var severity string
		var waived bool
		var n int64
		if err := r.Scan(&severity, &waived, &n); err != nil {
			return err
		}
		if waived {
			severity = "waived"
		}
		out[severity] += n
		return nil
	})
	return out, err
}
