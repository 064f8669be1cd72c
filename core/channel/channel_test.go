package channel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

func status(t testing.TB, m *Manager) Status {
	t.Helper()
	all, err := m.Status(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d channels: %v", len(all), err)
	}
	return all[0]
}

// TestFailing lets a bucket fail for a while: the status says so, it is told once and its end too, across a
// restart, and nothing is lost.
func TestFailing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	var broken atomic.Bool
	broken.Store(true)
	b := &bucket{dir: filepath.Join(dir, "bucket"), hook: func(when, _ string) error {
		if broken.Load() && when == "before" {
			return errors.New("503 slow down")
		}
		return nil
	}}
	h := &health{s: s}
	spec := Spec{Kind: Trail, Name: "t", Every: 10 * time.Millisecond, Bucket: b, Notify: []record.Instance{"notifier.file.out"}}
	addEvents(t, s, 0, 10)
	m, stop := start(t, s, filepath.Join(dir, "spool"), h, spec)
	until(t, "that the failure is told", func() bool { return len(h.all()) > 0 })
	st := status(t, m)
	if !strings.Contains(st.Failure, "503 slow down") || st.Failing.IsZero() || st.Waiting != 2 || st.Files != 0 {
		t.Errorf("the status does not say what is wrong: %+v", st)
	}
	if n := notified(t, s); len(n) != 0 {
		t.Errorf("files are told of that are not there: %q", n)
	}
	stop()
	addEvents(t, s, 10, 20)
	m, _ = start(t, s, filepath.Join(dir, "spool"), h, spec)
	broken.Store(false)
	until(t, "everything in the bucket", func() bool { return len(b.ids(t)) == 20 })
	if diff := cmp.Diff(eventIDs(0, 20), b.ids(t)); diff != "" {
		t.Error(diff)
	}
	until(t, "that the failure ends", func() bool { return status(t, m).Failure == "" && status(t, m).Records == 20 })
	told := h.all()
	if len(told) != 2 || !strings.HasPrefix(told[0], "trail/t true: Nothing can be delivered since ") || !strings.Contains(told[0], "503") || told[1] != "trail/t false: It is delivered again; nothing was lost." {
		t.Errorf("told %q", told)
	}
	if n := notified(t, s); len(n) != b.count() {
		t.Errorf("%d files, %d told of", b.count(), len(n))
	}
}

// TestRemoved takes channels out of the configuration while their bucket fails, under the daemon and while it
// is down: their trouble ends, and when they come back they go on where they were.
func TestRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	var broken atomic.Bool
	broken.Store(true)
	b := &bucket{dir: filepath.Join(dir, "bucket"), hook: func(string, string) error {
		if broken.Load() {
			return errors.New("no")
		}
		return nil
	}}
	h := &health{s: s}
	spec := Spec{Kind: Trail, Name: "t", Every: 10 * time.Millisecond, Bucket: b}
	addEvents(t, s, 0, 2)
	m, stop := start(t, s, filepath.Join(dir, "spool"), h, spec)
	until(t, "that the failure is told", func() bool { return len(h.all()) == 1 })
	m.Use(nil)
	until(t, "that it ends", func() bool { return len(h.all()) == 2 })
	m.Use([]Spec{spec})
	until(t, "that it is told again", func() bool { return len(h.all()) == 3 })
	stop()
	_, stop = start(t, s, filepath.Join(dir, "spool"), h)
	until(t, "that it ends again", func() bool { return len(h.all()) == 4 })
	stop()
	if diff := cmp.Diff("trail/t false: It was removed from the configuration.", h.all()[3]); diff != "" {
		t.Error(diff)
	}
	broken.Store(false)
	start(t, s, filepath.Join(dir, "spool"), h, spec)
	until(t, "everything in the bucket", func() bool { return len(b.ids(t)) == 2 })
}

