package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/plugins/collector-host/internal/filewatch"
	"github.com/regent-dev/regent/sdk"
)

// must fails the test where a step of its own does not work.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put makes or replaces a file in one step, so that no half of it is ever seen.
func put(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	tmp := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(tmp, []byte(text), mode))
	must(t, os.Chmod(tmp, mode))
	must(t, os.Rename(tmp, name))
}

// quiet is longer than in earnest, so that the steps of one change stay together also where the machine
// is so busy that they lie far apart.
const quiet = 150 * time.Millisecond

// patient opens an instance that waits for quiet.
func patient(t *testing.T, change func(*config)) *collector {
	t.Helper()
	c := opened(t, change)
	c.newWatcher = func(opt filewatch.Options) (*filewatch.Watcher, error) {
		opt.Quiet, opt.Delay = quiet, 10*quiet
		return filewatch.New(opt)
	}
	return c
}

// watching collects from a folder that is watched.
func watching(t *testing.T, dir string) *recorder {
	t.Helper()
	return collect(t, patient(t, func(c *config) { c.Watch, c.Include = []string{dir}, []string{"file"} }))
}

// happened waits for exactly these events, written as "action name", name being relative to dir, and
// forgets them. What comes too much shows in the next call; a call for no events waits for them.
func (r *recorder) happened(dir string, want ...string) []event {
	r.t.Helper()
	var got []event
	tell := func() []string {
		var out []string
		for _, e := range r.events {
			rel, err := filepath.Rel(dir, e.Detail.Path)
			if err != nil {
				rel = e.Detail.Path
			}
			out = append(out, strings.TrimPrefix(e.Action, "file:")+" "+rel)
		}
		slices.Sort(out)
		return out
	}
	slices.Sort(want)
	r.until("events "+strings.Join(want, ", "), func() bool { return slices.Equal(tell(), want) })
	if len(want) == 0 {
		time.Sleep(3 * quiet) // nothing may come
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := tell(); !slices.Equal(now, want) {
		r.t.Errorf("events %v, want %v", now, want)
	}
	got, r.events = r.events, nil
	for _, e := range got {
		if e.Source != eventSource || e.Outcome != "success" || len(e.ID) != 32 || len(e.Targets) == 0 || e.Targets[0].ResourceID != e.Detail.Path ||
			e.Targets[0].ResourceType != typeFile || time.Since(e.Time) > time.Minute || e.Detail.DetectedBy == "" {
			r.t.Errorf("event %+v", e)
		}
	}
	return got
}

func TestChangesOfWatchedFilesAreItemsAndEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := filepath.Join(dir, "a")
	r := watching(t, dir)

	put(t, a, "one", 0o644)
	e := r.happened(dir, "Create a")
	if e[0].Detail.After["sizeBytes"] != 3.0 || e[0].Detail.Before != nil || e[0].Detail.DetectedBy != "inotify" {
		t.Errorf("event %+v", e[0])
	}
	if it := r.one(typeFile, a); it.at("sizeBytes") != 3.0 || it.Status != "OK" || it.at("watched") != true {
		t.Errorf("item %s", it.raw)
	}

	put(t, a, "two", 0o644)
	e = r.happened(dir, "Modify a")
	if !slices.Equal(e[0].Detail.Changes, []string{"sha256"}) || e[0].Detail.Before["sha256"] == e[0].Detail.After["sha256"] {
		t.Errorf("event %+v", e[0])
	}

	must(t, os.Chmod(a, 0o666))
	e = r.happened(dir, "Chmod a")
	if !slices.Equal(e[0].Detail.Changes, []string{"mode"}) || r.one(typeFile, a).at("worldWritable") != true {
		t.Errorf("event %+v", e[0])
	}

	// Reading it and replacing it by the same change nothing.
	if _, err := os.ReadFile(a); err != nil {
		t.Fatal(err)
	}
	put(t, a, "two", 0o666)
	r.happened(dir)

	b := filepath.Join(dir, "b")
	must(t, os.Rename(a, b))
	e = r.happened(dir, "Rename b")
	if e[0].Detail.From != a || len(e[0].Targets) != 2 || e[0].Targets[1].ResourceID != a {
		t.Errorf("event %+v", e[0])
	}
	if gone := r.one(typeFile, a); gone.Status != sdk.StatusDeleted {
		t.Errorf("the old name's last item is %s", gone.raw)
	}

	must(t, os.Symlink("b", filepath.Join(dir, "l")))
	r.happened(dir, "Create l")
	must(t, os.Symlink("c", filepath.Join(dir, "l2")))
	must(t, os.Rename(filepath.Join(dir, "l2"), filepath.Join(dir, "l")))
	e = r.happened(dir, "Modify l")
	if !slices.Equal(e[0].Detail.Changes, []string{"linkTarget"}) {
		t.Errorf("event %+v", e[0])
	}

	must(t, os.Remove(b))
	e = r.happened(dir, "Delete b")
	if e[0].Detail.After != nil || e[0].Detail.Before["mode"] != "0666" || r.one(typeFile, b).Status != sdk.StatusDeleted {
		t.Errorf("event %+v", e[0])
	}
	if os.Geteuid() == 0 {
		l := filepath.Join(dir, "l")
		must(t, os.Lchown(l, 1, 1))
		if e = r.happened(dir, "Chown l"); !slices.Equal(e[0].Detail.Changes, []string{"uid", "gid"}) {
			t.Errorf("event %+v", e[0])
		}
	}
	r.happened(dir)
}

func TestFilesThatAreWrittenInPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	put(t, name, "before", 0o600)
	r := watching(t, dir)
	must(t, os.WriteFile(name, []byte("after all"), 0o600))
	// On a busy machine the empty file between is seen too.
	r.until("the last state", func() bool {
		return len(r.events) > 0 && r.events[len(r.events)-1].Detail.After["sizeBytes"] == 9.0
	})
	for _, e := range r.events {
		if e.Action != actionModify || e.Detail.Path != name {
			t.Errorf("event %+v", e)
		}
	}
}

func TestEventsComeSoon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := collect(t, opened(t, func(c *config) { c.Watch, c.Include = []string{dir}, []string{"file"} }))
	began := time.Now()
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	r.until("the event", func() bool { return len(r.events) == 1 })
	took := time.Since(began)
	t.Logf("an event %v after the change", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Error("that is too late")
	}
}

func TestSavingByReplacingIsOneModification(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, tmp := filepath.Join(dir, "conf"), filepath.Join(dir, ".conf.tmp")
	put(t, name, "old", 0o600)
	r := watching(t, dir)
	must(t, os.WriteFile(tmp, []byte("newer"), 0o600))
	must(t, os.Rename(tmp, name))
	if e := r.happened(dir, "Modify conf"); !slices.Equal(e[0].Detail.Changes, []string{"sizeBytes", "sha256"}) {
		t.Errorf("event %+v", e[0])
	}
	// vim's way: the old file moves aside, the new one is written, the backup goes. That there was one
	// for a moment is told too.
	backup, next := name+"~", filepath.Join(t.TempDir(), "conf")
	put(t, next, "newest", 0o600)
	must(t, os.Rename(name, backup))
	must(t, os.Rename(next, name))
	must(t, os.Remove(backup))
	r.happened(dir, "Modify conf", "Create conf~", "Delete conf~")
	if it := r.one(typeFile, name); it.at("sizeBytes") != 6.0 {
		t.Errorf("item %s", it.raw)
	}
	r.happened(dir)
}

func TestFoldersComeGoAndMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := watching(t, dir)
	sub := filepath.Join(dir, "sub")
	must(t, os.MkdirAll(filepath.Join(sub, "deep"), 0o755))
	put(t, filepath.Join(sub, "deep", "f"), "x", 0o644)
	r.happened(dir, "Create sub", "Create sub/deep", "Create sub/deep/f")

	put(t, filepath.Join(sub, "deep", "f"), "xy", 0o644)
	r.happened(dir, "Modify sub/deep/f")

	moved := filepath.Join(dir, "moved")
	must(t, os.Rename(sub, moved))
	for _, e := range r.happened(dir, "Rename moved", "Rename moved/deep", "Rename moved/deep/f") {
		if e.Detail.From != strings.Replace(e.Detail.Path, moved, sub, 1) {
			t.Errorf("event %+v", e)
		}
	}
	put(t, filepath.Join(moved, "deep", "f"), "xyz", 0o644)
	put(t, filepath.Join(moved, "deep", "g"), "g", 0o644)
	r.happened(dir, "Create moved/deep/g", "Modify moved/deep/f")

	// The same name again is another folder.
	must(t, os.Mkdir(sub, 0o755))
	r.happened(dir, "Create sub")
	put(t, filepath.Join(sub, "h"), "", 0o644)
	r.happened(dir, "Create sub/h")

	must(t, os.RemoveAll(moved))
	r.happened(dir, "Delete moved", "Delete moved/deep", "Delete moved/deep/f", "Delete moved/deep/g")

	// Away from what is watched, and back.
	away := filepath.Join(t.TempDir(), "away")
	must(t, os.Rename(sub, away))
	r.happened(dir, "Delete sub", "Delete sub/h")
	must(t, os.Rename(away, sub))
	r.happened(dir, "Create sub", "Create sub/h")
	put(t, filepath.Join(sub, "h"), "h", 0o644)
	r.happened(dir, "Modify sub/h")
	r.happened(dir)
}

func TestAFileThatWasThereForAMomentIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := watching(t, dir)
	name := filepath.Join(dir, "flash")
	put(t, name, "x", 0o755)
	must(t, os.Remove(name))
	for _, e := range r.happened(dir, "Create flash", "Delete flash") {
		if !e.Detail.Transient && e.Detail.After == nil && e.Detail.Before == nil {
			t.Errorf("event %+v", e)
		}
	}
	r.happened(dir)
}

func TestOneWatchedFileAmongOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "one")
	r := watching(t, name) // not there yet
	put(t, filepath.Join(dir, "other"), "", 0o644)
	put(t, name, "", 0o644)
	r.happened(dir, "Create one")
	must(t, os.Remove(name))
	r.happened(dir, "Delete one")
	r.happened(dir)
}

func TestAWatchedLinkStandsForItsFolder(t *testing.T) {
	t.Parallel()
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, link))
	put(t, filepath.Join(dir, "f"), "x", 0o644)
	r := watching(t, link)
	if it := r.one(typeFile, filepath.Join(link, "f")); it.at("sizeBytes") != 1.0 {
		t.Errorf("item %s", it.raw)
	}
	put(t, filepath.Join(dir, "f"), "xy", 0o644)
	r.happened(link, "Modify f")
	r.happened(link)
}

func TestIgnoredAndMetadataOnlyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "x.log"), "1", 0o644)
	r := collect(t, patient(t, func(c *config) {
		c.Watch, c.Include = []string{dir}, []string{"file"}
		c.Ignore, c.MetadataOnly = []string{"**/*.swp", "**/.git/**"}, []string{"**/*.log"}
	}))
	put(t, filepath.Join(dir, "y.swp"), "", 0o644)
	put(t, filepath.Join(dir, "x.log"), "12", 0o644)
	must(t, os.Chmod(filepath.Join(dir, "x.log"), 0o600))
	r.happened(dir, "Chmod x.log")
	if it := r.one(typeFile, filepath.Join(dir, "x.log")); it.at("sizeBytes") != nil || it.at("notRead") != "metadata only" {
		t.Errorf("item %s", it.raw)
	}
	r.happened(dir)
}

func TestNamesThatAreNotUTF8AndPipes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := watching(t, dir)
	put(t, filepath.Join(dir, "a\xff"), "", 0o644)
	put(t, filepath.Join(dir, "a\xfe"), "", 0o644)
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o666))
	r.happened(dir, `Create a\xff`, `Create a\xfe`, "Create pipe")
	if it := r.one(typeFile, filepath.Join(dir, "pipe")); it.at("type") != "pipe" {
		t.Errorf("item %s", it.raw)
	}
	r.happened(dir)
}

func TestLargeFilesAreNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "big")
	must(t, os.WriteFile(name, make([]byte, 101), 0o644))
	r := collect(t, patient(t, func(c *config) { c.Watch, c.Include, c.MaxFileSize = []string{dir}, []string{"file"}, 100 }))
	if it := r.one(typeFile, name); it.at("notRead") != "too large" || it.at("sizeBytes") != 101.0 || it.at("sha256") != nil {
		t.Errorf("item %s", it.raw)
	}
	// A change still shows by its time.
	put(t, name, strings.Repeat("y", 101), 0o644)
	if e := r.happened(dir, "Modify big"); !slices.Equal(e[0].Detail.Changes, []string{"modifiedAt"}) {
		t.Errorf("event %+v", e[0])
	}
}

func TestTooManyFilesMakeTheSweepIncomplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 60 {
		put(t, filepath.Join(dir, fmt.Sprint(i)), "", 0o644)
	}
	r := collect(t, opened(t, func(c *config) { c.Watch, c.Include, c.MaxFiles = []string{dir}, []string{"file"}, 50 }))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sweeps[typeFile] || len(r.got) != 50 || len(r.problems) != 1 || !strings.Contains(r.problems[0].Detail, "max_files = 50") {
		t.Errorf("complete %v, %d items, problems %v", r.sweeps[typeFile], len(r.got), r.problems)
	}
}

