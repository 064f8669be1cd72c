package store

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/core/record"
)

func TestOneProcessOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("error %v, want one that names the process", err)
	}
}

func TestFolderWithAnOddName(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b?c#d%20&e")
	s := open(t, dir)
	update(t, s, func(tx *Tx) error { return tx.SetMeta("k", []byte("v")) })
	if _, err := os.Stat(filepath.Join(dir, "regent.db")); err != nil {
		t.Error(err)
	}
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"something else", func([]byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) }},
		{"its pages overwritten", func(b []byte) []byte {
			for i := 4096; i < len(b); i++ {
				b[i] = 0xa5
			}
			return b
		}},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			fillItems(t, s, 300)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(s.path())
			if err == nil {
				err = os.WriteFile(s.path(), c.damage(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := Open(t.Context(), Options{Dir: s.Dir()})
			if err == nil {
				again.Close()
			}
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), s.path()) || !strings.Contains(err.Error(), "restore the last backup") {
				t.Errorf("error %v, want one with the file and the way out", err)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	fillItems(t, s, 300)
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	update(t, s, func(tx *Tx) error { return tx.run(`INSERT INTO migrations (number, name) VALUES (99, 'later')`) })
	s.Close()
	if _, err := Open(t.Context(), Options{Dir: s.Dir()}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("error %v", err)
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	applied, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{
		"migrations/9998_good.sql": {Data: []byte(`CREATE TABLE good (a TEXT)`)},
		"migrations/9999_bad.sql":  {Data: []byte(`CREATE TABLE half (a TEXT); CREATE TABLE good (a TEXT)`)},
	}
	for _, name := range applied {
		files[name] = &fstest.MapFile{Data: []byte(`SELECT 1`)}
	}
	err = migrate(t.Context(), s.writer, files, s.dir)
	if err == nil || !strings.Contains(err.Error(), "9999_bad.sql") {
		t.Fatalf("error %v", err)
	}
	view(t, s, func(tx *Tx) error {
		var n int
		_, err := tx.one(`SELECT count(*) FROM sqlite_master WHERE name IN ('good', 'half')`, nil, &n)
		if n != 1 {
			t.Errorf("%d tables are there, want only that of the migration that succeeded", n)
		}
		return err
	})
}

func TestLockedByAnotherProgram(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	other, err := sql.Open("sqlite", "file:"+s.path())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c, err := other.Conn(t.Context())
	if err == nil {
		_, err = c.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return s.Update(context.Background(), func(tx *Tx) error { return tx.SetMeta("k", []byte("v")) })
	}
	if err := write(); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("error %v, want ErrLocked", err)
	}
	if _, err := c.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("the store does not go on: %v", err)
	}
}

// fill writes until it fails, and returns how many values were written.
func fill(s *Store) (int, error) {
	for n := range 1000 {
		err := s.Update(context.Background(), func(tx *Tx) error {
			b := make([]byte, 64<<10)
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			return tx.SetMeta(fmt.Sprint("k", n), b)
		})
		if err != nil {
			return n, err
		}
	}
	return 1000, nil
}

func checkFilled(s *Store, n int) error {
	return s.View(context.Background(), func(tx *Tx) error {
		for i := range n {
			if b, err := tx.Meta(fmt.Sprint("k", i)); len(b) != 64<<10 || err != nil {
				return fmt.Errorf("value %d of %d that were written is not there: %w", i, n, err)
			}
		}
		return nil
	})
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "regent-test", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system to be had: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	s := open(t, dir)
	n, err := fill(s)
	if !errors.Is(err, ErrFull) || n == 0 {
		t.Fatalf("after %d values: error %v, want ErrFull", n, err)
	}
	if err := checkFilled(s, n); err != nil {
		t.Error(err)
	}
	if out, err := exec.Command("mount", "-o", "remount,size=64m", dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %s", out)
	}
	// When there is room again, the same store goes on.
	update(t, s, func(tx *Tx) error { return tx.SetMeta("after", []byte("x")) })
}

