package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// The tables of states that wait to be drained.
const (
	findingHistory  = "finding_history"
	episodeHistory  = "episode_history"
	deliveryHistory = "delivery_history"
	causeHistory    = "cause_history"
	gapHistory      = "gap_history"
)

// HistoryRow is a state that something came into.
type HistoryRow[T any] struct {
	// Number counts the states of this kind in the order in which they were committed.
	Number int64
	// At is when it happened, Received when it was committed.
	At, Received time.Time
	State        T
}

// addHistory notes a state; body is packed.
func (tx *Tx) addHistory(table string, at int64, body []byte) error {
	number, err := tx.nextHistory(table)
	if err == nil {
		err = tx.run(`INSERT INTO `+table+` (number, at, received, body) VALUES (?, ?, ?, ?)`, number, at, tx.committing(), body)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	return nil
}

// drainedName is the name of a table of states in lake_drained.
var drainedName = map[string]string{findingHistory: "findings", episodeHistory: "alarms", deliveryHistory: "deliveries", causeHistory: "causes", gapHistory: "gaps"}

// nextHistory gives the next number. What was drained is not in the table any more, so the number counts
// on from there.
func (tx *Tx) nextHistory(table string) (int64, error) {
	if _, known := tx.s.ids[table]; !known {
		var top, drained sql.NullInt64
		if _, err := tx.one(`SELECT max(number) FROM `+table, nil, &top); err != nil {
			return 0, err
		}
		if _, err := tx.one(`SELECT number FROM lake_drained WHERE name = ?`, []any{drainedName[table]}, &drained); err != nil {
			return 0, err
		}
		tx.s.ids[table] = max(top.Int64, drained.Int64)
	}
	return tx.nextID(table, "number")
}

// committing is the time of the transaction.
func (tx *Tx) committing() int64 {
	if tx.at == 0 {
		tx.at = tx.s.now().UnixMicro()
	}
	return tx.at
}

func (tx *Tx) trimHistory(table string, upTo int64) error {
	if err := tx.run(`DELETE FROM `+table+` WHERE number <= ?`, upTo); err != nil {
		return fmt.Errorf("trim %s: %w", table, err)
	}
	return nil
}

func states[T any](tx *Tx, table string, after int64, limit int) ([]HistoryRow[T], error) {
	var out []HistoryRow[T]
	var bodies [][]byte
	err := tx.each(`SELECT number, at, received, body FROM `+table+` WHERE number > ? ORDER BY number LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
		var h HistoryRow[T]
		var at, received int64
		var body []byte
		err := r.Scan(&h.Number, &at, &received, &body)
		h.At, h.Received = fromMicros(at), fromMicros(received)
		out, bodies = append(out, h), append(bodies, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	for i, body := range bodies {
		if err := tx.unpackJSON(body, &out[i].State); err != nil {
			return nil, fmt.Errorf("read %s %d: %w", table, out[i].Number, err)
		}
	}
	return out, nil
}

// FindingsAfter returns the states of findings after a number that are not drained, in order.
func (tx *Tx) FindingsAfter(after int64, limit int) ([]HistoryRow[verdict.Finding], error) {
	return states[verdict.Finding](tx, findingHistory, after, limit)
}

// EpisodesAfter returns the states of episodes after a number that are not drained, in order.
func (tx *Tx) EpisodesAfter(after int64, limit int) ([]HistoryRow[verdict.Episode], error) {
	return states[verdict.Episode](tx, episodeHistory, after, limit)
}

// DeliveriesAfter returns the states of deliveries after a number that are not drained, in order. Only
// the first state of a delivery has its document.
func (tx *Tx) DeliveriesAfter(after int64, limit int) ([]HistoryRow[Delivery], error) {
	return states[Delivery](tx, deliveryHistory, after, limit)
}
