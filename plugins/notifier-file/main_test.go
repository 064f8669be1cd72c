package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/sdk"
)

// notification makes one whose line has some more than size bytes.
func notification(id string, size int) sdk.Notification {
	n := sdk.Notification{
		ID: id, Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Source: "regent://x", Route: "r", Class: "compliance",
		Status: sdk.StatusFiring, Severity: "high", Title: "A title", Text: strings.Repeat("x", size),
	}
	n.JSON, _ = json.Marshal(n)
	return n
}

func start(t *testing.T, cfg config) *notifier {
	t.Helper()
	if cfg.MaxSize == 0 {
		cfg.MaxSize = 1 << 20
	}
	if cfg.Keep == 0 {
		cfg.Keep = 5
	}
	n, err := open(t.Context(), cfg, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	f := n.(*notifier)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func deliver(t *testing.T, n *notifier, id string, size int) {
	t.Helper()
	if r := n.Notify(t.Context(), notification(id, size)); r.Outcome != sdk.OutcomeDelivered {
		t.Fatalf("%s: %+v", id, r)
	}
}

// ids reads the ids of a file, each line of which must be a CloudEvent.
func ids(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		t.Errorf("%s ends in half a line: …%q", filepath.Base(path), b[max(0, len(b)-40):])
	}
	var out []string
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var ev struct{ ID, SpecVersion string }
		if err := json.Unmarshal(s.Bytes(), &ev); err != nil || ev.SpecVersion != "1.0" {
			t.Errorf("%s: %q is no CloudEvent: %v", filepath.Base(path), s.Text(), err)
		}
		out = append(out, ev.ID)
	}
	return out
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := config{Path: filepath.Join(dir, "out.jsonl"), MaxSize: 4096, Keep: 1}
	if _, err := open(t.Context(), good, sdk.Env{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(good.Path); !os.IsNotExist(err) {
		t.Errorf("open has made the file: %v", err)
	}
	for _, c := range []struct {
		change func(*config)
		want   string
	}{
		{func(c *config) { c.Path = "out.jsonl" }, "absolute"},
		{func(c *config) { c.Path = filepath.Join(dir, "none", "x") }, "is not there"},
		{func(c *config) { c.Path = dir }, "not a regular file"},
		{func(c *config) { c.Path = os.DevNull }, "not a regular file"},
		{func(c *config) { c.MaxSize = 4095 }, "at least 4096"},
		{func(c *config) { c.Keep = 0 }, "at least 1"},
	} {
		cfg := good
		c.change(&cfg)
		if _, err := open(t.Context(), cfg, sdk.Env{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", cfg, err, c.want)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.jsonl")
	n := start(t, config{Path: path, MaxSize: 4096, Keep: 2})
	// One line is larger than a file may be: it gets a file of its own instead of none.
	for i, size := range []int{1500, 100, 1500, 9000, 100, 1500, 1500} {
		deliver(t, n, fmt.Sprintf("d%d", i), size)
	}
	got := map[string][]string{}
	for _, name := range []string{path, path + ".1", path + ".2"} {
		got[strings.TrimPrefix(name, path)] = ids(t, name)
	}
	if diff := cmp.Diff(map[string][]string{"": {"d6"}, ".1": {"d4", "d5"}, ".2": {"d3"}}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(path + ".3"); !os.IsNotExist(err) {
		t.Errorf("more files than are to be kept: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: notifications are for the daemon's user", info.Mode(), err)
	}
}

// TestAgain delivers what was delivered: by the same process, by the next one, and after a crash that
// left half a line.
func TestAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.jsonl")
	cfg := config{Path: path, MaxSize: 4096, Keep: 2}
	n := start(t, cfg)
	for _, id := range []string{"a", "b", "c"} {
		deliver(t, n, id, 1500)
	}
	deliver(t, n, "a", 1500)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The half line holds an id all the same.
	if _, err := f.WriteString(`{"id":"d","specversion":"1.0","da`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	next := start(t, cfg)
	for _, id := range []string{"a", "c", "d"} {
		deliver(t, next, id, 10)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, append(ids(t, path+".1"), ids(t, path)...)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out.jsonl")
	n := start(t, config{Path: path, MaxSize: 8192, Keep: 100})
	const writers, each = 8, 10
	var wg sync.WaitGroup
	var want []string
	for w := range writers {
		for i := range each {
			want = append(want, fmt.Sprintf("%d-%d", w, i))
		}
		wg.Go(func() {
			for i := range each {
				// The shared id comes from everybody and is written once.
				for _, id := range []string{fmt.Sprintf("%d-%d", w, i), "shared"} {
					if r := n.Notify(t.Context(), notification(id, 700)); r.Outcome != sdk.OutcomeDelivered {
						t.Errorf("%s: %+v", id, r)
					}
				}
			}
		})
	}
	wg.Wait()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v: nothing was rotated", files, err)
	}
	var got []string
	for _, f := range files {
		got = append(got, ids(t, f)...)
	}
	want = append(want, "shared")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

// TestMovedAway does what logrotate and people do to files: what comes afterwards must not go where
// nobody can find it.
func TestMovedAway(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(path string) error{
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"deleted": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "out.jsonl")
			n := start(t, config{Path: path})
			deliver(t, n, "before", 100)
			if err := act(path); err != nil {
				t.Fatal(err)
			}
			deliver(t, n, "after", 100)
			if diff := cmp.Diff([]string{"after"}, ids(t, path)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnwritable takes the folder away, which stops root as well, and gives it back.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "out.jsonl")
	n := start(t, config{Path: path, MaxSize: 4096, Keep: 1})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if r := n.Notify(t.Context(), notification("a", 10)); r.Outcome != sdk.OutcomeRetry || !strings.Contains(r.Detail, path) {
		t.Errorf("%+v, want a retry that names the file", r)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	deliver(t, n, "a", 3000)
	// A folder that bears the name of a rotated file makes rotation impossible.
	if err := os.MkdirAll(filepath.Join(path+".1", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := n.Notify(t.Context(), notification("b", 3000)); r.Outcome != sdk.OutcomeRetry {
			t.Errorf("%+v, want a retry", r)
		}
	}
	if err := os.RemoveAll(path + ".1"); err != nil {
		t.Fatal(err)
	}
	deliver(t, n, "b", 3000)
	if diff := cmp.Diff([]string{"a", "b"}, append(ids(t, path+".1"), ids(t, path)...)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// TestNoRoom writes where files cannot grow beyond a size, which fails in the middle of a line as a full
// disk does and needs no rights. The limit is a process's, so the test runs itself in one of its own.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	const name = "REGENT_TEST_NO_ROOM"
	path := os.Getenv(name)
	if path == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoRoom$", "-test.v")
		cmd.Env = append(os.Environ(), name+"="+filepath.Join(t.TempDir(), "out.jsonl"))
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestNoRoom")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	// The kernel sends it along with the error of the write.
	signal.Ignore(syscall.SIGXFSZ)
	limit := func(size uint64) {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
		if l.Cur = size; size == 0 {
			l.Cur = l.Max
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	n := start(t, config{Path: path})
	deliver(t, n, "a", 3000)
	limit(5000)
	for range 2 {
		if r := n.Notify(t.Context(), notification("b", 3000)); r.Outcome != sdk.OutcomeRetry || !strings.Contains(r.Detail, "file too large") {
			t.Errorf("%+v, want a retry that says why", r)
		}
		if diff := cmp.Diff([]string{"a"}, ids(t, path)); diff != "" {
			t.Errorf("lines without room (-want +got):\n%s", diff)
		}
	}
	// What fits is still taken.
	deliver(t, n, "c", 100)
	limit(0)
	deliver(t, n, "b", 3000)
	if diff := cmp.Diff([]string{"a", "c", "b"}, ids(t, path)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
