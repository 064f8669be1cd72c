package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a builder that notes what it was given.
type recorder struct {
	mu    sync.Mutex
	built []string
	bad   string
	grown chan struct{}
}

func (r *recorder) build(_ context.Context, s Snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var text []string
	for _, f := range s.Content.([]File) {
		text = append(text, filepath.Base(f.Path)+"="+string(f.Bytes))
	}
	all := strings.Join(text, " ")
	if r.bad != "" && strings.Contains(all, r.bad) {
		return errors.New("refused")
	}
	r.built = append(r.built, all)
	select {
	case r.grown <- struct{}{}:
	default:
	}
	return nil
}

func (r *recorder) wait(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		r.mu.Lock()
		n := len(r.built)
		got := ""
		if n > 0 {
			got = r.built[n-1]
		}
		r.mu.Unlock()
		if got == want {
			return
		}
		select {
		case <-r.grown:
		case <-deadline:
			t.Fatalf("built %q last, want %q", got, want)
		}
	}
}

func start(t *testing.T, root string) (*recorder, *Loop) {
	t.Helper()
	r := &recorder{grown: make(chan struct{}, 1)}
	read := func() (Snapshot, error) {
		tree, err := ReadTree(root, ".rego")
		if err != nil {
			return Snapshot{}, err
		}
		return Snapshot{Digest: Digest(tree.Files), Folders: tree.Folders, Content: tree.Files}, nil
	}
	s, err := read()
	if err != nil {
		t.Fatal(err)
	}
	l := New(Options{
		Log: slog.New(slog.DiscardHandler), Read: read, Build: r.build, Failed: func(error) {},
		Quiet: 50 * time.Millisecond, Longest: 500 * time.Millisecond, Every: 20 * time.Second, Retry: 100 * time.Millisecond,
	}, s.Digest)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx, s.Folders) }()
	t.Cleanup(func() { cancel(); <-done })
	// The watch must be there before the test changes anything.
	if err := l.Now(ctx); err != nil {
		t.Fatal(err)
	}
	return r, l
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoopSeesEverySavePattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		save func(t *testing.T, dir string)
		want string
	}{
		{"in place", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a.rego"), "2") }, "a.rego=2"},
		{"atomic rename", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".a.tmp"), "2")
			must(t, os.Rename(filepath.Join(dir, ".a.tmp"), filepath.Join(dir, "a.rego")))
		}, "a.rego=2"},
		{"vim", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "a.rego"), filepath.Join(dir, "a.rego~")))
			write(t, filepath.Join(dir, "a.rego"), "2")
			must(t, os.Remove(filepath.Join(dir, "a.rego~")))
		}, "a.rego=2"},
		{"truncate, then write", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "a.rego"), "")
			time.Sleep(20 * time.Millisecond)
			write(t, filepath.Join(dir, "a.rego"), "2")
		}, "a.rego=2"},
		{"a new folder with a file in it", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "sub", "b.rego"), "2") }, "a.rego=1 b.rego=2"},
		{"a folder moved in, then a file in it changed", func(t *testing.T, dir string) {
			write(t, filepath.Join(filepath.Dir(dir), "staging", "b.rego"), "1")
			must(t, os.Rename(filepath.Join(filepath.Dir(dir), "staging"), filepath.Join(dir, "sub")))
			time.Sleep(300 * time.Millisecond)
			write(t, filepath.Join(dir, "sub", "b.rego"), "2")
		}, "a.rego=1 b.rego=2"},
		{"removal", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "a.rego"))) }, ""},
		{"the whole folder replaced", func(t *testing.T, dir string) {
			must(t, os.Rename(dir, dir+".old"))
			write(t, filepath.Join(dir, "a.rego"), "2")
		}, "a.rego=2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "policies")
			write(t, filepath.Join(dir, "a.rego"), "1")
			r, l := start(t, dir)
			c.save(t, dir)
			if c.name == "the whole folder replaced" {
				// The watch went with the old folder; what finds the new one is the periodic
				// reading, which is brought forward here.
				_ = l.Now(t.Context())
			}
			r.wait(t, c.want)
		})
	}
}

// TestLoopSeesConfigMapSwap makes the moves that a kubelet makes.
func TestLoopSeesConfigMapSwap(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mount")
	version := func(n int) {
		name := fmt.Sprintf("..2026_%d", n)
		write(t, filepath.Join(dir, name, "a.rego"), fmt.Sprint(n))
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if n > 1 {
			must(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%d", n-1))))
		}
	}
	must(t, os.MkdirAll(dir, 0o755))
	version(1)
	must(t, os.Symlink("..data/a.rego", filepath.Join(dir, "a.rego")))
	r, _ := start(t, dir)
	for n := 2; n < 5; n++ {
		version(n)
		r.wait(t, fmt.Sprintf("a.rego=%d", n))
	}
}

func TestLoopBuildsOnceAndOnlyOnChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.rego"), "1")
	r, _ := start(t, dir)
	r.wait(t, "a.rego=1")
	for range 5 {
		write(t, filepath.Join(dir, "a.rego"), "1")
		write(t, filepath.Join(dir, "notes.txt"), "x")
	}
	time.Sleep(400 * time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.built) != 1 {
		t.Errorf("built %q, want the first alone", r.built)
	}
}

func TestLoopKeepsWhatWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.rego"), "1")
	r, l := start(t, dir)
	r.mu.Lock()
	r.bad = "broken"
	r.mu.Unlock()
	write(t, filepath.Join(dir, "a.rego"), "broken")
	if err := l.Now(t.Context()); err == nil {
		t.Error("a refused build is reported as success")
	}
	write(t, filepath.Join(dir, "a.rego"), "3")
	r.wait(t, "a.rego=3")
}

func TestReadTreeRefusesWhatAnyoneMayWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.rego"), "1")
	must(t, os.Chmod(filepath.Join(dir, "a.rego"), 0o666))
	if _, err := ReadTree(dir, ".rego"); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("error %v, want one with the way out", err)
	}
	must(t, os.Chmod(filepath.Join(dir, "a.rego"), 0o644))
	must(t, os.Chmod(dir, 0o777))
	if _, err := ReadTree(dir, ".rego"); err == nil {
		t.Error("a folder that anyone may write is read")
	}
}

func TestReadTreeSurvivesLinksInCircles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.rego"), "1")
	must(t, os.Symlink(dir, filepath.Join(dir, "loop")))
	must(t, os.Symlink("nowhere.rego", filepath.Join(dir, "gone.rego")))
	tree, err := ReadTree(dir, ".rego")
	if err != nil || len(tree.Files) != 1 {
		t.Errorf("%d files, %v", len(tree.Files), err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
