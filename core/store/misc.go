package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// Meta returns a named value, nil where there is none.
func (tx *Tx) Meta(key string) ([]byte, error) {
	var b []byte
	ok, err := tx.one(`SELECT value FROM meta WHERE key = ?`, []any{key}, &b)
	if !ok {
		return nil, err
	}
	return b, err
}

// SetMeta writes a named value; nil removes it.
func (tx *Tx) SetMeta(key string, value []byte) error {
	if value == nil {
		return tx.run(`DELETE FROM meta WHERE key = ?`, key)
	}
	return tx.run(`INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
}

// Cursor returns the cursor of an instance's last committed checkpoint, nil where there is none.
func (tx *Tx) Cursor(inst record.Instance) ([]byte, error) {
	var b []byte
	ok, err := tx.one(`SELECT cursor FROM cursors WHERE instance = ?`, []any{string(inst)}, &b)
	if !ok {
		return nil, err
	}
	return b, err
}

// SetCursor writes an instance's cursor.
func (tx *Tx) SetCursor(inst record.Instance, cursor []byte) error {
	if cursor == nil {
		cursor = []byte{}
	}
	return tx.run(`INSERT INTO cursors (instance, cursor) VALUES (?, ?) ON CONFLICT (instance) DO UPDATE SET cursor = excluded.cursor`, string(inst), cursor)
}

// AddGap notes a time in which an instance may have missed something. A gap whose end is known closes
// the open one that began at or before it.
func (tx *Tx) AddGap(inst record.Instance, g record.Gap) error {
	if !g.To.IsZero() {
		res, err := tx.exec(`UPDATE gaps SET to_at = ? WHERE instance = ? AND to_at = 0 AND from_at <= ?`, micros(g.To), string(inst), micros(g.To))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
	}
	row, err := tx.nextID("gaps", "row")
	if err != nil {
		return err
	}
	return tx.run(`INSERT INTO gaps (row, instance, from_at, to_at, reason) VALUES (?, ?, ?, ?, ?)`, row, string(inst), micros(g.From), micros(g.To), g.Reason)
}

// GapRow is a recorded gap.
type GapRow struct {
	Instance record.Instance
	record.Gap
}

// Gaps returns gaps that last or ended after since, newest first.
func (tx *Tx) Gaps(since time.Time) ([]GapRow, error) {
	var out []GapRow
	err := tx.each(`SELECT instance, from_at, to_at, reason FROM gaps WHERE to_at = 0 OR to_at >= ? ORDER BY from_at DESC LIMIT 1000`, []any{micros(since)}, func(r *sql.Rows) error {
		var g GapRow
		var inst string
		var from, to int64
		if err := r.Scan(&inst, &from, &to, &g.Reason); err != nil {
			return err
		}
		g.Instance, g.From, g.To = record.Instance(inst), fromMicros(from), fromMicros(to)
		out = append(out, g)
		return nil
	})
	return out, err
}

// AddQuarantine writes refused records.
func (tx *Tx) AddQuarantine(inst record.Instance, received time.Time, rows []record.Quarantined) error {
	for _, q := range rows {
		row, err := tx.nextID("quarantine", "row")
		if err != nil {
			return err
		}
		b := q.Bytes
		if b == nil {
			b = []byte{}
		}
		if err := tx.run(`INSERT INTO quarantine (row, instance, received, kind, reason, origin, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			row, string(inst), micros(received), q.Kind.String(), q.Reason, q.Origin, b); err != nil {
			return err
		}
	}
	return nil
}

// QuarantineRow is a refused record.
type QuarantineRow struct {
	Row      int64
	Instance record.Instance
	Received time.Time
	Kind     string
	Reason   string
	Origin   string
	Bytes    []byte
}

// Quarantine returns refused records below a row, newest first; 0 for the first page.
func (tx *Tx) Quarantine(before int64, limit int) ([]QuarantineRow, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	var out []QuarantineRow
	err := tx.each(`SELECT row, instance, received, kind, reason, origin, bytes FROM quarantine WHERE row < ? ORDER BY row DESC LIMIT ?`, []any{before, limit}, func(r *sql.Rows) error {
		var q QuarantineRow
		var inst string
		var received int64
		if err := r.Scan(&q.Row, &inst, &received, &q.Kind, &q.Reason, &q.Origin, &q.Bytes); err != nil {
			return err
		}
		q.Instance, q.Received = record.Instance(inst), fromMicros(received)
		out = append(out, q)
		return nil
	})
	return out, err
}

// Retention says how long things are kept; zero means for ever.
type Retention struct {
	// Events are kept by when their batch was received.
	Events time.Duration
	// Versions beyond this age go, but for the one that was in force then and all after it.
	Versions time.Duration
	// Quarantine, Deliveries (ended ones) and Episodes (ended ones).
	Quarantine, Deliveries, Episodes time.Duration
}

// retainChunk bounds one transaction of Retain.
const retainChunk = 1000

// Retain removes what is older than the retention, in small transactions, and returns how many rows
// went.
func (s *Store) Retain(ctx context.Context, r Retention, now time.Time) (int64, error) {
	type rule struct {
		keep  time.Duration
		query string
	}
	rules := []rule{
		{r.Events, `DELETE FROM journal WHERE seq IN (SELECT seq FROM journal WHERE received < ? ORDER BY received LIMIT ?)`},
		{r.Versions, `DELETE FROM versions WHERE number IN (
			SELECT v.number FROM versions v JOIN resources r ON r.id = v.resource
			WHERE v.captured < ?1 AND v.number <> r.version AND EXISTS (
				SELECT 1 FROM versions n WHERE n.resource = v.resource AND n.captured < ?1 AND (n.captured > v.captured OR n.captured = v.captured AND n.number > v.number))
			LIMIT ?2)`},
		{r.Quarantine, `DELETE FROM quarantine WHERE row IN (SELECT row FROM quarantine WHERE received < ? ORDER BY received LIMIT ?)`},
		{r.Deliveries, `DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries WHERE state <> 'pending' AND changed < ? LIMIT ?)`},
		{r.Episodes, `DELETE FROM episodes WHERE id IN (SELECT id FROM episodes WHERE due = 0 AND started < ? LIMIT ?)`},
	}
	var total int64
	for _, rule := range rules {
		if rule.keep <= 0 {
			continue
		}
		for {
			var n int64
			err := s.Update(ctx, func(tx *Tx) error {
				res, err := tx.exec(rule.query, micros(now.Add(-rule.keep)), retainChunk)
				if err != nil {
					return err
				}
				n, err = res.RowsAffected()
				return err
			})
			if err != nil {
				return total, fmt.Errorf("remove what is past its retention: %w", err)
			}
			total += n
			if n < retainChunk {
				break
			}
		}
	}
	return total, s.Update(ctx, func(*Tx) error { s.dups.expire(now); return nil })
}

// TrimChanges removes changes up to a number, which routing has taken in.
func (tx *Tx) TrimChanges(upTo int64, limit int) (int64, error) {
	res, err := tx.exec(`DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE seq <= ? ORDER BY seq LIMIT ?)`, upTo, limit)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