// TestNothing has nothing to write: then nothing is written, in the bucket and in the store.
func TestNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	b := &bucket{dir: filepath.Join(dir, "bucket")}
	m, _ := start(t, s, filepath.Join(dir, "spool"), nil,
		Spec{Kind: Snapshot, Name: "s", Every: 10 * time.Millisecond, Bucket: b}, Spec{Kind: History, Name: "s", Every: 10 * time.Millisecond, Bucket: b},
		Spec{Kind: Trail, Name: "t", Every: 10 * time.Millisecond, Bucket: b})
	until(t, "that it runs", func() bool { _, err := m.Take(t.Context(), "s"); return err == nil })
	time.Sleep(100 * time.Millisecond)
	if files, err := m.Take(t.Context(), "s"); err != nil || len(files) != 0 {
		t.Errorf("a snapshot of nothing: %v, %v", files, err)
	}
	if n := b.count(); n != 0 {
		t.Errorf("%d files of nothing: %q", n, b.puts)
	}
	if _, err := m.Take(t.Context(), "x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a snapshot that is not configured: %v", err)
	}

	// What does not match moves the position on all the same.
	match, err := NewMatch(Patterns{Source: []string{"other.*"}})
	if err != nil {
		t.Fatal(err)
	}
	// The trail before it takes everything, and may still be about to end.
	b = &bucket{dir: filepath.Join(dir, "other")}
	m.Use([]Spec{{Kind: Trail, Name: "u", Every: 10 * time.Millisecond, Bucket: b, Match: match}})
	addEvents(t, s, 0, 5)
	until(t, "that the position moves", func() bool {
		var c *store.Channel
		err := s.View(t.Context(), func(tx *store.Tx) (err error) { c, err = tx.Channel("trail/u"); return err })
		return err == nil && c != nil && c.Position == 5
	})
	if b.count() != 0 {
		t.Errorf("events that do not match were written: %q", b.puts)
	}
}

// TestSnapshot takes snapshots while resources come, change and go.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	b := &bucket{dir: filepath.Join(dir, "bucket")}
	match, err := NewMatch(Patterns{Account: []string{"a*"}, Type: []string{"Test::*"}})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := start(t, s, filepath.Join(dir, "spool"), nil, Spec{Kind: Snapshot, Name: "s", Every: time.Hour, Bucket: b, Prefix: "p/q", Match: match})
	for i := range 1200 {
		addItem(t, s, "a1", fmt.Sprintf("i%04d", i), `{"n":12345678901234567890}`, t0, record.StatusOK)
	}
	addItem(t, s, "a2", "j", "{}", t0, record.StatusOK)
	addItem(t, s, "b", "foreign", "{}", t0, record.StatusOK)
	var files []File
	until(t, "the snapshot", func() bool { files, err = m.Take(t.Context(), "s"); return err == nil })
	if len(files) != 2 || files[0].Count != 1200 || files[1].Count != 1 || files[0].Account != "a1" || files[0].ID == "" {
		t.Fatalf("%+v", files)
	}
	day := time.Now().UTC().Format("2006/1/2")
	if want := "p/q/AWSLogs/a1/Config/eu/" + day + "/ConfigSnapshot/a1_Config_eu_ConfigSnapshot_"; !strings.HasPrefix(files[0].Key, want) || !strings.HasSuffix(files[0].Key, "Z_"+files[0].ID+".json.gz") {
		t.Errorf("key %s, want it to begin with %s and end with the id", files[0].Key, want)
	}
	text := b.objects(t)[files[1].Key]
	want := fmt.Sprintf(`{"fileVersion":"1.0","configurationSnapshotId":%q,"configSnapshotId":%[1]q,"configurationItems":[{"awsAccountId":"a2","configuration":{},"configurationItemCaptureTime":"2026-01-02T03:04:05.000000Z","configurationItemStatus":"OK","awsRegion":"eu","resourceId":"j","resourceType":"Test::Box::Box","regentItem":{"awsAccountId":"accountId","awsRegion":"region"}}]}`+"\n", files[1].ID)
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}

	// Of an account that has lost its last resource there is an empty list.
	addItem(t, s, "a2", "j", "{}", t0.Add(time.Second), record.StatusDeleted)
	if files, err = m.Take(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[1].Count != 0 || !strings.HasSuffix(b.objects(t)[files[1].Key], `"configurationItems":[]}`+"\n") {
		t.Errorf("%+v: %s", files, b.objects(t)[files[1].Key])
	}
	if st := status(t, m); st.Due.Before(time.Now().Add(50 * time.Minute)) {
		t.Errorf("taking snapshots by hand moved the schedule to %s", st.Due)
	}
}

