package store

import (
	"database/sql"
	"fmt"

	"github.com/regent-dev/regent/core/verdict"
)

// AddChange appends a change to be routed and returns its number.
func (tx *Tx) AddChange(c verdict.Change) (int64, error) {
	seq, err := tx.nextID("changes", "seq")
	if err != nil {
		return 0, err
	}
	c.Seq = seq
	body, err := tx.packJSON("change", c)
	if err == nil {
		err = tx.run(`INSERT INTO changes (seq, at, body) VALUES (?, ?, ?)`, seq, micros(c.At), body)
	}
	if err != nil {
		return 0, fmt.Errorf("write change: %w", err)
	}
	return seq, nil
}

// Changes returns changes after a number, in order.
func (tx *Tx) Changes(after int64, limit int) ([]verdict.Change, error) {
	var bodies [][]byte
	err := tx.each(`SELECT body FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
		var body []byte
		err := r.Scan(&body)
		bodies = append(bodies, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	out := make([]verdict.Change, len(bodies))
	for i, packed := range bodies {
		if err := tx.unpackJSON(packed, &out[i]); err != nil {
			return nil, fmt.Errorf("read change: %w", err)
		}
	}
	return out, nil
}

// LastChange returns the number of the newest change, 0 where there is none.
func (tx *Tx) LastChange() (int64, error) {
	var n sql.NullInt64
	_, err := tx.one(`SELECT max(seq) FROM changes`, nil, &n)
	return n.Int64, err
}

// TrimChanges removes at most limit changes up to a number, which routing has taken in, and returns how
// many. The newest change stays, so that its number is not given out again.
func (tx *Tx) TrimChanges(upTo int64, limit int) (int64, error) {
	return tx.exec(`DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE seq <= ? AND seq < (SELECT max(seq) FROM changes) ORDER BY seq LIMIT ?)`, upTo, limit)
}
