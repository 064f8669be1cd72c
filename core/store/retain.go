package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Retention says how long things are kept; zero means for ever. What has not reached the lake yet stays
// in any case.
type Retention struct {
	// Events says how long duplicates of events are recognised that are imported, and with less than
	// DupWindow of any; the events themselves are in the lake. It counts from when their batch was
	// received, and is for the batch's row in the journal as well.
	Events time.Duration
	// Versions are kept by when they were captured. The current version stays, and the one that was
	// in force at the beginning of what is kept.
	Versions time.Duration
	// Quarantine is kept by when it was received.
	Quarantine time.Duration
	// Deliveries that ended are kept by when they did; pending ones stay.
	Deliveries time.Duration
	// Episodes that ended are kept by when they began; others stay.
	Episodes time.Duration
	// Verdicts says how long changes of verdicts are kept by when they were committed; the last of each
	// policy and resource stays.
	Verdicts time.Duration
	// Changes are kept by when they were committed, whether routed or not.
	Changes time.Duration
}

// retainChunk bounds one transaction of Retain.
const retainChunk = 1000

// Retain removes what is older than the retention, in small transactions, and returns how many rows
// went. Where others refer to a number the row with the greatest stays, so that none is given out twice.
func (s *Store) Retain(ctx context.Context, r Retention, now time.Time) (int64, error) {
	var total int64
	for _, rule := range []struct {
		name  string
		keep  time.Duration
		chunk func(tx *Tx, before int64) (int64, error)
	}{
		{"events", r.Events, (*Tx).retainEvents},
		{"quarantine", r.Quarantine, retainBy(`DELETE FROM quarantine WHERE number IN (
			SELECT number FROM quarantine WHERE received < ? AND number <= (SELECT coalesce(max(number), 0) FROM lake_drained WHERE name = 'quarantine')
			AND number < (SELECT max(number) FROM quarantine) ORDER BY received LIMIT ?)`)},
		{"deliveries", r.Deliveries, retainBy(`DELETE FROM deliveries WHERE seq IN (
			SELECT seq FROM deliveries WHERE state <> 'pending' AND changed < ? ORDER BY seq LIMIT ?)`)},
		{"episodes", r.Episodes, retainBy(`DELETE FROM episodes WHERE id IN (
			SELECT id FROM episodes WHERE due = 0 AND started < ? ORDER BY started LIMIT ?)`)},
		{"verdicts", r.Verdicts, (*Tx).retainVerdicts},
		{"changes", r.Changes, retainBy(`DELETE FROM changes WHERE seq IN (
			SELECT seq FROM changes WHERE at < ? AND seq < (SELECT max(seq) FROM changes) ORDER BY seq LIMIT ?)`)},
	} {
		if rule.keep <= 0 {
			continue
		}
		for {
			var n int64
			err := s.Update(ctx, func(tx *Tx) (err error) {
				n, err = rule.chunk(tx, micros(now.Add(-rule.keep)))
				return err
			})
			if err != nil {
				return total, fmt.Errorf("remove %s past their retention: %w", rule.name, err)
			}
			total += n
			if n < retainChunk {
				break
			}
		}
	}
	if r.Versions <= 0 {
		return total, nil
	}
	n, err := s.retainVersions(ctx, micros(now.Add(-r.Versions)))
	if err != nil {
		return total + n, fmt.Errorf("remove versions past their retention: %w", err)
	}
	return total + n, nil
}

// retainBy makes a chunk of one statement, which takes the time and the limit.
func retainBy(query string) func(*Tx, int64) (int64, error) {
	return func(tx *Tx, before int64) (int64, error) { return tx.exec(query, before, retainChunk) }
}

// retainEvents removes batches, and the segments that have no event left. Of the newest batch the row in
// the journal stays.
func (tx *Tx) retainEvents(before int64) (int64, error) {
	var seqs []int64
	var newest sql.NullInt64
	if _, err := tx.one(`SELECT max(seq) FROM journal`, nil, &newest); err != nil {
		return 0, err
	}
	err := tx.each(`SELECT seq FROM journal WHERE received < ? AND (seq < ? OR seq IN (SELECT seq FROM event_checks)) AND seq NOT IN (SELECT seq FROM event_data) ORDER BY received LIMIT ?`,
		[]any{before, newest.Int64, retainChunk}, func(r *sql.Rows) error {
			var seq int64
			err := r.Scan(&seq)
			seqs = append(seqs, seq)
			return err
		})
	if err != nil || len(seqs) == 0 {
		return 0, err
	}
	if err := tx.keepNumber(); err != nil {
		return 0, err
	}
	for _, seq := range seqs {
		for _, query := range []string{`DELETE FROM event_checks WHERE seq = ?`, `DELETE FROM event_ids WHERE seq = ?`, `DELETE FROM event_batches WHERE seq = ?`} {
			if err := tx.run(query, seq); err != nil {
				return 0, err
			}
		}
		if seq == newest.Int64 {
			continue
		}
		if err := tx.run(`DELETE FROM journal WHERE seq = ?`, seq); err != nil {
			return 0, err
		}
	}
	return int64(len(seqs)), tx.retainSegments()
}

// retainSegments removes the segments whose events are all gone, but for the newest, whose numbers are
// counted on from.
func (tx *Tx) retainSegments() error {
	var ids []int64
	err := tx.each(`SELECT id FROM event_segments WHERE id < (SELECT max(id) FROM event_segments)
		AND NOT EXISTS (SELECT 1 FROM event_batches b WHERE b.first_event >= event_segments.first_event AND b.first_event < event_segments.first_event + event_segments.events)`, nil, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := tx.run(`DELETE FROM event_pages WHERE id >= ? AND id < ?`, id<<pageBits, (id+1)<<pageBits); err != nil {
			return err
		}
		if err := tx.run(`DELETE FROM event_segments WHERE id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}

// retainVersions walks over the resources, so that no transaction looks at all versions.
func (s *Store) retainVersions(ctx context.Context, before int64) (int64, error) {
	var total int64
	for after := int64(0); ; {
		var last sql.NullInt64
		err := s.Update(ctx, func(tx *Tx) error {
			_, err := tx.one(`SELECT max(id) FROM (SELECT id FROM resources WHERE id > ? ORDER BY id LIMIT ?) AS page`, []any{after, retainChunk}, &last)
			if err != nil || !last.Valid {
				return err
			}
			n, err := tx.exec(`DELETE FROM versions WHERE resource > ? AND resource <= ? AND captured < ?
				AND number <> (SELECT r.version FROM resources r WHERE r.id = versions.resource)
				AND number < (SELECT max(number) FROM versions)
				AND number <= (SELECT coalesce(max(d.number), 0) FROM lake_drained d WHERE d.name = 'configuration_items')
				AND EXISTS (SELECT 1 FROM versions n WHERE n.resource = versions.resource AND n.captured <= ?
					AND (n.captured > versions.captured OR n.captured = versions.captured AND n.number > versions.number))`,
				after, last.Int64, before, before)
			total += n
			return err
		})
		if err != nil || !last.Valid {
			return total, err
		}
		after = last.Int64
	}
}
