package channel

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// crashAt names the environment variable that makes the test binary a process that kills itself: at
// "gather", "before" or "after", the nth time.
const crashAt = "REGENT_CHANNEL_CRASH"

// killer ends the process as SIGKILL does, at its nth call with a word.
type killer struct {
	word string
	nth  int64
	n    atomic.Int64
}

func (k *killer) at(word, _ string) error {
	if word == k.word && k.n.Add(1) == k.nth {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	}
	return nil
}

// killedReads is a store that kills in the middle of gathering.
type killedReads struct {
	*store.Store
	k *killer
}

// EventsAfter implements Events.
func (e killedReads) EventsAfter(ctx context.Context, number int64, limit int) ([]store.EventRow, error) {
	out, err := e.Store.EventsAfter(ctx, number, limit)
	if len(out) > 0 {
		if err := e.k.at("gather", ""); err != nil {
			return nil, err
		}
	}
	return out, err
}

func crashSpecs(b *bucket) []Spec {
	return []Spec{
		{Kind: Trail, Name: "t", Every: 20 * time.Millisecond, Bucket: b, Notify: []record.Instance{"notifier.file.out"}},
		{Kind: History, Name: "s", Every: 20 * time.Millisecond, Bucket: b, Notify: []record.Instance{"notifier.file.out"}},
	}
}

// runUntilCrash is the process that is killed.
func runUntilCrash() {
	k := &killer{}
	if _, err := fmt.Sscan(os.Getenv(crashAt), &k.word, &k.nth); err != nil {
		panic(err)
	}
	dir := os.Getenv(crashAt + "_DIR")
	s, err := store.Open(context.Background(), store.Options{Dir: filepath.Join(dir, "d")})
	if err != nil {
		panic(err)
	}
	m := New(Options{
		Store: s, Events: killedReads{s, k}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Now: time.Now, Source: "regent://test",
		Dir: filepath.Join(dir, "spool"), FirstWait: time.Millisecond, LongestWait: time.Millisecond,
	})
	m.Use(crashSpecs(&bucket{dir: filepath.Join(dir, "bucket"), hook: k.at}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = m.Run(ctx)
}

// TestKilled kills a real process at each of its steps, again and again while records come, and then lets one
// run to the end: every record is in the bucket once, no key ever had two contents, and each file was told
// of once.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &bucket{dir: filepath.Join(dir, "bucket")}
	events, items := 0, 0
	add := func() {
		s, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "d")})
		if err != nil {
			t.Fatal(err)
		}
		addEvents(t, s, events, events+7)
		events += 7
		for range 3 {
			addItem(t, s, fmt.Sprint("a", items%2), fmt.Sprintf("i%06d", items), "{}", t0.Add(time.Duration(items)*time.Second), record.StatusOK)
			items++
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, crash := range []string{"gather 1", "before 1", "after 1", "before 2", "after 2", "gather 1", "before 1", "before 1", "after 1", "after 1", "after 3", "before 4"} {
		add()
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), crashAt+"="+crash, crashAt+"_DIR="+dir)
		out, err := cmd.CombinedOutput()
		if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !st.Signaled() || st.Signal() != syscall.SIGKILL {
			t.Fatalf("%s: the process was not killed: %v\n%s", crash, err, out)
		}
	}
	s := openStore(t, filepath.Join(dir, "d"))
	start(t, s, filepath.Join(dir, "spool"), nil, crashSpecs(b)...)
	want := eventIDs(0, events)
	for i := range items {
		want = append(want, fmt.Sprintf("i%06d", i))
	}
	until(t, "everything in the bucket", func() bool { return len(b.ids(t)) >= len(want) })
	if diff := cmp.Diff(want, b.ids(t)); diff != "" {
		t.Error(diff)
	}
	log, err := os.ReadFile(b.dir + ".log")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	puts := len(lines)
	slices.Sort(lines)
	lines = slices.Compact(lines)
	keys := map[string]bool{}
	for _, l := range lines {
		key, _, _ := strings.Cut(l, " ")
		if keys[key] {
			t.Errorf("%s was put with two contents", key)
		}
		keys[key] = true
	}
	if puts == len(lines) {
		t.Error("nothing was put twice: the kills after a put came to nothing")
	}
	// A file is in the bucket a moment before the notification of it is.
	until(t, "a notification of each file", func() bool { return len(notified(t, s)) >= len(lines) })
	if diff := cmp.Diff(lines, notified(t, s)); diff != "" {
		t.Errorf("what was put and what was told differ: %s", diff)
	}
}
