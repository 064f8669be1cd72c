package filewatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func start(t *testing.T, dir string, opt Options) *Watcher {
	t.Helper()
	w, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

func next(t *testing.T, w *Watcher) Batch {
	t.Helper()
	select {
	case b := <-w.Batches():
		return b
	case <-time.After(10 * time.Second):
		t.Fatal("no batch came")
		return Batch{}
	}
}

func TestOneSaveIsOneBatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, tmp := filepath.Join(dir, "a"), filepath.Join(dir, ".a.tmp")
	w := start(t, dir, Options{Quiet: 100 * time.Millisecond})
	if err := os.WriteFile(tmp, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, name); err != nil {
		t.Fatal(err)
	}
	b := next(t, w)
	if len(b.Hints) != 2 || !b.Hints[name].Created || !b.Hints[tmp].Moved || b.Lost {
		t.Errorf("batch %+v", b)
	}
	// A second change of the same path is a hint again.
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if b := next(t, w); !b.Hints[name].Removed || len(b.Hints) != 1 {
		t.Errorf("batch %+v", b)
	}
}

func TestAFileThatIsWrittenAllTheTimeIsHandedOverAnyway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, dir, Options{Quiet: time.Minute, Delay: 200 * time.Millisecond})
	stop := make(chan struct{})
	finished := make(chan error)
	go func() {
		f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		for err == nil {
			select {
			case <-stop:
				finished <- f.Close()
				return
			default:
				_, err = fmt.Fprintln(f, "line")
			}
		}
		finished <- err
	}()
	if b := next(t, w); len(b.Hints) != 1 {
		t.Errorf("batch %+v", b)
	}
	close(stop)
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatWasForgottenCanBeAddedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	w := start(t, dir, Options{})
	for i := range 2 {
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(sub); err != nil {
			t.Fatal(err)
		}
		if n := w.Watched(); n != 2 {
			t.Errorf("%d folders are watched", n)
		}
		file := filepath.Join(sub, "f")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for {
			if b := next(t, w); b.Hints[file].Created {
				break
			}
		}
		if err := os.Rename(sub, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		w.Forget(sub)
	}
}

func TestOverflowIsTold(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	p := newPending(Options{Quiet: time.Second, Delay: time.Minute, MaxPaths: 2}, start)
	p.add(fsnotify.Event{Name: "a", Op: fsnotify.Write}, at(1))
	p.lose(at(5))
	p.lose(at(6))
	if b := p.ready; !b.Lost || !b.From.Equal(at(1)) || !b.To.Equal(at(6)) {
		t.Errorf("batch %+v", b)
	}
	p.ready = Batch{Hints: map[string]Hint{}}
	// More paths than may wait are a loss too, also where they wait to be taken.
	p.ripen(at(9))
	p.add(fsnotify.Event{Name: "b", Op: fsnotify.Write}, at(10))
	if p.ready.Lost || len(p.ready.Hints) != 1 {
		t.Errorf("batch %+v", p.ready)
	}
	p.add(fsnotify.Event{Name: "c", Op: fsnotify.Write}, at(11))
	if b := p.ready; !b.Lost || !b.From.Equal(at(10)) || len(b.Hints) != 0 || len(p.hints) != 0 {
		t.Errorf("batch %+v, waiting %v", b, p.hints)
	}
}

func TestHintsRipenTogether(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	p := newPending(Options{Quiet: 100 * time.Millisecond, Delay: 300 * time.Millisecond, MaxPaths: 9}, start)
	p.add(fsnotify.Event{Name: "old", Op: fsnotify.Rename}, at(0))
	p.add(fsnotify.Event{Name: "new", Op: fsnotify.Create}, at(2))
	p.add(fsnotify.Event{Name: "busy", Op: fsnotify.Write}, at(0))
	for ms := 20; ms <= 280; ms += 20 {
		p.add(fsnotify.Event{Name: "busy", Op: fsnotify.Write}, at(ms))
		p.ripen(at(ms + 10))
		want := 0
		if ms >= 100 {
			want = 2
		}
		if len(p.ready.Hints) != want {
			t.Fatalf("after %d ms the batch is %+v", ms, p.ready)
		}
	}
	if h := p.ready.Hints; !h["old"].Moved || !h["new"].Created {
		t.Errorf("batch %+v", h)
	}
	p.add(fsnotify.Event{Name: "old", Op: fsnotify.Create}, at(290))
	p.ripen(at(400))
	h := p.ready.Hints["old"]
	if len(p.ready.Hints) != 3 || !h.Moved || !h.Created || !h.First.Equal(at(0)) {
		t.Errorf("what nobody took is not added to: %+v", p.ready)
	}
}

func TestLimitsNameTheirSysctl(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		os.NewSyscallError("inotify_init1", syscall.EMFILE): "fs.inotify.max_user_instances",
		fmt.Errorf("add: %w", syscall.ENOSPC):               "fs.inotify.max_user_watches",
	} {
		l, ok := errors.AsType[*Limit](limit(err))
		if !ok || l.Sysctl != want || !errors.Is(l, errors.Unwrap(err)) {
			t.Errorf("limit(%v) = %v", err, l)
		}
	}
	if err := limit(syscall.EACCES); err != syscall.EACCES {
		t.Errorf("limit(EACCES) = %v", err)
	}
	w := start(t, t.TempDir(), Options{})
	if err := w.Add("/nonexistent"); err == nil {
		t.Error("a folder that is not there is watched")
	}
}