// TestGreatestFileSize lets a process write up to the greatest size of a file that it may have.
func TestGreatestFileSize(t *testing.T) {
	if dir := os.Getenv("REGENT_STORE_LIMITED"); dir != "" {
		limitedChild(dir)
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestGreatestFileSize$")
	cmd.Env = append(os.Environ(), "REGENT_STORE_LIMITED="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "went on") {
		t.Errorf("%v: %s", err, out)
	}
}

func limitedChild(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	fail := func(args ...any) {
		fmt.Println(args...)
		os.Exit(1)
	}
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		fail(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		fail(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 3 << 20, Max: was.Max}); err != nil {
		fail(err)
	}
	n, err := fill(s)
	if !errors.Is(err, ErrFull) {
		fail("error", err, "want ErrFull")
	}
	if err := checkFilled(s, n); err != nil {
		fail(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		fail(err)
	}
	if err := s.Update(context.Background(), func(tx *Tx) error { return tx.SetMeta("after", []byte("x")) }); err != nil {
		fail(err)
	}
	fmt.Println("went on")
}

// TestKill kills a process that writes as fast as it can, and looks whether every transaction that it
// reported is there, whole, and nothing of any other.
func TestKill(t *testing.T) {
	if dir := os.Getenv("REGENT_STORE_CHILD"); dir != "" {
		writeForever(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	last := 0
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		cmd.Env = append(os.Environ(), "REGENT_STORE_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var reported int
		lines := bufio.NewScanner(out)
		killed := false
		for lines.Scan() {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "committed %d", &n); err != nil {
				t.Errorf("the child says %q", lines.Text())
				continue
			}
			reported = n
			// From the first line on, so that the child has begun to write.
			if !killed {
				killed = true
				time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait()
		s := open(t, dir)
		if err := s.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		view(t, s, func(tx *Tx) error {
			totals, err := tx.Totals()
			if err != nil {
				return err
			}
			n := int(totals["i"].Read)
			if n < reported || n > reported+10 || n < last {
				t.Errorf("round %d: %d events counted, %d reported, %d before", round, n, reported, last)
			}
			rows, _, err := tx.Events(EventFilter{Limit: 1_000_000})
			items, err2 := tx.CountResources()
			if len(rows) != n || int(items["A::B::C"]) != n/10 {
				t.Errorf("round %d: %d events and %d items stored, %d events counted", round, len(rows), items["A::B::C"], n)
			}
			last = n
			return errors.Join(err, err2)
		})
		s.Close()
	}
	if last == 0 {
		t.Error("the child never wrote anything")
	}
}

func writeForever(t *testing.T, dir string) {
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s.dups.limit = 300
	n := 0
	view(t, s, func(tx *Tx) error {
		totals, err := tx.Totals()
		n = int(totals["i"].Read)
		return err
	})
	for {
		var batch []record.Event
		for range 10 {
			n++
			batch = append(batch, event(t, fmt.Sprint(n), "a", t0.Add(time.Duration(n)*time.Second)))
		}
		e := EncodeEvents(batch)
		update(t, s, func(tx *Tx) error {
			if _, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 10, Stored: 10, Events: &e}); err != nil {
				return err
			}
			_, err := tx.PutItem(ItemWrite{Item: itemSpec{id: fmt.Sprint(n)}.item(t), Received: t0})
			return err
		})
		fmt.Printf("committed %d\n", n)
	}
}

// TestLockOutlivesItsProcess opens a folder whose daemon was killed while it started a child: the child
// has the lock for a moment longer.
func TestLockOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	held, err := take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lock"), fmt.Appendf(nil, "%d\n", gone.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { held.Close() })
	f, err := take(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestClosed asks a store that is closed: it says so, and holds nobody up.
func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	nothing := func(*Tx) error { return nil }
	if err := s.View(t.Context(), nothing); !errors.Is(err, errClosed) {
		t.Errorf("View: %v", err)
	}
	if err := s.Update(t.Context(), nothing); !errors.Is(err, errClosed) {
		t.Errorf("Update: %v", err)
	}
}