// TestHistory writes all versions, gone ones included, by type, each once.
func TestHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	b := &bucket{dir: filepath.Join(dir, "bucket")}
	addItem(t, s, "a", "x", `{"v":1}`, t0, record.StatusOK)
	addItem(t, s, "a", "x", `{"v":2}`, t0.Add(time.Second), record.StatusOK)
	m, _ := start(t, s, filepath.Join(dir, "spool"), nil, Spec{Kind: History, Name: "s", Every: 10 * time.Millisecond, Bucket: b})
	until(t, "the first file", func() bool { return status(t, m).Records == 2 })
	addItem(t, s, "a", "x", `{}`, t0.Add(2*time.Second), record.StatusDeleted)
	until(t, "the second file", func() bool { return status(t, m).Records == 3 })
	day := time.Now().UTC().Format("2006/1/2")
	folder := "AWSLogs/a/Config/eu/" + day + "/ConfigHistory/a_Config_eu_ConfigHistory_Test::Box::Box_"
	var keys []string
	for key := range b.objects(t) {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if diff := cmp.Diff([]string{folder + "20260102T030405Z_20260102T030406Z_1.json.gz", folder + "20260102T030407Z_20260102T030407Z_3.json.gz"}, keys); diff != "" {
		t.Error(diff)
	}
	if text := b.objects(t)[keys[1]]; !strings.Contains(text, `"configurationItemStatus":"ResourceDeleted"`) {
		t.Errorf("the deletion is not in %s", text)
	}
}

// TestLostSpool removes the files of a plan under the daemon that is down: they are made again, with the
// same bytes, though more has been recorded since.
func TestLostSpool(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Trail, History, Snapshot} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, filepath.Join(dir, "d"))
			var broken atomic.Bool
			broken.Store(true)
			b := &bucket{dir: filepath.Join(dir, "bucket"), hook: func(when, key string) error {
				// The first file gets there, the second does not.
				if broken.Load() && when == "before" && strings.Contains(key, "/a1/") {
					return errors.New("no")
				}
				return nil
			}}
			addEvents(t, s, 0, 1)
			addItem(t, s, "a0", "x", "{}", t0, record.StatusOK)
			addItem(t, s, "a1", "y", `{"v":1}`, t0, record.StatusOK)
			spec := Spec{Kind: kind, Name: "n", Every: 30 * time.Millisecond, Bucket: b, Notify: []record.Instance{"notifier.file.out"}}
			if kind == Trail {
				addEvents(t, s, 1, 2)
			}
			m, stop := start(t, s, filepath.Join(dir, "spool"), nil, spec)
			until(t, "the failure", func() bool { return status(t, m).Failure != "" })
			stop()
			planned := ""
			err := s.View(t.Context(), func(tx *store.Tx) error {
				files, err := tx.ChannelFiles(spec.id())
				if len(files) == 1 {
					planned = string(files[0].Body)
				}
				return err
			})
			if err != nil || planned == "" {
				t.Fatalf("no plan: %v", err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "spool")); err != nil {
				t.Fatal(err)
			}
			addEvents(t, s, 2, 6)
			addItem(t, s, "a1", "y", `{"v":2}`, t0.Add(time.Second), record.StatusOK)
			addItem(t, s, "a1", "z", `{}`, t0, record.StatusOK)
			broken.Store(false)
			spec.Every = time.Hour
			m, _ = start(t, s, filepath.Join(dir, "spool"), nil, spec)
			until(t, "the rest", func() bool { return status(t, m).Files >= 2 })
			for _, told := range notified(t, s)[:2] {
				if !slices.Contains(b.puts, told) {
					t.Errorf("%s was told of, but %q put", told, b.puts)
				}
			}
			if _, sum, _ := strings.Cut(b.puts[1], " "); !strings.Contains(planned, sum) {
				t.Errorf("%s was put, but planned was %s", b.puts[1], planned)
			}
		})
	}
}

