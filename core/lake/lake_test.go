package lake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a lake over a store, both in folders of the test.
type bench struct {
	*Lake
	store  *store.Store
	dir    string
	now    time.Time
	keep   map[table.Name]Keep
	bucket *faulty
}

// faulty is a folder that can be made to fail.
type faulty struct {
	blob.Bucket
	// fail is asked before each Put.
	fail func(key string) error
}

func (f *faulty) Put(ctx context.Context, key, file string) error {
	if f.fail != nil {
		if err := f.fail(key); err != nil {
			return err
		}
	}
	return f.Bucket.Put(ctx, key, file)
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), now: t0.Add(240 * time.Hour), keep: map[table.Name]Keep{}}
	b.open(t)
	t.Cleanup(func() { b.close(t) })
	return b
}

func (b *bench) open(t testing.TB) {
	t.Helper()
	var err error
	if b.store, err = store.Open(t.Context(), store.Options{Dir: filepath.Join(b.dir, "data"), Now: func() time.Time { return b.now }}); err != nil {
		t.Fatal(err)
	}
	local, err := blob.Folder(filepath.Join(b.dir, "lake"))
	if err != nil {
		t.Fatal(err)
	}
	b.bucket = &faulty{Bucket: local}
	cache, err := blob.Cache(local, filepath.Join(b.dir, "cache"), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	b.Lake, err = Open(Options{
		Store: b.store, Bucket: b.bucket, Cache: cache, Scratch: filepath.Join(b.dir, "scratch"),
		Now: func() time.Time { return b.now }, Retention: func() map[table.Name]Keep { return b.keep },
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) close(t testing.TB) {
	t.Helper()
	b.Lake.Close()
	if err := b.store.Close(); err != nil {
		t.Error(err)
	}
}

func (b *bench) reopen(t testing.TB) {
	t.Helper()
	b.close(t)
	b.open(t)
}

func (b *bench) flush(t testing.TB) {
	t.Helper()
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) manifest(t testing.TB, name table.Name) []store.LakeFile {
	t.Helper()
	var files []store.LakeFile
	err := b.store.View(t.Context(), func(tx *store.Tx) (err error) {
		files, err = tx.LakeFiles(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// makeEvent makes an event that is told by its number. Its body has spaces and escapes that a careless
// writer would not keep.
func makeEvent(t testing.TB, n int, at time.Time) record.Event {
	t.Helper()
	body := fmt.Appendf(nil, `{"id":"e%07d","source":"test.%d", "time":%q,"action":"act%d","outcome":"success","error":{},"actor":{"id":"actor%d","name":"n\u00e9e"},`+
		`"origin":{"address":"192.0.2.%d"},"targets":[{"resourceType":"T::A","resourceId":"r%d"},{"resourceType":"T::B","name":"all"}],"accountId":"a%d","detail":{"n":%d.0}}`,
		n, n%3, record.FormatTime(at), n%7, n%11, n%13, n%97, n%5, n)
	canonical, err := record.Canonical(body)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := record.ParseEvent(body, record.Sum(canonical))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// put appends events in batches of so many.
func (b *bench) put(t testing.TB, batch int, events ...record.Event) {
	t.Helper()
	for chunk := range slices.Chunk(events, batch) {
		encoded := store.EncodeEvents(chunk)
		err := b.store.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AppendBatch(store.BatchRow{Instance: "collector.test.a", Received: b.now, Read: len(chunk), Stored: len(chunk), Events: &encoded})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// makeEvents makes events over some days, not quite in order.
func makeEvents(t testing.TB, n int, days int) []record.Event {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]record.Event, n)
	for i := range out {
		at := t0.Add(time.Duration(i) * time.Duration(days) * 24 * time.Hour / time.Duration(n)).Truncate(time.Microsecond)
		out[i] = makeEvent(t, i, at.Add(time.Duration(rnd.IntN(600))*time.Second))
	}
	return out
}

func (b *bench) item(t testing.TB, id string, n int, at time.Time, status record.Status) {
	t.Helper()
	body, err := record.Canonical(fmt.Appendf(nil, `{"accountId":"1","region":"eu","resourceType":"A::B::C","resourceId":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":%q,"configuration":{"n":%d},"relationships":[{"resourceType":"X","resourceId":"y","name":"is in"}],"tags":{"k":"v"}}`,
		id, record.FormatTime(at), status, n))
	if err != nil {
		t.Fatal(err)
	}
	it, err := record.ParseItem(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.a", Received: b.now})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rows reads all rows of a table through its files.
func rows[T any](t testing.TB, b *bench, k *kind[T]) []T {
	t.Helper()
	var files []manifest.File
	for _, f := range b.manifest(t, k.name) {
		files = append(files, f.File)
	}
	var out []T
	err := merge(t.Context(), b.Lake, k, files, true, func(row *T) error {
		out = append(out, *row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDrain holds that everything that is recorded comes to the lake, as it was, once.
func TestDrain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := makeEvents(t, 5000, 3)
	b.put(t, 300, want...)
	b.item(t, "x", 1, t0, record.StatusOK)
	b.item(t, "x", 2, t0.Add(30*time.Hour), record.StatusOK)
	err := b.store.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			tx.PutFinding(1, verdict.Finding{ID: "F1", Policy: "p", Status: verdict.Open, Severity: "high", FirstSeen: t0, LastSeen: t0}),
			tx.PutEpisode(verdict.Episode{ID: "E1", Policy: "alarms.p", State: verdict.AlarmFiring, StartedAt: t0, LastMatch: t0}, t0),
			tx.AddQuarantine("collector.test.a", t0, []record.Quarantined{{Kind: record.KindEvent, Reason: "odd", Bytes: []byte{0xff, 0}}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	b.flush(t)
	got := rows(t, b, &events)
	if len(got) != len(want) {
		t.Fatalf("%d events are in the lake, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Number != int64(i+1) || string(got[i].Record) != string(want[i].Body) || got[i].ID != want[i].ID || got[i].Time != want[i].Time.UnixMicro() || len(got[i].Targets) != 2 {
			t.Fatalf("event %d: %+v", i, got[i])
		}
	}
	if got := rows(t, b, &items); len(got) != 2 || got[1].Number != 2 || got[0].Tags["k"] != "v" || got[0].Relationships[0].Name != "is in" {
		t.Errorf("items: %+v", got)
	}
	if got := rows(t, b, &findings); len(got) != 1 || got[0].ID != "F1" || got[0].Severity != "high" {
		t.Errorf("findings: %+v", got)
	}
	if got := rows(t, b, &alarms); len(got) != 1 || got[0].State != "ALARM" {
		t.Errorf("alarms: %+v", got)
	}
	if got := rows(t, b, &quarantine); len(got) != 1 || string(got[0].Record) != "\xff\x00" {
		t.Errorf("quarantine: %+v", got)
	}
	b.flush(t)
	if n := len(rows(t, b, &events)) + len(rows(t, b, &items)); n != 5002 {
		t.Errorf("%d rows after draining again", n)
	}
	b.check(t)
}

// TestSnapshot holds that of events only the files that may hold some of a time are fetched, and that they stay
// while they are held.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put(t, 300, makeEvents(t, 3000, 3)...)
	b.item(t, "x", 1, t0, record.StatusOK)
	all := len(func() []store.LakeFile { b.flush(t); return b.manifest(t, table.Events) }())
	for _, tt := range []struct {
		since, until time.Duration
		want         int
	}{{0, 0, all}, {47 * time.Hour, 48 * time.Hour, 1}, {1000 * time.Hour, 0, 0}} {
		var r Range
		if tt.since > 0 {
			r.Since = t0.Truncate(24 * time.Hour).Add(tt.since)
		}
		if tt.until > 0 {
			r.Until = t0.Truncate(24 * time.Hour).Add(tt.until)
		}
		files, release, err := b.Snapshot(t.Context(), []table.Name{table.Events, table.Items}, r)
		if err != nil {
			t.Fatal(err)
		}
		if len(files[table.Events]) != tt.want || len(files[table.Items]) != 1 {
			t.Errorf("from %v to %v: %d files of events, want %d; %d of items", tt.since, tt.until, len(files[table.Events]), tt.want, len(files[table.Items]))
		}
		release()
	}
}

// check holds the files against the manifest: digests, roots, sizes, ranges, and that there are no others.
func (b *bench) check(t testing.TB) {
	t.Helper()
	var published Published
	raw, err := os.ReadFile(filepath.Join(b.dir, "lake", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &published); err != nil {
		t.Fatal(err)
	}
	var listed []manifest.File
	inManifest := map[string]bool{"manifest.json": true}
	for _, f := range b.manifest(t, "") {
		inManifest[f.Path] = true
		listed = append(listed, f.File)
		data, err := os.ReadFile(filepath.Join(b.dir, "lake", f.Path))
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(data) != f.SHA256 || int64(len(data)) != f.Bytes {
			t.Errorf("%s has digest %x and %d bytes, the manifest says %s and %d", f.Path, sha256.Sum256(data), len(data), f.SHA256, f.Bytes)
		}
	}
	if diff := cmp.Diff(listed, published.Files); diff != "" {
		t.Errorf("the published manifest: %s", diff)
	}
	garbage := map[string]bool{}
	err = b.store.View(t.Context(), func(tx *store.Tx) error {
		paths, err := tx.LakeGarbage(b.now.Add(1e6*time.Hour), 1e6)
		for _, p := range paths {
			garbage[p] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(b.dir, "lake")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if rel, _ := filepath.Rel(root, path); !inManifest[rel] && !garbage[rel] {
			t.Errorf("%s is not in the manifest", rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLookUps asks lake and journal the same questions as a naive search over all events.
func TestLookUps(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all := makeEvents(t, 6000, 5)
	b.put(t, 250, all[:2000]...)
	b.flush(t)
	b.put(t, 250, all[2000:4000]...)
	b.flush(t)
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.put(t, 250, all[4000:]...)
	filters := []store.EventFilter{
		{},
		{ID: "e0000017"},
		{ID: "e0005999"},
		{ID: "none"},
		{Resource: "r17"},
		{Resource: "all"},
		{Resource: "r17", Action: "act3"},
		{ResourceType: "T::B", Actor: "actor4"},
		{Actor: "née"},
		{Address: "192.0.2.5", Account: "a2"},
		{Source: "test.1"},
		{Outcome: "failure"},
		{Text: `"N":423.0`},
		{From: t0.Add(30 * time.Hour), To: t0.Add(40 * time.Hour)},
		{From: t0.Add(100 * time.Hour), Actor: "actor1"},
		{To: t0.Add(time.Hour)},
	}
	for _, f := range filters {
		var want []string
		for i := range all {
			if f.Matches(&all[i]) && (f.Text == "" || strings.Contains(strings.ToLower(string(all[i].Body)), strings.ToLower(f.Text))) {
				want = append(want, all[i].ID)
			}
		}
		at := map[string]time.Time{}
		number := map[string]int{}
		for i := range all {
			at[all[i].ID], number[all[i].ID] = all[i].Time, i
		}
		slices.SortFunc(want, func(x, y string) int {
			if c := at[y].Compare(at[x]); c != 0 {
				return c
			}
			return number[y] - number[x]
		})
		for _, limit := range []int{1, 7, 1000, 10000} {
			if limit == 1 && len(want) > 50 {
				want := want[:1]
				rows, next, err := b.Events(t.Context(), store.EventFilter{ID: f.ID, Resource: f.Resource, ResourceType: f.ResourceType, Actor: f.Actor, Action: f.Action, Source: f.Source, Outcome: f.Outcome, Account: f.Account, Address: f.Address, Text: f.Text, From: f.From, To: f.To, Limit: 1})
				if err != nil || len(rows) != 1 || rows[0].Event.ID != want[0] || next == "" {
					t.Errorf("%+v: %d rows, %q, %v", f, len(rows), next, err)
				}
				continue
			}
			var got []string
			page := f
			page.Limit = limit
			for {
				rows, next, err := b.Events(t.Context(), page)
				if err != nil {
					t.Fatalf("%+v: %v", f, err)
				}
				for _, r := range rows {
					got = append(got, r.Event.ID)
					if string(r.Event.Body) != string(all[r.Number-1].Body) || r.Instance != "collector.test.a" || !r.Received.Equal(b.now) {
						t.Fatalf("row %+v", r)
					}
				}
				if page.After = next; next == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v, pages of %d: %s", f, limit, diff)
			}
		}
	}
}

// TestCompaction holds that compacting changes no row, and that what was replaced goes after a while.
func TestCompaction(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all := makeEvents(t, 3000, 2)
	for chunk := range slices.Chunk(all, 150) {
		b.put(t, 50, chunk...)
		b.item(t, "x", len(chunk)+int(chunk[0].Time.Unix()%1000), chunk[0].Time, record.StatusOK)
		b.flush(t)
	}
	before, itemsBefore := rows(t, b, &events), rows(t, b, &items)
	files := len(b.manifest(t, table.Events))
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := b.manifest(t, table.Events)
	if len(after) >= files || len(after) > 12 {
		t.Errorf("%d files became %d", files, len(after))
	}
	if diff := cmp.Diff(before, rows(t, b, &events)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(itemsBefore, rows(t, b, &items)); diff != "" {
		t.Error(diff)
	}
	b.check(t)
	// A reader that began before holds on to the files that it may have found.
	end := b.readers.begin(b.now.Add(-time.Second))
	b.now = b.now.Add(time.Hour)
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.onDisk(t); n <= len(b.manifest(t, "")) {
		t.Errorf("%d files are left", n)
	}
	end()
	b.now = b.now.Add(time.Hour)
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.onDisk(t); n != len(b.manifest(t, "")) {
		t.Errorf("%d files are left, the manifest has %d", n, len(b.manifest(t, "")))
	}
	if diff := cmp.Diff(before, rows(t, b, &events)); diff != "" {
		t.Error(diff)
	}
}

func (b *bench) onDisk(t testing.TB) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(b.dir, "lake"), func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRetention holds that events go by when they were received, and that the state stays answerable.
func TestRetention(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	start := b.now
	for day := range 10 {
		b.now = start.Add(time.Duration(day) * 24 * time.Hour)
		b.put(t, 50, makeEvent(t, day, t0.Add(time.Duration(day)*24*time.Hour)))
		b.item(t, "changing", day, b.now, record.StatusOK)
		if day == 0 {
			b.item(t, "still", 0, b.now, record.StatusOK)
			b.item(t, "gone", 0, b.now, record.StatusOK)
		}
		if day == 1 {
			b.item(t, "gone", 0, b.now, record.StatusDeleted)
		}
		b.flush(t)
	}
	b.keep = map[table.Name]Keep{
		table.Events: {For: 72*time.Hour - time.Second, Setting: `retention.events = "72h"`},
		table.Items:  {For: 72*time.Hour - time.Second, Setting: `retention.items = "72h"`},
	}
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, b, &events); len(got) != 3 {
		t.Errorf("%d events are left, want 3", len(got))
	}
	var got []string
	for _, r := range rows(t, b, &items) {
		got = append(got, fmt.Sprintf("%s%d%t", r.ResourceID, r.Number, r.AsOf != 0))
	}
	// changing has the numbers 1, 4, 6, 7 and so on.
	if diff := cmp.Diff([]string{"still2true", "changing10true", "changing11false", "changing12false", "changing13false"}, got); diff != "" {
		t.Error(diff)
	}
	b.check(t)
	err := b.store.View(t.Context(), func(tx *store.Tx) error {
		changes, err := tx.LakeChanges(0, 1000)
		expired := 0
		for _, c := range changes {
			if c.Kind == manifest.Expire {
				expired++
				if c.Setting == "" || len(c.Removed) != 7 {
					t.Errorf("expired by %q: %d files", c.Setting, len(c.Removed))
				}
			}
		}
		if expired != 2 {
			t.Errorf("%d expiries, want 2", expired)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The checkpoint is carried on.
	b.now = b.now.Add(30 * 24 * time.Hour)
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, r := range rows(t, b, &items) {
		got = append(got, fmt.Sprintf("%s%d%t", r.ResourceID, r.Number, r.AsOf != 0))
	}
	if diff := cmp.Diff([]string{"still2true", "changing13true"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestFailures fails at every Put, opens the lake again, and holds that nothing is lost and nothing twice.
func TestFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all := makeEvents(t, 900, 3)
	b.put(t, 100, all...)
	broken := errors.New("no room")
	failures := 0
	for n := 0; ; n++ {
		left := n
		b.bucket.fail = func(string) error {
			if left--; left < 0 {
				return broken
			}
			return nil
		}
		err := b.Flush(t.Context())
		if err == nil {
			break
		}
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		failures++
		if n%2 == 0 {
			b.reopen(t)
		}
		// What is recorded meanwhile does not belong to the plan.
		b.put(t, 100, makeEvent(t, 1000+n, t0.Add(time.Duration(n)*time.Hour)))
	}
	if failures < 4 {
		t.Errorf("only %d failures", failures)
	}
	b.bucket.fail = nil
	b.flush(t)
	got := rows(t, b, &events)
	if len(got) != 900+failures {
		t.Errorf("%d events, want %d", len(got), 900+failures)
	}
	for i := range got {
		if got[i].Number != int64(i+1) {
			t.Fatalf("row %d has number %d", i, got[i].Number)
		}
	}
	b.check(t)
}

// TestStateRetention holds that what is in force stays in the lake past the retention of its table, and
// what is over does not.
func TestStateRetention(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	start := b.now
	for _, id := range []string{"still", "flips", "ends"} {
		b.item(t, id, 0, start, record.StatusOK)
	}
	say := func(id string, o verdict.Outcome, f verdict.FindingStatus) {
		t.Helper()
		err := b.store.Update(t.Context(), func(tx *store.Tx) error {
			k := record.Key{AccountID: "1", Region: "eu", ResourceType: "A::B::C", ResourceID: id}
			c, err := tx.Current(k)
			if err != nil {
				return err
			}
			v := verdict.Verdict{Policy: "p", Subject: verdict.Subject(k), Outcome: o}
			return errors.Join(
				tx.ChangeVerdicts(c.Resource, c.Version, b.now, []verdict.Verdict{v}),
				tx.PutFinding(c.Resource, verdict.Finding{ID: "F-" + id, Policy: "p", Subject: v.Subject, Outcome: o, Status: f, Severity: "high", FirstSeen: start, LastSeen: b.now}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for day := range 10 {
		b.now = start.Add(time.Duration(day) * 24 * time.Hour)
		outcome, status := verdict.NonCompliant, verdict.Open
		if day%2 > 0 {
			outcome, status = verdict.Compliant, verdict.Resolved
		}
		say("flips", outcome, status)
		if day == 0 {
			say("still", outcome, status)
		}
		if day < 2 {
			say("ends", outcome, status)
		}
		b.flush(t)
	}
	short := 72*time.Hour - time.Second
	b.keep = map[table.Name]Keep{
		table.Verdicts: {For: short, Setting: `retention.verdicts = "72h"`},
		table.Findings: {For: short, Setting: `retention.findings = "72h"`},
	}
	for _, tt := range []struct {
		after              time.Duration
		verdicts, findings []string
	}{
		{
			0,
			[]string{"still NON_COMPLIANT true", "ends COMPLIANT true", "flips NON_COMPLIANT true", "flips COMPLIANT false", "flips NON_COMPLIANT false", "flips COMPLIANT false"},
			[]string{"F-still OPEN true", "F-flips OPEN true", "F-flips RESOLVED false", "F-flips OPEN false", "F-flips RESOLVED false"},
		},
		{30 * 24 * time.Hour, []string{"still NON_COMPLIANT true", "ends COMPLIANT true", "flips COMPLIANT true"}, []string{"F-still OPEN true"}},
	} {
		b.now = b.now.Add(tt.after)
		if err := b.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rows(t, b, &verdicts) {
			got = append(got, fmt.Sprint(r.ResourceID, " ", r.Outcome, " ", r.AsOf != 0))
		}
		if diff := cmp.Diff(tt.verdicts, got); diff != "" {
			t.Errorf("verdicts after %v: %s", tt.after, diff)
		}
		got = nil
		for _, r := range rows(t, b, &findings) {
			got = append(got, fmt.Sprint(r.ID, " ", r.Status, " ", r.AsOf != 0))
		}
		if diff := cmp.Diff(tt.findings, got); diff != "" {
			t.Errorf("findings after %v: %s", tt.after, diff)
		}
		b.check(t)
	}
}
