package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// AlarmKey names one key of an alarm policy.
type AlarmKey struct {
	Policy  verdict.PolicyID
	Account string
	Key     string
}

// MatchRow is one kept match of a key; At is in microseconds since 1970.
type MatchRow struct {
	At    int64
	Event string
	Value string
}

// AlarmKey returns the state of a key and its matches in order; a nil state says that the key is new.
func (tx *Tx) AlarmKey(k AlarmKey) (state []byte, matches []MatchRow, err error) {
	var id int64
	ok, err := tx.one(`SELECT id, state FROM alarm_keys WHERE policy = ? AND account = ? AND name = ?`, []any{string(k.Policy), k.Account, k.Key}, &id, &state)
	if err != nil || !ok {
		return nil, nil, err
	}
	if state == nil {
		state = []byte{}
	}
	err = tx.each(`SELECT at, event, value FROM alarm_matches WHERE alarm_key = ? ORDER BY at, event, value`, []any{id}, func(r *sql.Rows) error {
		var m MatchRow
		err := r.Scan(&m.At, &m.Event, &m.Value)
		matches = append(matches, m)
		return err
	})
	return state, matches, err
}

// PutAlarmKey writes the state of a key, adds a match where one is given, and lets go of the matches
// up to the time trimmed, where that is not 0. now is when this happened.
func (tx *Tx) PutAlarmKey(k AlarmKey, state []byte, newest int64, now time.Time, add *MatchRow, trimmed int64) error {
	if state == nil {
		state = []byte{}
	}
	var id int64
	ok, err := tx.one(`SELECT id FROM alarm_keys WHERE policy = ? AND account = ? AND name = ?`, []any{string(k.Policy), k.Account, k.Key}, &id)
	if err != nil {
		return fmt.Errorf("write alarm key of %s: %w", k.Policy, err)
	}
	if ok {
		err = tx.run(`UPDATE alarm_keys SET state = ?, newest = ?, updated = ? WHERE id = ?`, state, newest, micros(now), id)
	} else if id, err = tx.nextID("alarm_keys", "id"); err == nil {
		err = tx.run(`INSERT INTO alarm_keys (id, policy, account, name, state, newest, updated) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			id, string(k.Policy), k.Account, k.Key, state, newest, micros(now))
	}
	if err == nil && add != nil {
		err = tx.run(`INSERT INTO alarm_matches (alarm_key, at, event, value) VALUES (?, ?, ?, ?) ON CONFLICT (alarm_key, at, event, value) DO NOTHING`, id, add.At, add.Event, add.Value)
	}
	if err == nil && trimmed != 0 {
		err = tx.run(`DELETE FROM alarm_matches WHERE alarm_key = ? AND at <= ?`, id, trimmed)
	}
	if err != nil {
		return fmt.Errorf("write alarm key of %s: %w", k.Policy, err)
	}
	return nil
}

// CountKeys returns how many keys of a policy are kept.
func (tx *Tx) CountKeys(policy verdict.PolicyID) (n int, err error) {
	_, err = tx.one(`SELECT count(*) FROM alarm_keys WHERE policy = ?`, []any{string(policy)}, &n)
	return n, err
}

// PruneKeys lets go of the keys of a policy whose newest match is older than newest, in microseconds,
// and that have not changed since updated. It returns how many.
func (tx *Tx) PruneKeys(policy verdict.PolicyID, newest int64, updated time.Time) (int64, error) {
	const which = ` FROM alarm_keys WHERE policy = ? AND newest < ? AND updated < ?`
	args := []any{string(policy), newest, micros(updated)}
	if err := tx.run(`DELETE FROM alarm_matches WHERE alarm_key IN (SELECT id`+which+`)`, args...); err != nil {
		return 0, fmt.Errorf("let go of keys of %s: %w", policy, err)
	}
	n, err := tx.exec(`DELETE`+which, args...)
	if err != nil {
		return 0, fmt.Errorf("let go of keys of %s: %w", policy, err)
	}
	return n, nil
}
