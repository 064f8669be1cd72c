package store

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// VerdictChange is a verdict that came to be another than before: its outcome, reason or denials.
type VerdictChange struct {
	// Number counts changes in the order in which they were committed.
	Number   int64
	Resource int64
	// At is from when the verdict holds: the capture time of the version that was judged where that was
	// new, otherwise when it was judged anew. Received is when it was committed.
	At, Received time.Time
	// Version is the number of the item version that was judged, 0 where the policy was removed.
	Version int64
	// Verdict has the outcome verdict.Removed where the policy was.
	Verdict verdict.Verdict
}

// saysAnother reports whether a verdict differs in what it says; what it was read from may differ without.
func saysAnother(was, now *verdictCode) (bool, error) {
	if was.outcome != now.outcome {
		return true, nil
	}
	if bytes.Equal(was.rest, now.rest) {
		return false, nil
	}
	var said [2]struct {
		Denials json.RawMessage `json:"d"`
		Reason  string          `json:"r"`
	}
	for i, rest := range [][]byte{was.rest, now.rest} {
		if len(rest) > 0 {
			if err := json.Unmarshal(rest, &said[i]); err != nil {
				return false, err
			}
		}
	}
	return said[0].Reason != said[1].Reason || !bytes.Equal(said[0].Denials, said[1].Denials), nil
}

