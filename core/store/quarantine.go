package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// AddQuarantine writes refused records.
func (tx *Tx) AddQuarantine(inst record.Instance, received time.Time, rows []record.Quarantined) error {
	args := make([]any, 0, 7*len(rows))
	for _, q := range rows {
		number, err := tx.nextID("quarantine", "number")
		if err != nil {
			return err
		}
		b := q.Bytes
		if b == nil {
			b = []byte{}
		}
		args = append(args, number, string(inst), micros(received), q.Kind.String(), q.Reason, q.Origin, b)
	}
	if err := tx.insert(`INSERT INTO quarantine (number, instance, received, kind, reason, origin, bytes)`, 7, args, ""); err != nil {
		return fmt.Errorf("write quarantine: %w", err)
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
	err := tx.each(`SELECT number, instance, received, kind, reason, origin, bytes FROM quarantine WHERE number < ? ORDER BY number DESC LIMIT ?`, []any{before, pageLimit(limit)}, func(r *sql.Rows) error {
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
