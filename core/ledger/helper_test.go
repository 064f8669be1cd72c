package ledger_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// t0 is when the lake of a test begins.
var t0 = time.Date(2026, 3, 1, 21, 10, 0, 0, time.UTC)

// rig is a lake that a test makes, with a store and a ledger, at a time that the test sets.
type rig struct {
	t      testing.TB
	dir    string
	store  *store.Store
	bucket blob.Bucket
	ledger *ledger.Ledger
	o      ledger.Options
	now    time.Time
	// next is the number of the next row of each table.
	next map[table.Name]int64
	// rows are those of each file that is there, by its path.
	rows map[string][]testRow
}

// testRow is a row of any table.
type testRow struct {
	number int64
	at     time.Time
	body   []byte
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: filepath.Join(dir, "lake"), now: t0, next: map[table.Name]int64{}, rows: map[string][]testRow{}}
	var err error
	if r.store, err = store.Open(context.Background(), store.Options{Dir: filepath.Join(dir, "data"), Now: func() time.Time { return r.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.bucket, err = blob.Folder(r.dir); err != nil {
		t.Fatal(err)
	}
	key, err := ledger.EnsureKey(filepath.Join(dir, "proof.key"))
	if err != nil {
		t.Fatal(err)
	}
	r.o = ledger.Options{
		Store: r.store, Bucket: r.bucket, Scratch: filepath.Join(dir, "scratch"), Now: func() time.Time { return r.now },
		Installation: "test", Keys: ledger.Keys{Current: key},
		Collectors: func(*store.Tx, time.Time, time.Time) ([]ledger.Collector, error) {
			return []ledger.Collector{{Instance: "collector.test.a", Read: 3, Stored: 2, Duplicate: 1, Gaps: []ledger.Gap{{From: t0, Reason: "away"}}}}, nil
		},
	}
	r.open()
	return r
}

// open starts the ledger as a new process would.
func (r *rig) open() {
	r.t.Helper()
	l, err := ledger.New(r.o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ledger = l
}

func (r *rig) public() ed25519.PublicKey { return r.o.Keys.Current.Public().(ed25519.PublicKey) }

// step lets time pass and the ledger do what is due.
func (r *rig) step(d time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(d)
	if err := r.ledger.Step(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// write writes a file of rows into the lake.
func (r *rig) write(name table.Name, path string, rows []testRow) store.LakeFile {
	r.t.Helper()
	local := filepath.Join(r.t.TempDir(), "f.parquet")
	switch name {
	case table.Events:
		writeRows(r.t, local, rows, func(x testRow) table.Event {
			return table.Event{Number: x.number, Time: x.at.UnixMicro(), Received: x.at.UnixMicro(), Instance: "i", ID: fmt.Sprint(x.number), Source: "s", Outcome: "success", Record: x.body}
		})
	case table.Items:
		writeRows(r.t, local, rows, func(x testRow) table.Item {
			return table.Item{Number: x.number, Time: x.at.UnixMicro(), Received: x.at.UnixMicro(), Instance: "i", ResourceType: "A::B::C", ResourceID: "r", Status: "OK", Record: x.body}
		})
	case table.Quarantines:
		writeRows(r.t, local, rows, func(x testRow) table.Quarantine {
			return table.Quarantine{Number: x.number, Time: x.at.UnixMicro(), Received: x.at.UnixMicro(), Kind: "event", Reason: "bad", Record: x.body}
		})
	default:
		r.t.Fatalf("no rows of %s", name)
	}
	b, err := os.ReadFile(local)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.bucket.Put(context.Background(), path, local); err != nil {
		r.t.Fatal(err)
	}
	r.rows[path] = rows
	f := manifest.File{
		Table: name, Path: path, Rows: int64(len(rows)), Bytes: int64(len(b)), SHA256: record.Sum(b), Root: root(rows),
		MinNumber: rows[0].number, MaxNumber: rows[len(rows)-1].number, MinTime: rows[0].at, MaxTime: rows[len(rows)-1].at,
		MinReceived: rows[0].at, MaxReceived: rows[len(rows)-1].at,
	}
	return store.LakeFile{File: f, Partition: filepath.Base(filepath.Dir(path))}
}

func writeRows[T table.Row](t testing.TB, local string, rows []testRow, of func(testRow) T) {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(7), parquet.PageBufferSize(64))
	for _, x := range rows {
		if _, err := w.Write([]T{of(x)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(local, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func root(rows []testRow) (d record.Digest) {
	h := sha256.New()
	for _, x := range rows {
		sum := sha256.Sum256(x.body)
		h.Write(sum[:])
	}
	h.Sum(d[:0])
	return d
}

// apply makes a change of the manifest take effect, and publishes it.
func (r *rig) apply(c manifest.Change, added ...store.LakeFile) {
	r.t.Helper()
	c.At = r.now
	update(r.t, r.store, func(tx *store.Tx) error { return tx.ApplyLakeChange(&c, added) })
	r.publish()
}

func (r *rig) publish() {
	r.t.Helper()
	var files []manifest.File
	var last int64
	view(r.t, r.store, func(tx *store.Tx) error {
		all, err := tx.LakeFiles("")
		for _, f := range all {
			files = append(files, f.File)
		}
		changes, err2 := tx.LakeChanges(0, 1<<20)
		if len(changes) > 0 {
			last = changes[len(changes)-1].Seq
		}
		if err == nil {
			err = err2
		}
		return err
	})
	b, err := json.Marshal(map[string]any{"version": 1, "at": r.now, "change": last, "files": files})
	if err != nil {
		r.t.Fatal(err)
	}
	local := filepath.Join(r.t.TempDir(), "manifest.json")
	if err := os.WriteFile(local, b, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := r.bucket.Put(context.Background(), "manifest.json", local); err != nil {
		r.t.Fatal(err)
	}
}

// drain puts n new rows of each table into the lake and returns the paths of their files.
func (r *rig) drain(n int, tables ...table.Name) []string {
	r.t.Helper()
	var added []store.LakeFile
	var paths []string
	for _, name := range tables {
		rows := make([]testRow, n)
		for i := range rows {
			r.next[name]++
			rows[i] = testRow{r.next[name], r.now.Add(time.Duration(i) * time.Second), fmt.Appendf(nil, `{"table":%q,"n":%d}`, name, r.next[name])}
		}
		path := fmt.Sprintf("%s/date=2026-03-01/%012d-%012d.parquet", name, rows[0].number, rows[n-1].number)
		added = append(added, r.write(name, path, rows))
		paths = append(paths, path)
	}
	r.apply(manifest.Change{Kind: manifest.Add}, added...)
	return paths
}

// files finds files of the manifest.
func (r *rig) files(paths ...string) (out []manifest.File) {
	r.t.Helper()
	view(r.t, r.store, func(tx *store.Tx) error {
		all, err := tx.LakeFiles("")
		for _, p := range paths {
			for _, f := range all {
				if f.Path == p {
					out = append(out, f.File)
				}
			}
		}
		return err
	})
	if len(out) != len(paths) {
		r.t.Fatalf("the manifest has %d of %v", len(out), paths)
	}
	return out
}

// compact puts files together, and removes what they were.
func (r *rig) compact(paths ...string) string {
	r.t.Helper()
	old := r.files(paths...)
	var rows []testRow
	for _, p := range paths {
		rows = append(rows, r.rows[p]...)
	}
	slices.SortFunc(rows, func(a, b testRow) int { return int(a.number - b.number) })
	path := fmt.Sprintf("%s/date=2026-03-01/%012d-%012d-c%d.parquet", old[0].Table, rows[0].number, rows[len(rows)-1].number, len(r.rows))
	sum := root(rows)
	r.apply(manifest.Change{Kind: manifest.Replace, Removed: old, Root: &sum}, r.write(old[0].Table, path, rows))
	r.discard(paths...)
	return path
}

// expire removes files past their retention.
func (r *rig) expire(paths ...string) {
	r.t.Helper()
	r.apply(manifest.Change{Kind: manifest.Expire, Removed: r.files(paths...), Setting: `retention.quarantine = "720h0m0s"`})
	r.discard(paths...)
}

func (r *rig) discard(paths ...string) {
	r.t.Helper()
	for _, p := range paths {
		if err := r.bucket.Delete(context.Background(), p); err != nil {
			r.t.Fatal(err)
		}
	}
}

// history makes a lake with six hours of history: drains, compactions of compacted files, and an expiry.
func (r *rig) history() {
	r.t.Helper()
	all := []table.Name{table.Events, table.Items, table.Quarantines}
	r.step(0)
	one := r.drain(20, all...)
	two := r.drain(9, table.Events)
	r.step(time.Hour)
	three := r.drain(5, all...)
	r.compact(one[0], three[0])
	r.step(time.Hour)
	// An hour without data.
	r.step(time.Hour)
	four := r.drain(12, table.Events)
	r.step(time.Hour)
	// The compacted file has numbers on both sides of those of a file that it did not take along.
	r.compact(two[0], four[0])
	r.expire(one[2])
	r.step(time.Hour)
	five := r.drain(3, table.Events, table.Items)
	r.compact(r.compacted(table.Events)[0], five[0])
	r.step(time.Hour)
}

// compacted lists the compacted files of a table.
func (r *rig) compacted(name table.Name) (out []string) {
	view(r.t, r.store, func(tx *store.Tx) error {
		all, err := tx.LakeFiles(name)
		for _, f := range all {
			if bytes.Contains([]byte(f.Path), []byte("-c")) {
				out = append(out, f.Path)
			}
		}
		return err
	})
	return out
}

// last is the last digest as an anchor.
func (r *rig) last() ledger.Anchor {
	r.t.Helper()
	var s ledger.State
	view(r.t, r.store, func(tx *store.Tx) (err error) { s, err = r.ledger.Status(tx); return err })
	if s.Last == nil {
		r.t.Fatal("there is no digest")
	}
	return *s.Last
}

// verify verifies the lake.
func (r *rig) verify(o ledger.VerifyOptions) *ledger.Report {
	r.t.Helper()
	o.Bucket = r.bucket
	rep, err := ledger.Verify(context.Background(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

func update(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}
