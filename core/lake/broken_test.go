package lake

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// TestBroken loses files of the lake, and damages some: each is named, all else goes on, and when they are
// restored so does the rest.
func TestBroken(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, path string){
		"lost": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(b[len(b)/3:], bytes.Repeat([]byte{0xa5}, len(b)/3))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"cut": func(t *testing.T, path string) {
			if err := os.Truncate(path, 1000); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			var all []record.Event
			for i := range 2000 {
				all = append(all, makeEvent(t, i, t0.Truncate(24*time.Hour).Add(time.Duration(i)*time.Second)))
			}
			for chunk := range slices.Chunk(all[:1500], 100) {
				b.put(t, 50, chunk...)
				b.item(t, "x", len(chunk)+int(chunk[0].Time.Unix()%1000), chunk[0].Time, "OK")
				b.flush(t)
			}
			before := b.manifest(t, table.Events)
			broken := before[3]
			path := filepath.Join(b.dir, "lake", broken.Path)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			harm(t, path)
			// Whoever asks for what is in it is told; the rest is compacted.
			if err := b.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			said := b.Broken()
			if len(said) != 1 || said[0].Path != broken.Path || !strings.Contains(said[0].Err.Error(), broken.Path) || !lost(said[0].Err) {
				t.Fatalf("broken: %v", said)
			}
			after := b.manifest(t, table.Events)
			if len(after) != 2 || !slices.ContainsFunc(after, func(f store.LakeFile) bool { return f.Path == broken.Path }) || len(b.manifest(t, table.Items)) != 1 {
				t.Errorf("%d files of events are left, %d of items", len(after), len(b.manifest(t, table.Items)))
			}
			if err := b.Walk(t.Context(), table.Events, Range{}, func(Record) error { return nil }); !lost(err) || !strings.Contains(err.Error(), broken.Path) {
				t.Errorf("a walk: %v", err)
			}
			// What comes goes on being drained, and is found.
			b.put(t, 50, all[1500:]...)
			b.flush(t)
			if n := len(b.manifest(t, table.Events)); n != 3 {
				t.Errorf("%d files of events after more came", n)
			}
			if rows, _, err := b.Events(t.Context(), store.EventFilter{From: all[1600].Time, Limit: 10}); err != nil || len(rows) != 10 {
				t.Errorf("%d of the newest events, %v", len(rows), err)
			}
			// So it does for the next process, which knows what is broken.
			known := b.Broken()
			b.reopen(t)
			b.broken.files[broken.Path] = &brokenFile{Broken: known[0]}
			b.now = b.now.Add(100 * time.Hour)
			if err := b.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(b.Broken()) != 1 {
				t.Errorf("broken: %v", b.Broken())
			}
			// Restored, all is whole.
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			b.now = b.now.Add(2 * damagedEvery)
			if err := b.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(b.Broken()) != 0 {
				t.Errorf("broken: %v", b.Broken())
			}
			if n := len(b.manifest(t, table.Events)); n > 2 {
				t.Errorf("%d files of events at the end", n)
			}
			got := rows(t, b, &events)
			if len(got) != len(all) {
				t.Fatalf("%d rows", len(got))
			}
			for i := range got {
				if string(got[i].Record) != string(all[i].Body) {
					t.Fatalf("row %d is another", i)
				}
			}
			b.check(t)
		})
	}
}

// TestCompactionChecks holds that files are put together only where their records are those that were written.
func TestCompactionChecks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put(t, 100, makeEvents(t, 300, 1)...)
	b.flush(t)
	var files []manifest.File
	for _, f := range b.manifest(t, table.Events) {
		files = append(files, f.File)
	}
	local := filepath.Join(b.dir, "out")
	if _, _, err := mergeFiles(t.Context(), b.Lake, &events, files, local, nil); err != nil {
		t.Fatal(err)
	}
	files[0].Root[0]++
	_, _, err := mergeFiles(t.Context(), b.Lake, &events, files, local, nil)
	if !errors.Is(err, ErrDamaged) || errors.Is(err, blob.ErrNotFound) || len(b.Broken()) != 1 {
		t.Errorf("error %v, broken %v", err, b.Broken())
	}
}

// TestForget gives a lost file up; one that is whole, or whole again, is not to be had.
func TestForget(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	all := makeEvents(t, 300, 1)
	for chunk := range slices.Chunk(all, 100) {
		b.put(t, 100, chunk...)
		b.flush(t)
	}
	files := b.manifest(t, table.Events)
	lost := filepath.Join(b.dir, "lake", files[0].Path)
	whole, err := os.ReadFile(lost)
	if err != nil {
		t.Fatal(err)
	}
	walk := func() (n int, err error) {
		err = b.Walk(t.Context(), table.Events, Range{}, func(Record) error { n++; return nil })
		return n, err
	}
	for range 2 {
		if err := os.Remove(lost); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if _, err := walk(); err == nil {
			t.Fatal("a walk goes well though a file is lost")
		}
		if err := b.Forget(t.Context(), files[1].Path, "eve"); !errors.Is(err, ErrNotBroken) {
			t.Errorf("a whole file: %v", err)
		}
		if err := os.WriteFile(lost, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Forget(t.Context(), files[0].Path, "eve"); !errors.Is(err, ErrNotBroken) {
			t.Errorf("a restored file: %v", err)
		}
		if n, err := walk(); n != 300 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
	}
	if err := os.Truncate(lost, 10); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := walk(); err == nil {
		t.Fatal("a walk goes well though a file is cut")
	}
	if err := b.Forget(t.Context(), files[0].Path, "eve"); err != nil {
		t.Fatal(err)
	}
	if n, err := walk(); n != 300-int(files[0].Rows) || err != nil || len(b.Broken()) != 0 {
		t.Errorf("%d rows, %v, broken %v", n, err, b.Broken())
	}
	err = b.store.View(t.Context(), func(tx *store.Tx) error {
		changes, err := tx.LakeChanges(0, 100)
		last := changes[len(changes)-1]
		if last.Kind != manifest.Loss || len(last.Removed) != 1 || last.Removed[0].Path != files[0].Path || !strings.HasPrefix(last.Setting, "eve: read ") {
			t.Errorf("the last change: %+v", last)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
