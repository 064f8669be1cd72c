package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// GapState is a gap as its history has it; To is zero while it lasts.
type GapState struct {
	Instance record.Instance `json:"instance"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to,omitzero"`
	Reason   string          `json:"reason"`
}

// GapsAfter returns the states of gaps after a number that are not drained, in order.
func (tx *Tx) GapsAfter(after int64, limit int) ([]HistoryRow[GapState], error) {
	return states[GapState](tx, gapHistory, after, limit)
}

func (tx *Tx) addGapState(inst record.Instance, g record.Gap) error {
	body, err := tx.packJSON("gap", GapState{inst, g.From.UTC(), g.To.UTC(), g.Reason})
	if err != nil {
		return err
	}
	at := micros(g.From)
	if !g.To.IsZero() {
		at = micros(g.To)
	}
	return tx.addHistory(gapHistory, at, body)
}

// AddGap notes a time in which an instance may have missed something. A gap whose end is known closes
// the ones that last and began before its end; where there are none it is written as it is.
func (tx *Tx) AddGap(inst record.Instance, g record.Gap) error {
	if !g.To.IsZero() {
		if n, err := tx.CloseGaps(inst, g.To); err != nil || n > 0 {
			return err
		}
	}
	number, err := tx.nextID("gaps", "number")
	if err != nil {
		return err
	}
	err = tx.run(`INSERT INTO gaps (number, instance, from_at, to_at, reason) VALUES (?, ?, ?, ?, ?)`, number, string(inst), micros(g.From), micros(g.To), g.Reason)
	if err != nil {
		return fmt.Errorf("write gap of %s: %w", inst, err)
	}
	return tx.addGapState(inst, g)
}

// CloseGaps ends the gaps of an instance that last and began before a time, and returns how many.
func (tx *Tx) CloseGaps(inst record.Instance, to time.Time) (int64, error) {
	var open []record.Gap
	err := tx.each(`SELECT from_at, reason FROM gaps WHERE instance = ? AND to_at = 0 AND from_at <= ? ORDER BY number`, []any{string(inst), micros(to)}, func(r *sql.Rows) error {
		g := record.Gap{To: to}
		var from int64
		err := r.Scan(&from, &g.Reason)
		g.From = fromMicros(from)
		open = append(open, g)
		return err
	})
	if err != nil || len(open) == 0 {
		return 0, err
	}
	for _, g := range open {
		if err := tx.addGapState(inst, g); err != nil {
			return 0, err
		}
	}
	n, err := tx.exec(`UPDATE gaps SET to_at = ? WHERE instance = ? AND to_at = 0 AND from_at <= ?`, micros(to), string(inst), micros(to))
	if err != nil {
		return 0, fmt.Errorf("close gaps of %s: %w", inst, err)
	}
	return n, nil
}

// GapRow is a recorded gap.
type GapRow struct {
	Instance record.Instance
	record.Gap
}

// Gaps returns gaps that last or ended after since, newest first, at most 1,000.
func (tx *Tx) Gaps(since time.Time) ([]GapRow, error) {
	var out []GapRow
	err := tx.each(`SELECT instance, from_at, to_at, reason FROM gaps WHERE to_at = 0 OR to_at >= ? ORDER BY from_at DESC, number DESC LIMIT 1000`, []any{micros(since)}, func(r *sql.Rows) error {
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
