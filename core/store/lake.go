package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

// LakeFile is a file of the manifest with what only the lake itself wants to know.
type LakeFile struct {
	manifest.File
	// Partition is the folder of the file below its table.
	Partition string
	// Level is 0 for a file that was drained and 1 for one that compaction made.
	Level int
}

const lakeColumns = `SELECT id, name, part, path, level, records, bytes, sha256, root, min_number, max_number, min_time, max_time, min_received, max_received, as_of FROM lake_files`

func (tx *Tx) lakeFiles(query string, args ...any) ([]LakeFile, error) {
	var out []LakeFile
	err := tx.search(query, args, func(r *sql.Rows) error {
		var f LakeFile
		var name string
		var sha, root []byte
		var times [5]int64
		if err := r.Scan(&f.ID, &name, &f.Partition, &f.Path, &f.Level, &f.Rows, &f.Bytes, &sha, &root, &f.MinNumber, &f.MaxNumber,
			&times[0], &times[1], &times[2], &times[3], &times[4]); err != nil {
			return err
		}
		f.Table = table.Name(name)
		copy(f.SHA256[:], sha)
		copy(f.Root[:], root)
		f.MinTime, f.MaxTime = time.UnixMicro(times[0]).UTC(), time.UnixMicro(times[1]).UTC()
		f.MinReceived, f.MaxReceived = time.UnixMicro(times[2]).UTC(), time.UnixMicro(times[3]).UTC()
		if times[4] != 0 {
			at := fromMicros(times[4])
			f.Checkpoint = &at
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return out, nil
}

// LakeFiles returns the files of a table, of all tables where it is empty, in the order of their ids.
func (tx *Tx) LakeFiles(name table.Name) ([]LakeFile, error) {
	if name == "" {
		return tx.lakeFiles(lakeColumns + ` ORDER BY id`)
	}
	return tx.lakeFiles(lakeColumns+` WHERE name = ? ORDER BY id`, string(name))
}

// LakeFilesBetween returns the files of a table that may hold rows with a time from one on and before
// another, those with the newest rows first. A zero time is no bound.
func (tx *Tx) LakeFilesBetween(name table.Name, from, to time.Time) ([]LakeFile, error) {
	var w where
	w.equal("name", string(name))
	if !from.IsZero() {
		w.add(`max_time >= ?`, from.UnixMicro())
	}
	if !to.IsZero() {
		w.add(`min_time < ?`, to.UnixMicro())
	}
	return tx.lakeFiles(lakeColumns+w.String()+` ORDER BY max_time DESC, id DESC`, w.args...)
}

// LakePartition is how much a partition holds.
type LakePartition struct {
	Table     table.Name
	Partition string
	// Files and Bytes count the files that were drained and not compacted.
	Files int
	Bytes int64
}

// LakePartitions returns the partitions with at least so many files that were drained.
func (tx *Tx) LakePartitions(least int) ([]LakePartition, error) {
	var out []LakePartition
	err := tx.each(`SELECT name, part, count(*), sum(bytes) FROM lake_files WHERE level = 0 AND as_of = 0 GROUP BY name, part HAVING count(*) >= ? ORDER BY name, part`,
		[]any{least}, func(r *sql.Rows) error {
			var p LakePartition
			var name string
			err := r.Scan(&name, &p.Partition, &p.Files, &p.Bytes)
			p.Table = table.Name(name)
			out = append(out, p)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return out, nil
}

// LakePartitionFiles returns the files of a partition in the order of their numbers.
func (tx *Tx) LakePartitionFiles(name table.Name, partition string) ([]LakeFile, error) {
	return tx.lakeFiles(lakeColumns+` WHERE name = ? AND part = ? ORDER BY min_number, id`, string(name), partition)
}

// LakeRows returns how many rows a partition holds.
func (tx *Tx) LakeRows(name table.Name, partition string) (int64, error) {
	var n sql.NullInt64
	_, err := tx.one(`SELECT sum(records) FROM lake_files WHERE name = ? AND part = ?`, []any{string(name), partition}, &n)
	return n.Int64, err
}

// LakeTotals returns how many files, rows and bytes each table has in the lake.
func (tx *Tx) LakeTotals() (map[table.Name]LakeTotal, error) {
	out := map[table.Name]LakeTotal{}
	err := tx.each(`SELECT name, count(*), sum(records), sum(bytes) FROM lake_files GROUP BY name`, nil, func(r *sql.Rows) error {
		var name string
		var t LakeTotal
		err := r.Scan(&name, &t.Files, &t.Rows, &t.Bytes)
		out[table.Name(name)] = t
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return out, nil
}

// LakeTotal is how much a table has in the lake.
type LakeTotal struct {
	Files int   `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

// ApplyLakeChange takes files out of the manifest and puts others in, notes the change, and marks the
// files that went to be removed. It gives the files their ids and the change its number. levels are those
// of the added files, with their partitions.
func (tx *Tx) ApplyLakeChange(c *manifest.Change, added []LakeFile) error {
	seq, err := tx.nextID("lake_changes", "seq")
	if err != nil {
		return err
	}
	c.Seq = seq
	for _, f := range c.Removed {
		n, err := tx.exec(`DELETE FROM lake_files WHERE id = ?`, f.ID)
		if err != nil {
			return fmt.Errorf("take %s out of the manifest: %w", f.Path, err)
		}
		if n != 1 {
			return fmt.Errorf("take %s out of the manifest: it is not there", f.Path)
		}
		if err := tx.run(`INSERT INTO lake_garbage (path, at) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET at = excluded.at`, f.Path, micros(c.At)); err != nil {
			return fmt.Errorf("mark %s to be removed: %w", f.Path, err)
		}
	}
	for _, f := range added {
		if f.ID, err = tx.nextID("lake_files", "id"); err != nil {
			return err
		}
		var asOf int64
		if f.Checkpoint != nil {
			asOf = micros(*f.Checkpoint)
		}
		err := tx.run(`INSERT INTO lake_files (id, name, part, path, level, records, bytes, sha256, root, min_number, max_number, min_time, max_time, min_received, max_received, as_of)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, f.ID, string(f.Table), f.Partition, f.Path, f.Level, f.Rows, f.Bytes, f.SHA256[:], f.Root[:],
			f.MinNumber, f.MaxNumber, f.MinTime.UnixMicro(), f.MaxTime.UnixMicro(), f.MinReceived.UnixMicro(), f.MaxReceived.UnixMicro(), asOf)
		if err != nil {
			return fmt.Errorf("put %s into the manifest: %w", f.Path, err)
		}
		// A file of that name may have gone before; it is written anew.
		if err := tx.run(`DELETE FROM lake_garbage WHERE path = ?`, f.Path); err != nil {
			return err
		}
		c.Added = append(c.Added, f.File)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write change of the manifest: %w", err)
	}
	if err := tx.run(`INSERT INTO lake_changes (seq, at, body) VALUES (?, ?, ?)`, seq, micros(c.At), seal(compress([]byte{bodyZstd}, body))); err != nil {
		return fmt.Errorf("write change of the manifest: %w", err)
	}
	return nil
}

// LakeChanges returns changes of the manifest after a number, in order.
func (tx *Tx) LakeChanges(after int64, limit int) ([]manifest.Change, error) {
	var bodies [][]byte
	err := tx.each(`SELECT body FROM lake_changes WHERE seq > ? ORDER BY seq LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
		var b []byte
		err := r.Scan(&b)
		bodies = append(bodies, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read changes of the manifest: %w", err)
	}
	out := make([]manifest.Change, len(bodies))
	for i, b := range bodies {
		if err := tx.unpackJSON(b, &out[i]); err != nil {
			return nil, fmt.Errorf("read change of the manifest: %w", err)
		}
	}
	return out, nil
}

// LakePlan returns the work on the lake that is under way, 0 where there is none.
func (tx *Tx) LakePlan() (int64, []byte, error) {
	var id int64
	var packed []byte
	ok, err := tx.one(`SELECT id, body FROM lake_plan WHERE body <> ? ORDER BY id DESC LIMIT 1`, []any{[]byte{}}, &id, &packed)
	if err != nil || !ok {
		return 0, nil, err
	}
	body, err := tx.unpack(packed)
	if err != nil {
		return 0, nil, fmt.Errorf("read the lake's plan: %w", err)
	}
	return id, body, nil
}

// NextLakePlan returns the number that the next plan gets.
func (tx *Tx) NextLakePlan() (int64, error) {
	var n sql.NullInt64
	_, err := tx.one(`SELECT max(id) FROM lake_plan`, nil, &n)
	return n.Int64 + 1, err
}

// PutLakePlan writes what is to be done on the lake, before anything of it is.
func (tx *Tx) PutLakePlan(id int64, body []byte) error {
	if err := tx.run(`DELETE FROM lake_plan WHERE id < ?`, id); err != nil {
		return err
	}
	return tx.run(`INSERT INTO lake_plan (id, body) VALUES (?, ?)`, id, seal(compress([]byte{bodyZstd}, body)))
}

// EndLakePlan says that a plan is carried out. Its number stays taken.
func (tx *Tx) EndLakePlan(id int64) error {
	return tx.run(`UPDATE lake_plan SET body = ? WHERE id = ?`, []byte{}, id)
}

// LakeGarbage returns the files that went out of the manifest before a time.
func (tx *Tx) LakeGarbage(before time.Time, limit int) ([]string, error) {
	var out []string
	err := tx.each(`SELECT path FROM lake_garbage WHERE at < ? ORDER BY at, path LIMIT ?`, []any{micros(before), limit}, func(r *sql.Rows) error {
		var p string
		err := r.Scan(&p)
		out = append(out, p)
		return err
	})
	return out, err
}

// ForgetLakeGarbage says that a file is removed.
func (tx *Tx) ForgetLakeGarbage(path string) error {
	return tx.run(`DELETE FROM lake_garbage WHERE path = ?`, path)
}

// Drained returns up to where a table is in the lake: a number, or for events a row of the journal.
func (tx *Tx) Drained(name table.Name) (int64, error) {
	var n int64
	_, err := tx.one(`SELECT number FROM lake_drained WHERE name = ?`, []any{string(name)}, &n)
	return n, err
}

// SetDrained says up to where a table is in the lake, and lets go of what is in it and is needed for
// nothing else.
func (tx *Tx) SetDrained(name table.Name, upTo int64) error {
	err := tx.run(`INSERT INTO lake_drained (name, number) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET number = excluded.number`, string(name), upTo)
	if err != nil {
		return fmt.Errorf("note how far %s is drained: %w", name, err)
	}
	switch name {
	case table.Events:
		return tx.trimEvents(upTo)
	case table.Findings:
		return tx.trimHistory(findingHistory, upTo)
	case table.Alarms:
		return tx.trimHistory(episodeHistory, upTo)
	case table.Deliveries:
		return tx.trimHistory(deliveryHistory, upTo)
	case table.Causes:
		return tx.trimHistory(causeHistory, upTo)
	case table.Gaps:
		return tx.trimHistory(gapHistory, upTo)
	}
	return nil
}

// trimEvents removes the events of the journal up to a row. What duplicates are recognised by stays.
func (tx *Tx) trimEvents(upTo int64) error {
	if err := tx.run(`UPDATE event_batches SET filter = ? WHERE seq <= ? AND seq IN (SELECT seq FROM event_data WHERE seq <= ?)`, []byte{}, upTo, upTo); err != nil {
		return fmt.Errorf("trim the journal: %w", err)
	}
	if err := tx.run(`DELETE FROM event_data WHERE seq <= ?`, upTo); err != nil {
		return fmt.Errorf("trim the journal: %w", err)
	}
	return nil
}

// EventBatch is a batch of events of the journal, opened.
type EventBatch struct {
	// Seq is the row of the journal.
	Seq      int64
	Instance record.Instance
	Received time.Time
	// First is the number of the first event; the others follow.
	First int64
	// Bodies are the events as they were accepted. They are shared and must not be changed.
	Bodies [][]byte
}

// EventBatches returns the batches of the journal after a row, in order, until they hold about so many
// bytes. It returns at least one where there is one.
func (tx *Tx) EventBatches(after int64, bytes int64) ([]EventBatch, error) {
	var seqs []int64
	err := tx.each(`SELECT seq FROM event_data WHERE seq > ? ORDER BY seq LIMIT 4096`, []any{after}, func(r *sql.Rows) error {
		var seq int64
		err := r.Scan(&seq)
		seqs = append(seqs, seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	var out []EventBatch
	var total int64
	for _, seq := range seqs {
		b, err := tx.openBatch(seq)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return nil, fmt.Errorf("%w: journal row %d has no summary", ErrCorrupt, seq)
		}
		e := EventBatch{Seq: b.seq, Instance: b.instance, Received: fromMicros(b.received), First: b.first, Bodies: b.bodies}
		for _, body := range e.Bodies {
			total += int64(len(body))
		}
		if out = append(out, e); total >= bytes {
			break
		}
	}
	return out, nil
}

// VersionsAfter returns versions after a number, in the order of their numbers.
func (tx *Tx) VersionsAfter(after int64, limit int) ([]*Current, error) {
	return tx.versions(versionColumns+` WHERE v.number > ? ORDER BY v.number LIMIT ?`, after, limit)
}

// QuarantineAfter returns refused records after a number, in the order of their numbers.
func (tx *Tx) QuarantineAfter(after int64, limit int) ([]QuarantineRow, error) {
	var out []QuarantineRow
	err := tx.each(`SELECT number, instance, received, kind, reason, origin, bytes FROM quarantine WHERE number > ? ORDER BY number LIMIT ?`, []any{after, limit}, func(r *sql.Rows) error {
		var q QuarantineRow
		var inst string
		var received int64
		err := r.Scan(&q.Row, &inst, &received, &q.Kind, &q.Reason, &q.Origin, &q.Bytes)
		q.Instance, q.Received = record.Instance(inst), fromMicros(received)
		out = append(out, q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	return out, nil
}

// EventBacklog returns how many batches of events wait in the journal.
func (tx *Tx) EventBacklog() (n int64, err error) {
	_, err = tx.one(`SELECT count(*) FROM event_data`, nil, &n)
	return n, err
}

// LastLakeChange returns the number of the last change of the manifest.
func (tx *Tx) LastLakeChange() (int64, error) {
	var n sql.NullInt64
	_, err := tx.one(`SELECT max(seq) FROM lake_changes`, nil, &n)
	return n.Int64, err
}

// LakeFilesAfter returns the files of a table that have rows with numbers above one, in the order of their
// numbers.
func (tx *Tx) LakeFilesAfter(name table.Name, number int64) ([]LakeFile, error) {
	return tx.lakeFiles(lakeColumns+` WHERE name = ? AND max_number > ? AND as_of = 0 ORDER BY min_number, id`, string(name), number)
}

// LastDrainedEvent returns the number of the last event that is in the lake, or was.
func (tx *Tx) LastDrainedEvent() (int64, error) {
	drained, err := tx.Drained(table.Events)
	if err != nil {
		return 0, err
	}
	var n sql.NullInt64
	_, err = tx.one(`SELECT max(first_event + events - 1) FROM event_batches WHERE seq <= ?`, []any{drained}, &n)
	return n.Int64, err
}
