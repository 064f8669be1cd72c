package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// LedgerRow is a digest of the lake.
type LedgerRow struct {
	Number int64
	// Path is where its file is below the lake's root, Hash the SHA-256 of that file.
	Path string
	Hash record.Digest
	// From and To are the time that it covers, Written is when it was decided.
	From, To, Written time.Time
	// LastChange is the last change of the manifest that it has or that one before it has.
	LastChange int64
	PublicKey  []byte
	// Done says that the file was written. Until then Body holds it.
	Done bool
	Body []byte
}

const ledgerColumns = `SELECT number, path, hash, from_at, to_at, written, last_change, public_key, done, body FROM ledger`

func (tx *Tx) ledgerRows(query string, args ...any) ([]LedgerRow, error) {
	var out []LedgerRow
	err := tx.each(query, args, func(r *sql.Rows) error {
		var row LedgerRow
		var hash []byte
		var from, to, written int64
		var done int
		if err := r.Scan(&row.Number, &row.Path, &hash, &from, &to, &written, &row.LastChange, &row.PublicKey, &done, &row.Body); err != nil {
			return err
		}
		copy(row.Hash[:], hash)
		row.From, row.To, row.Written, row.Done = fromMicros(from), fromMicros(to), fromMicros(written), done != 0
		out = append(out, row)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read digests: %w", err)
	}
	return out, nil
}

// LastDigest returns the digest that was decided last, nil where there is none.
func (tx *Tx) LastDigest() (*LedgerRow, error) {
	rows, err := tx.ledgerRows(ledgerColumns + ` ORDER BY number DESC LIMIT 1`)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// LastDigestDone returns the last digest whose file is written, nil where there is none.
func (tx *Tx) LastDigestDone() (*LedgerRow, error) {
	rows, err := tx.ledgerRows(ledgerColumns + ` WHERE done = 1 ORDER BY number DESC LIMIT 1`)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// DigestsToWrite returns the digests that are decided and whose files are not known to be written, in
// order.
func (tx *Tx) DigestsToWrite() ([]LedgerRow, error) {
	return tx.ledgerRows(ledgerColumns + ` WHERE done = 0 ORDER BY number`)
}

// DigestPathTaken reports whether a digest has its file there.
func (tx *Tx) DigestPathTaken(path string) (bool, error) {
	var n int
	_, err := tx.one(`SELECT count(*) FROM ledger WHERE path = ?`, []any{path}, &n)
	return n > 0, err
}

// AddDigest decides a digest.
func (tx *Tx) AddDigest(row LedgerRow) error {
	err := tx.run(`INSERT INTO ledger (number, path, hash, from_at, to_at, written, last_change, public_key, done, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
		row.Number, row.Path, row.Hash[:], micros(row.From), micros(row.To), micros(row.Written), row.LastChange, row.PublicKey, row.Body)
	if err != nil {
		return fmt.Errorf("write digest %d: %w", row.Number, err)
	}
	return nil
}

// DigestDone says that a digest's file is written.
func (tx *Tx) DigestDone(number int64) error {
	if err := tx.run(`UPDATE ledger SET done = 1, body = ? WHERE number = ?`, []byte{}, number); err != nil {
		return fmt.Errorf("write digest %d: %w", number, err)
	}
	return nil
}

// DigestedBefore returns the time before which every change of the manifest stands in a digest whose file
// is written; ok is false where there is no digest at all. Files that went out of the manifest stay until
// then, so that whoever verifies the lake by its digests finds all that these say is there.
func (tx *Tx) DigestedBefore(now time.Time) (at time.Time, ok bool, err error) {
	last, err := tx.LastDigestDone()
	if err != nil || last == nil {
		return time.Time{}, false, err
	}
	var first sql.NullInt64
	if _, err := tx.one(`SELECT min(at) FROM lake_changes WHERE seq > ?`, []any{last.LastChange}, &first); err != nil {
		return time.Time{}, false, fmt.Errorf("read changes of the manifest: %w", err)
	}
	if first.Valid {
		return fromMicros(first.Int64), true, nil
	}
	return now, true, nil
}