// TestLost lets retention take events that were not written: they are counted, and the rest goes on.
func TestLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	b := &bucket{dir: filepath.Join(dir, "bucket")}
	spec := Spec{Kind: Trail, Name: "t", Every: 10 * time.Millisecond, Bucket: b}
	addEvents(t, s, 0, 3)
	m, stop := start(t, s, filepath.Join(dir, "spool"), nil, spec)
	until(t, "the first events", func() bool { return status(t, m).Records == 3 })
	stop()
	addEvents(t, s, 3, 10)
	drained := addEvents(t, s, 10, 12)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SetDrained(table.Events, drained) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retain(t.Context(), store.Retention{Events: time.Nanosecond}, time.Now()); err != nil {
		t.Fatal(err)
	}
	addEvents(t, s, 12, 15)
	m, _ = start(t, s, filepath.Join(dir, "spool"), nil, spec)
	until(t, "the last events", func() bool { return status(t, m).Records == 6 })
	if st := status(t, m); st.Lost != 9 {
		t.Errorf("%d events are counted as lost, want 9", st.Lost)
	}
}

// TestLarge writes more than fits into one file, and more than is held in memory.
func TestLarge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "d"))
	b := &bucket{dir: filepath.Join(dir, "bucket")}
	const n = 2*maxFileRecords + 5_000
	addEvents(t, s, 0, n)
	m, _ := start(t, s, filepath.Join(dir, "spool"), nil, Spec{Kind: Trail, Name: "t", Every: 10 * time.Millisecond, Bucket: b})
	until(t, "all events", func() bool { return status(t, m).Records == n })
	if diff := cmp.Diff(eventIDs(0, n), b.ids(t)); diff != "" {
		t.Error(diff[:min(1000, len(diff))])
	}
	if got := b.count(); got != 4 {
		t.Errorf("%d files, want two of each account", got)
	}
}

func TestElement(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for in, want := range map[string]string{
		"123456789012": "123456789012", "eu-west-1": "eu-west-1", "AWS::EC2::Volume": "AWS::EC2::Volume", "": "-", "-": "%2D", ".": "%2E", "..": "%2E.",
		"a/b": "a%2Fb", "../../etc": "%2E.%2F..%2Fetc", "a\x00b": "a%00b", "a%b": "a%25b", "é": "%C3%A9", "a*[?": "a%2A%5B%3F", "x.y_z": "x.y_z", "~": "%7E",
	} {
		if got := element(in, 64); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("a", 300)
	for _, in := range []string{long, long + "b", strings.Repeat("/", 100), strings.Repeat("/", 101), "a", "%61"} {
		got := element(in, 64)
		if len(got) > 64 || strings.Contains(got, "/") {
			t.Errorf("%q became %q", in, got)
		}
		if other, dup := seen[got]; dup {
			t.Errorf("%q and %q both became %q", in, other, got)
		}
		seen[got] = in
	}
}

// TestKeyLength makes the longest keys there are: a file's name has at most 255 bytes.
func TestKeyLength(t *testing.T) {
	t.Parallel()
	hostile := group{strings.Repeat("/", 999), strings.Repeat("é", 999), strings.Repeat("a", 999)}
	for _, kind := range []Kind{Snapshot, History, Trail} {
		r, err := newRun(0, t0, false)
		if err != nil {
			t.Fatal(err)
		}
		b := &build{spec: &Spec{Kind: kind, Name: "n", Prefix: "p"}, run: r}
		key := b.key(hostile, &part{number: 1_000_000, first: 1<<40 - 1, from: t0, to: t0})
		for _, p := range strings.Split(key, "/") {
			if len(p) > 255 || p == "" || p == ".." {
				t.Errorf("%s: %q has %d bytes", kind, p, len(p))
			}
		}
		if len(key) > 1024-512 {
			t.Errorf("%s: a key of %d bytes leaves no room for the prefix", kind, len(key))
		}
	}
}

func FuzzElement(f *testing.F) {
	for _, s := range []string{"", ".", "..", "-", "a/b", "~", strings.Repeat("é", 40), "\xff"} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := element(a, 48), element(b, 48)
		if x == "" || len(x) > 48 || strings.ContainsAny(x, "/\\\x00*?[") || x[0] == '.' {
			t.Errorf("%q became %q", a, x)
		}
		if a != b && x == y {
			t.Errorf("%q and %q became %q", a, b, x)
		}
	})
}