// addVerdictChanges notes verdicts that changed together.
func (tx *Tx) addVerdictChanges(resource, version int64, at time.Time, changed []verdictCode) error {
	const name = "verdict_changes"
	if _, known := tx.s.ids[name]; !known {
		var top, drained sql.NullInt64
		if _, err := tx.one(`SELECT max(number + count - 1) FROM verdict_changes`, nil, &top); err != nil {
			return err
		}
		if _, err := tx.one(`SELECT number FROM lake_drained WHERE name = 'verdicts'`, nil, &drained); err != nil {
			return err
		}
		tx.s.ids[name] = max(top.Int64, drained.Int64)
	}
	first := tx.s.ids[name] + 1
	err := tx.run(`INSERT INTO verdict_changes (number, resource, at, received, version, count, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		first, resource, micros(at), tx.committing(), version, len(changed), encodeVerdicts(changed))
	if err != nil {
		return fmt.Errorf("write history of verdicts: %w", err)
	}
	tx.s.ids[name] += int64(len(changed))
	return nil
}

// verdictChangeRow is a row as it is stored.
type verdictChangeRow struct {
	number, resource, at, received, version int64
	body                                    []byte
	subject                                 verdict.Subject
}

const selectVerdictChanges = `SELECT c.number, c.resource, c.at, c.received, c.version, c.body, r.account, r.region, r.resource_type, r.resource_id
	FROM verdict_changes c JOIN resources r ON r.id = c.resource `

func (tx *Tx) verdictChangeRows(where string, args ...any) ([]verdictChangeRow, error) {
	var rows []verdictChangeRow
	err := tx.each(selectVerdictChanges+where, args, func(r *sql.Rows) error {
		var c verdictChangeRow
		err := r.Scan(&c.number, &c.resource, &c.at, &c.received, &c.version, &c.body, &c.subject.AccountID, &c.subject.Region, &c.subject.ResourceType, &c.subject.ResourceID)
		rows = append(rows, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read history of verdicts: %w", err)
	}
	return rows, nil
}

// open takes a row apart.
func (c *verdictChangeRow) open(tx *Tx) ([]VerdictChange, error) {
	codes, err := decodeVerdicts(c.body)
	if err != nil {
		return nil, fmt.Errorf("%w: history of verdicts, %d: %w", ErrCorrupt, c.number, err)
	}
	out := make([]VerdictChange, len(codes))
	for i := range codes {
		terms, err := tx.termsByID(codes[i].terms)
		if err != nil {
			return nil, err
		}
		v, err := codes[i].open(terms)
		if err != nil {
			return nil, fmt.Errorf("%w: history of verdicts, %d: %w", ErrCorrupt, c.number, err)
		}
		v.Subject = c.subject
		out[i] = VerdictChange{Number: c.number + int64(i), Resource: c.resource, At: fromMicros(c.at), Received: fromMicros(c.received), Version: c.version, Verdict: v}
	}
	return out, nil
}

// VerdictChanges returns changes after a number, in order, about limit of them: those that were committed
// together come together.
func (tx *Tx) VerdictChanges(after int64, limit int) ([]VerdictChange, error) {
	// Rows are about as many as resources; after is the last number of one.
	rows, err := tx.verdictChangeRows(`WHERE c.number > ? ORDER BY c.number LIMIT ?`, after, limit)
	if err != nil {
		return nil, err
	}
	var out []VerdictChange
	for i := range rows {
		if len(out) >= limit {
			break
		}
		all, err := rows[i].open(tx)
		if err != nil {
			return nil, err
		}
		out = append(out, all...)
	}
	return out, nil
}

// VerdictHistory returns the changes of verdicts on a resource from before a time, the last first, those of
// about limit commits; all of one time come together.
func (tx *Tx) VerdictHistory(resource int64, before time.Time, limit int) ([]VerdictChange, error) {
	rows, err := tx.verdictChangeRows(`WHERE c.resource = ? AND c.at < ? AND c.at >= coalesce((SELECT d.at FROM verdict_changes d WHERE d.resource = ? AND d.at < ?
		ORDER BY d.at DESC LIMIT 1 OFFSET ?), 0) ORDER BY c.at DESC, c.number DESC`, resource, micros(before), resource, micros(before), pageLimit(limit)-1)
	var out []VerdictChange
	for i := range rows {
		if err != nil {
			break
		}
		var all []VerdictChange
		all, err = rows[i].open(tx)
		slices.Reverse(all)
		out = append(out, all...)
	}
	return out, err
}

// VerdictsAt returns the verdicts on a resource as they were at a time, by policy, from what was known by
// another; where known is zero that is all.
func (tx *Tx) VerdictsAt(resource int64, at, known time.Time) ([]verdict.Verdict, error) {
	rows, err := tx.verdictChangeRows(`WHERE c.resource = ? ORDER BY c.number`, resource)
	if err != nil {
		return nil, err
	}
	return tx.inForceAt(rows, at, known)
}

// inForceAt returns the verdicts that rows of one resource leave in force.
func (tx *Tx) inForceAt(rows []verdictChangeRow, at, known time.Time) ([]verdict.Verdict, error) {
	last := map[verdict.PolicyID]VerdictChange{}
	for i := range rows {
		c := &rows[i]
		if c.at > at.UnixMicro() || !known.IsZero() && c.received > known.UnixMicro() {
			continue
		}
		all, err := c.open(tx)
		if err != nil {
			return nil, err
		}
		for _, ch := range all {
			// What was told of later may have happened before.
			if was, ok := last[ch.Verdict.Policy]; !ok || !ch.At.Before(was.At) {
				last[ch.Verdict.Policy] = ch
			}
		}
	}
	var out []verdict.Verdict
	for _, policy := range slices.SortedFunc(maps.Keys(last), comparePolicies) {
		if v := last[policy].Verdict; v.Outcome != verdict.Removed {
			out = append(out, v)
		}
	}
	return out, nil
}

// WalkVerdictsAt calls fn with the verdicts on each resource after one that has any, as they were at a
// time; see VerdictsAt. It ends when fn says that it is enough.
func (tx *Tx) WalkVerdictsAt(after int64, at, known time.Time, fn func(resource int64, all []verdict.Verdict) (enough bool, err error)) error {
	for {
		var ids []int64
		err := tx.each(`SELECT DISTINCT resource FROM verdict_changes WHERE resource > ? ORDER BY resource LIMIT 500`, []any{after}, func(r *sql.Rows) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		rows, err := tx.verdictChangeRows(`WHERE c.resource > ? AND c.resource <= ? ORDER BY c.resource, c.number`, after, ids[len(ids)-1])
		if err != nil {
			return err
		}
		for len(rows) > 0 {
			resource, n := rows[0].resource, 1
			for n < len(rows) && rows[n].resource == resource {
				n++
			}
			all, err := tx.inForceAt(rows[:n], at, known)
			rows = rows[n:]
			if err != nil {
				return err
			}
			if len(all) > 0 {
				if enough, err := fn(resource, all); enough || err != nil {
					return err
				}
			}
		}
		after = ids[len(ids)-1]
		if err := tx.ctx.Err(); err != nil {
			return err
		}
	}
}

// retainVerdicts removes changes that are in the lake, were committed before a time, and had been
// superseded by then. It goes by resources: fewer than retainChunk say that none are left.
func (tx *Tx) retainVerdicts(before int64) (int64, error) {
	var old []verdictChangeRow
	old, err := tx.verdictChangeRows(`WHERE c.received < ? AND c.number + c.count - 1 <= (SELECT coalesce(max(number), 0) FROM lake_drained WHERE name = 'verdicts')
		AND EXISTS (SELECT 1 FROM verdict_changes d WHERE d.resource = c.resource AND d.number > c.number AND d.received < ?)
		AND c.number > ? ORDER BY c.number LIMIT ?`, before, before, tx.s.verdictsRetained, retainChunk)
	if err != nil {
		return 0, err
	}
	for i := range old {
		c := &old[i]
		later, err := tx.verdictChangeRows(`WHERE c.resource = ? AND c.number > ? AND c.received < ? AND c.at >= ? ORDER BY c.number`, c.resource, c.number, before, c.at)
		if err != nil {
			return 0, err
		}
		superseded := map[verdict.PolicyID]bool{}
		for j := range later {
			all, err := later[j].open(tx)
			if err != nil {
				return 0, err
			}
			for _, ch := range all {
				superseded[ch.Verdict.Policy] = true
			}
		}
		all, err := c.open(tx)
		if err != nil {
			return 0, err
		}
		if !slices.ContainsFunc(all, func(ch VerdictChange) bool { return !superseded[ch.Verdict.Policy] }) {
			if err := tx.run(`DELETE FROM verdict_changes WHERE number = ?`, c.number); err != nil {
				return 0, err
			}
		}
	}
	// What stays must not be looked at again in this round.
	was := tx.s.verdictsRetained
	tx.s.verdictsRetained = 0
	if len(old) == retainChunk {
		tx.s.verdictsRetained = old[len(old)-1].number
	}
	tx.onRollback = append(tx.onRollback, func() { tx.s.verdictsRetained = was })
	return int64(len(old)), nil
}
