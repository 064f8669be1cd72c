package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func folder(t testing.TB, dir string) *FolderBucket {
	t.Helper()
	b, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFolder(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T) Bucket { return folder(t, filepath.Join(t.TempDir(), "deep", "lake")) })
}

// leftovers lists the files that were being written.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"", "*", "*/*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern, tempPrefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names...)
	}
	return out
}

func TestFolderLocal(t *testing.T) {
	t.Parallel()
	b := folder(t, t.TempDir())
	put(t, b, "a/b", []byte("x"))
	file, ok := b.Local("a/b")
	if got, err := os.ReadFile(file); !ok || string(got) != "x" || err != nil {
		t.Errorf("%s, %v: %q, %v", file, ok, got, err)
	}
	for _, key := range []string{"a", "a/c", "../x", ""} {
		if _, ok := b.Local(key); ok {
			t.Errorf("%q is there", key)
		}
	}
}

func TestFolderForeign(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := folder(t, dir)
	put(t, b, "events/a", []byte("x"))
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "lost+found"), 0),
		os.WriteFile(filepath.Join(dir, "a\nb"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "events", "note.txt"), []byte("hello"), 0o600),
		os.Symlink("nowhere", filepath.Join(dir, "link")),
		os.Symlink("self", filepath.Join(dir, "self")),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.Mkdir(filepath.Join(dir, "folder"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b = folder(t, dir)
	if diff := cmp.Diff([]string{"events/a", "events/note.txt"}, keys(t, b, "")); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{"folder", "link"} {
		if _, err := b.Open(t.Context(), key); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: error %v", key, err)
		}
	}
	// Loops that lead through the folder are gone through once; links to folders elsewhere are followed.
	elsewhere := t.TempDir()
	for _, err := range []error{
		os.Symlink(dir, filepath.Join(dir, "loop")), os.Symlink(dir, filepath.Join(dir, "loop2")), os.Symlink(filepath.Join(dir, "events"), filepath.Join(dir, "events", "loop")),
		os.Symlink(elsewhere, filepath.Join(dir, "verdicts")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, b, "verdicts/a", []byte("x"))
	if err := os.WriteFile(filepath.Join(elsewhere, tempPrefix+"LEFT"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b = folder(t, dir)
	if diff := cmp.Diff([]string{"events/a", "events/note.txt", "verdicts/a"}, keys(t, b, "")); diff != "" {
		t.Error(diff)
	}
	if got := leftovers(t, elsewhere); len(got) != 0 {
		t.Errorf("%q are left", got)
	}
}

func TestFolderMissing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lake")
	b := folder(t, dir)
	put(t, b, "a", []byte("x"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, openErr := b.Open(t.Context(), "a")
	for _, err := range []error{openErr, b.List(t.Context(), "", func(Info) error { return nil })} {
		if !errors.Is(err, ErrNoBucket) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "mount") {
			t.Errorf("error %v, want ErrNoBucket with the folder and the way out", err)
		}
	}
	// Putting makes it anew, as an operator may have meant.
	put(t, b, "a", []byte("x"))
	for _, key := range []string{"a/b", "a/b/c"} {
		if err := b.Put(t.Context(), key, source(t, nil)); err == nil || !strings.Contains(err.Error(), "a file where a folder should") {
			t.Errorf("error %v, want one that says what lies there", err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	// Where it is a file there can be no folder.
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Folder(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
	if _, err := Folder(filepath.Join(dir, "below")); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
}

// TestFolderLeftovers has one file that was left behind and one that another process is writing.
func TestFolderLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := folder(t, dir)
	put(t, b, "events/a", []byte("x"))
	left := filepath.Join(dir, "events", tempPrefix+"LEFT")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"events/a"}, keys(t, b, "")); diff != "" {
		t.Error(diff)
	}
	err := b.write(t.Context(), "events/b", true, func(f *os.File) error {
		folder(t, dir)
		if got := leftovers(t, dir); len(got) != 1 || got[0] != f.Name() {
			t.Errorf("there are %q, want only the file that is being written", got)
		}
		_, err := f.WriteString("whole")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := content(t.Context(), b, "events/b"); string(got) != "whole" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	if got := leftovers(t, dir); len(got) != 0 {
		t.Errorf("%q are left", got)
	}
}

func TestFolderDeleteRemovesEmptyFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := folder(t, dir)
	put(t, b, "events/date=1/a", []byte("x"))
	put(t, b, "events/date=2/a", []byte("x"))
	if err := b.Delete(t.Context(), "events/date=1/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "events", "date=1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty folder is there: %v", err)
	}
	if err := b.Delete(t.Context(), "events/date=2/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

// mount makes a small file system, or skips.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "regent-test", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system to be had: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// holdsFull puts more than fits, and then something small.
func holdsFull(ctx context.Context, b Bucket, big, small string) error {
	err := b.Put(ctx, "events/big", big)
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), b.String()) || !strings.Contains(err.Error(), "make room") {
		return fmt.Errorf("error %w, want ErrFull with the folder and the way out", err)
	}
	if _, err := b.Open(ctx, "events/big"); !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("error %w, want ErrNotFound", err)
	}
	return b.Put(ctx, "events/small", small)
}

func TestFolderFull(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=1m")
	b := folder(t, filepath.Join(dir, "lake"))
	if err := holdsFull(t.Context(), b, source(t, make([]byte, 2<<20)), source(t, []byte("x"))); err != nil {
		t.Error(err)
	}
	if got := leftovers(t, b.dir); len(got) != 0 {
		t.Errorf("%q are left", got)
	}
}

// TestFolderGreatestFileSize is the full folder for machines where nothing can be mounted.
func TestFolderGreatestFileSize(t *testing.T) {
	if dir := os.Getenv("REGENT_BLOB_LIMITED"); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: unix.RLIM_INFINITY})
		if err == nil {
			var b *FolderBucket
			if b, err = Folder(filepath.Join(dir, "lake")); err == nil {
				err = holdsFull(context.Background(), b, filepath.Join(dir, "big"), filepath.Join(dir, "small"))
			}
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("went on")
		return
	}
	t.Parallel()
	dir := t.TempDir()
	for name, n := range map[string]int{"big": 2 << 20, "small": 1} {
		if err := os.WriteFile(filepath.Join(dir, name), random(1, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestFolderGreatestFileSize$")
	cmd.Env = append(os.Environ(), "REGENT_BLOB_LIMITED="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "went on") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestFolderReadOnly has a folder that may be read only, as file system and, where we are not root, by
// its rights.
func TestFolderReadOnly(t *testing.T) {
	t.Parallel()
	var dir string
	if os.Geteuid() == 0 {
		dir = mount(t, "size=1m")
	} else {
		dir = t.TempDir()
	}
	b := folder(t, dir)
	put(t, b, "events/a", []byte("x"))
	if err := os.WriteFile(filepath.Join(dir, "events", tempPrefix+"LEFT"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
			t.Fatalf("remount: %s", out)
		}
	} else {
		for _, d := range []string{filepath.Join(dir, "events"), dir} {
			if err := os.Chmod(d, 0o500); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(d, 0o700) })
		}
	}
	// It can be opened and read.
	b = folder(t, dir)
	if got, err := content(t.Context(), b, "events/a"); string(got) != "x" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	_, newErr := Folder(filepath.Join(dir, "new"))
	for _, err := range []error{newErr, b.Put(t.Context(), "events/b", source(t, []byte("x"))), b.Put(t.Context(), "other/b", source(t, []byte("x"))), b.Delete(t.Context(), "events/a")} {
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "right to write") {
			t.Errorf("error %v, want ErrReadOnly with the folder and the way out", err)
		}
	}
}

// TestFolderKill kills a process that puts as fast as it can, and looks whether every object that it
// reported is there, and all are whole.
func TestFolderKill(t *testing.T) {
	if dir := os.Getenv("REGENT_BLOB_KILLED"); dir != "" {
		b, err := Folder(filepath.Join(dir, "lake"))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		killedChild(b, filepath.Join(dir, "source"))
	}
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "source"), random(3, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestFolderKill$")
		cmd.Env = append(os.Environ(), "REGENT_BLOB_KILLED="+dir)
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It is killed while a file is being written that is not yet whole.
		deadline := time.Now().Add(20 * time.Second)
		for half := false; !half; {
			if time.Now().After(deadline) {
				t.Fatal("the child writes nothing")
			}
			for _, name := range leftovers(t, filepath.Join(dir, "lake")) {
				info, err := os.Stat(name)
				half = half || err == nil && info.Size() < 4<<20
			}
		}
		time.Sleep(time.Duration(round) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		seen += len(leftovers(t, filepath.Join(dir, "lake")))
		b := folder(t, filepath.Join(dir, "lake"))
		if got := leftovers(t, b.dir); len(got) != 0 {
			t.Errorf("%q are left", got)
		}
		for _, key := range append(strings.Fields(out.String()), keys(t, b, "")...) {
			if got, err := content(t.Context(), b, key); err != nil || !bytes.Equal(got, random(3, 4<<20)) {
				t.Fatalf("%s: %d bytes, error %v", key, len(got), err)
			}
		}
	}
	if seen == 0 {
		t.Error("no kill came while a file was being written")
	}
}

// killedChild puts, and reports on standard output, until it is killed.
func killedChild(b Bucket, file string) {
	var err error
	for n := 0; err == nil; n++ {
		key := fmt.Sprintf("events/%d", n%16)
		if err = b.Put(context.Background(), key, file); err == nil {
			// The report goes out in one write, so that none is cut.
			_, err = os.Stdout.WriteString(key + "\n")
		}
	}
	fmt.Println(err)
	os.Exit(1)
}
