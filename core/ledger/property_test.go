package ledger_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/ledger"
)

// folder is a copy of a lake that tests tamper with and put back.
type folder struct {
	t     testing.TB
	r     *rig
	o     ledger.VerifyOptions
	files []string
	bytes map[string][]byte
}

func newFolder(t testing.TB, history func(r *rig)) *folder {
	r := newRig(t)
	history(r)
	f := &folder{t: t, r: r, bytes: map[string][]byte{}}
	f.o = ledger.VerifyOptions{Bucket: r.bucket, PublicKeys: []ed25519.PublicKey{r.public()}, Anchors: []ledger.Anchor{r.last()}}
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "manifest.json" {
			return err
		}
		key, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		f.files = append(f.files, filepath.ToSlash(key))
		f.bytes[key], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep := f.verify(); !rep.OK() || len(rep.Notes) > 0 {
		t.Fatalf("before anything is changed: %+v %+v", rep.Problems, rep.Notes)
	}
	return f
}

func (f *folder) verify() *ledger.Report {
	f.t.Helper()
	rep, err := ledger.Verify(context.Background(), f.o)
	if err != nil {
		f.t.Fatal(err)
	}
	return rep
}

func (f *folder) put(key string, b []byte) {
	f.t.Helper()
	path := filepath.Join(f.r.dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o640); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) remove(key string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.r.dir, filepath.FromSlash(key))); err != nil {
		f.t.Fatal(err)
	}
}

// tampering is one way to change a lake: it returns the files that are to be named, any one of each
// group, and what undoes it.
type tampering struct {
	name string
	do   func(f *folder, rng *rand.Rand) (named []string, what string, undo func())
}

// change changes the bytes of one file.
func change(name string, edit func(rng *rand.Rand, b []byte) ([]byte, string)) tampering {
	return tampering{name, func(f *folder, rng *rand.Rand) ([]string, string, func()) {
		key := f.files[rng.IntN(len(f.files))]
		was := f.bytes[key]
		now, what := edit(rng, slices.Clone(was))
		if bytes.Equal(now, was) {
			return nil, "", func() {}
		}
		f.put(key, now)
		return []string{key}, key + ": " + what, func() { f.put(key, was) }
	}}
}

var tamperings = []tampering{
	change("change a byte", func(rng *rand.Rand, b []byte) ([]byte, string) {
		i := rng.IntN(len(b))
		b[i] ^= byte(1 + rng.IntN(255))
		return b, fmt.Sprintf("byte %d became %#x", i, b[i])
	}),
	change("flip a bit", func(rng *rand.Rand, b []byte) ([]byte, string) {
		i, bit := rng.IntN(len(b)), rng.IntN(8)
		b[i] ^= 1 << bit
		return b, fmt.Sprintf("bit %d of byte %d", bit, i)
	}),
	change("delete a byte", func(rng *rand.Rand, b []byte) ([]byte, string) {
		i := rng.IntN(len(b))
		return slices.Delete(b, i, i+1), fmt.Sprintf("without byte %d", i)
	}),
	change("insert a byte", func(rng *rand.Rand, b []byte) ([]byte, string) {
		i, x := rng.IntN(len(b)+1), byte(rng.IntN(256))
		if rng.IntN(2) == 0 {
			// White space is what readers of JSON pass over.
			x = ' '
		}
		return slices.Insert(b, i, x), fmt.Sprintf("%#x before byte %d", x, i)
	}),
	change("swap two bytes", func(rng *rand.Rand, b []byte) ([]byte, string) {
		i, j := rng.IntN(len(b)), rng.IntN(len(b))
		b[i], b[j] = b[j], b[i]
		return b, fmt.Sprintf("bytes %d and %d", i, j)
	}),
	change("truncate", func(rng *rand.Rand, b []byte) ([]byte, string) {
		n := rng.IntN(len(b))
		return b[:n], fmt.Sprintf("to %d bytes", n)
	}),
	change("append", func(rng *rand.Rand, b []byte) ([]byte, string) {
		return append(b, "\n{}"[:1+rng.IntN(3)]...), "at the end"
	}),
	{"delete a file", func(f *folder, rng *rand.Rand) ([]string, string, func()) {
		key := f.files[rng.IntN(len(f.files))]
		f.remove(key)
		return []string{key}, key, func() { f.put(key, f.bytes[key]) }
	}},
	{"rename a file", func(f *folder, rng *rand.Rand) ([]string, string, func()) {
		key := f.files[rng.IntN(len(f.files))]
		to := fmt.Sprintf("%s/%d%s", filepath.Dir(key), rng.IntN(1000), filepath.Ext(key))
		if f.bytes[to] != nil {
			return nil, "", func() {}
		}
		f.remove(key)
		f.put(to, f.bytes[key])
		named := []string{to}
		if strings.HasSuffix(key, ".parquet") {
			named = []string{key, to}
		}
		return named, key + " to " + to, func() { f.remove(to); f.put(key, f.bytes[key]) }
	}},
	{"insert a copy", func(f *folder, rng *rand.Rand) ([]string, string, func()) {
		key := f.files[rng.IntN(len(f.files))]
		to := fmt.Sprintf("%s/%d%s", filepath.Dir(key), rng.IntN(1000), filepath.Ext(key))
		if f.bytes[to] != nil {
			return nil, "", func() {}
		}
		f.put(to, f.bytes[key])
		return []string{to}, key + " as " + to, func() { f.remove(to) }
	}},
	{"swap two files", func(f *folder, rng *rand.Rand) ([]string, string, func()) {
		a, b := f.files[rng.IntN(len(f.files))], f.files[rng.IntN(len(f.files))]
		if a == b {
			return nil, "", func() {}
		}
		f.put(a, f.bytes[b])
		f.put(b, f.bytes[a])
		return []string{a, b}, a + " and " + b, func() { f.put(a, f.bytes[a]); f.put(b, f.bytes[b]) }
	}},
	{"put one file in place of another", func(f *folder, rng *rand.Rand) ([]string, string, func()) {
		a, b := f.files[rng.IntN(len(f.files))], f.files[rng.IntN(len(f.files))]
		if a == b {
			return nil, "", func() {}
		}
		f.put(a, f.bytes[b])
		return []string{a}, b + " over " + a, func() { f.put(a, f.bytes[a]) }
	}},
}