// TestWithoutInotifyChangesAreFoundByLooking covers a machine whose limits leave no watcher.
func TestWithoutInotifyChangesAreFoundByLooking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	put(t, a, "1", 0o644)
	c := opened(t, func(c *config) { c.Watch, c.Include, c.Poll = []string{dir}, []string{"file"}, time.Second })
	c.newWatcher = func(filewatch.Options) (*filewatch.Watcher, error) {
		return nil, &filewatch.Limit{Sysctl: "fs.inotify.max_user_instances", Err: unix.EMFILE}
	}
	r := collect(t, c)
	r.until("the problem", func() bool { return len(r.problems) == 1 })
	if d := r.problems[0].Detail; !strings.Contains(d, "sysctl -w fs.inotify.max_user_instances=") {
		t.Errorf("problem %q does not say what to do", d)
	}
	put(t, a, "22", 0o644)
	put(t, b, "b", 0o644)
	if e := r.happened(dir, "Modify a", "Create b"); e[0].Detail.DetectedBy != "comparison" {
		t.Errorf("event %+v", e[0])
	}
	must(t, os.Rename(a, filepath.Join(dir, "c")))
	must(t, os.Remove(b))
	r.happened(dir, "Rename c", "Delete b")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) != 1 {
		t.Errorf("the problem is told %d times", len(r.problems))
	}
}

// TestLostHintsAreAGapAndALookAtEverything hands the collector a batch as it comes after an overflow.
func TestLostHintsAreAGapAndALookAtEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := filepath.Join(dir, "a")
	put(t, a, "1", 0o644)
	rec := newRecorder(t)
	c := opened(t, func(c *config) { c.Watch, c.Include = []string{dir}, []string{"file"} })
	r := &run{
		collector: c, out: rec, names: &nameTable{}, files: newTracker(100), told: newTold(),
		baseline: make(chan struct{}), again: make(chan struct{}, 1),
	}
	ctx := context.Background()
	must(t, r.pass(ctx, true))
	put(t, a, "changed", 0o644)
	now := time.Now()
	must(t, r.batch(ctx, filewatch.Batch{Lost: true, From: now.Add(-time.Second), To: now}))
	must(t, r.batch(ctx, filewatch.Batch{Lost: true, From: now.Add(-time.Second), To: now}))
	if len(rec.gaps) != 2 || len(r.again) != 1 {
		t.Errorf("gaps %v, looks asked for %d", rec.gaps, len(r.again))
	}
	must(t, r.pass(ctx, false))
	rec.happened(dir, "Modify a")
}

// TestASlowDaemonLosesNothing blocks the stream while files change.
func TestASlowDaemonLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := watching(t, dir)
	block := make(chan struct{})
	r.mu.Lock()
	r.block = block
	r.mu.Unlock()
	for i := range 500 {
		put(t, filepath.Join(dir, fmt.Sprint(i)), "x", 0o644)
	}
	close(block)
	r.until("all files", func() bool {
		made := map[string]bool{}
		for _, e := range r.events {
			if e.Action == actionCreate {
				made[e.Detail.Path] = true
			}
		}
		return len(made) == 500
	})
}

// TestWhatIsGoneBeforeItIsLookedAt goes through the orders in which hints about such a name can come.
func TestWhatIsGoneBeforeItIsLookedAt(t *testing.T) {
	t.Parallel()
	created, removed, moved := filewatch.Hint{Created: true}, filewatch.Hint{Removed: true}, filewatch.Hint{Moved: true}
	for _, c := range []struct {
		name  string
		hints []filewatch.Hint
		want  int
	}{
		{"made and removed at once", []filewatch.Hint{{Created: true, Removed: true}}, 1},
		{"made, then removed", []filewatch.Hint{created, {}, removed}, 1},
		{"made, then renamed", []filewatch.Hint{created, moved}, 0},
		{"made and renamed at once", []filewatch.Hint{{Created: true, Moved: true}}, 0},
		{"removed twice", []filewatch.Hint{created, removed, removed}, 1},
		{"twice", []filewatch.Hint{created, removed, created, removed}, 2},
		{"never made here", []filewatch.Hint{removed, moved}, 0},
	} {
		tr := newTracker(10)
		tr.baseline = true
		got := 0
		for _, h := range c.hints {
			for _, ch := range tr.apply(map[string]*observed{"x": nil}, map[string]filewatch.Hint{"x": h}, time.Now()) {
				if !ch.transient {
					t.Errorf("%s: %+v", c.name, ch)
				}
				got++
			}
		}
		if got != c.want || len(tr.ghosts) != 0 {
			t.Errorf("%s: told %d times, want %d; waiting %v", c.name, got, c.want, tr.ghosts)
		}
	}
}