// expectNamed fails unless every file is named by some problem.
func expectNamed(t testing.TB, rep *ledger.Report, named []string, name, what string) {
	t.Helper()
	for _, key := range named {
		if !slices.ContainsFunc(rep.Problems, func(p ledger.Problem) bool { return p.File == key }) {
			t.Errorf("%s (%s): %s is not named by %+v", name, what, key, rep.Problems)
		}
	}
}

// TestTampering tampers with a lake in many ways and holds that each is named. REGENT_TAMPERINGS sets how
// often.
func TestTampering(t *testing.T) {
	t.Parallel()
	n := 600
	if s := os.Getenv("REGENT_TAMPERINGS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("REGENT_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("REGENT_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	f := newFolder(t, (*rig).history)
	done := map[string]int{}
	for range n {
		x := tamperings[rng.IntN(len(tamperings))]
		named, what, undo := x.do(f, rng)
		if len(named) == 0 {
			continue
		}
		done[x.name]++
		expectNamed(t, f.verify(), named, x.name, what)
		undo()
		if t.Failed() {
			t.Fatalf("after %v", done)
		}
	}
	if rep := f.verify(); !rep.OK() {
		t.Errorf("put back: %+v", rep.Problems)
	}
	t.Logf("%v", done)
}

// TestEveryByte changes every byte of the smallest digest and of the smallest file of the lake.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	f := newFolder(t, func(r *rig) {
		r.step(0)
		r.drain(2, table.Quarantines)
		r.step(time.Hour)
	})
	smallest := map[string]string{}
	for _, key := range f.files {
		ext := filepath.Ext(key)
		if was, ok := smallest[ext]; !ok || len(f.bytes[key]) < len(f.bytes[was]) {
			smallest[ext] = key
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, key := range smallest {
		was := f.bytes[key]
		for i := range was {
			b := slices.Clone(was)
			b[i] ^= byte(1 + rng.IntN(255))
			f.put(key, b)
			expectNamed(t, f.verify(), []string{key}, "change a byte", fmt.Sprintf("byte %d of %s became %#x", i, key, b[i]))
			if t.Failed() {
				t.FailNow()
			}
		}
		f.put(key, was)
		t.Logf("%s: each of %d bytes", key, len(was))
	}
}
