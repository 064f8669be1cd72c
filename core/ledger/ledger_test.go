package ledger_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// kinds are the kinds of problems with their files, for comparing.
func kinds(problems []ledger.Problem) (out []string) {
	for _, p := range problems {
		out = append(out, string(p.Kind)+" "+p.File)
	}
	return out
}

func expect(t testing.TB, what string, problems []ledger.Problem, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, kinds(problems)); diff != "" {
		t.Errorf("%s (-want +got):\n%s%+v", what, diff, problems)
	}
}

// TestVerify counts what is proven of a lake with all that happens to one.
func TestVerify(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.history()
	rep := r.verify(ledger.VerifyOptions{})
	expect(t, "problems", rep.Problems)
	expect(t, "notes", rep.Notes)
	if !rep.TrustedFirst || rep.Digests != 7 || rep.Hours != 7 || rep.Expired != 1 || rep.Files != rep.Live.Files || rep.Rows != rep.Live.Rows || rep.Bytes != rep.Live.Bytes {
		t.Errorf("%+v", rep)
	}
	// 20 events and 5 events, then 9 and 12, then 25 and 3: six pieces, and the first compacted file.
	if rep.Replaced != 6 {
		t.Errorf("%d replaced files were proven, want 6", rep.Replaced)
	}
	var rows int64
	view(t, r.store, func(tx *store.Tx) error {
		all, err := tx.LakeTotals()
		for _, n := range all {
			rows += n.Rows
		}
		return err
	})
	if rows != rep.Rows {
		t.Errorf("%d rows were verified of %d", rep.Rows, rows)
	}
}

// TestHours holds what digests there are: one at the first start, one each hour, and one for the hours in
// which nothing ran.
func TestHours(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.step(0)
	r.step(20 * time.Minute)
	r.step(31 * time.Minute)
	r.step(time.Hour)
	r.open()
	r.step(30 * time.Hour)
	rep := r.verify(ledger.VerifyOptions{})
	expect(t, "problems", rep.Problems)
	if rep.Digests != 4 || rep.Hours != 33 || rep.MadeUp != 29 {
		t.Errorf("%d digests of %d hours, %d made up", rep.Digests, rep.Hours, rep.MadeUp)
	}
	if want := "digests/date=2026-03-03/04.json"; rep.Last.File != want || rep.Last.Number != 4 {
		t.Errorf("the last digest is %+v, want %s", rep.Last, want)
	}
}

// lossy is a bucket that fails before or after it has written.
type lossy struct {
	blob.Bucket
	before, after bool
}

var errLossy = errors.New("the bucket is away")

func (b *lossy) Put(ctx context.Context, key, file string) error {
	if b.before {
		return errLossy
	}
	if err := b.Bucket.Put(ctx, key, file); err != nil {
		return err
	}
	if b.after {
		return errLossy
	}
	return nil
}

// TestCrash ends the ledger between all steps of a digest, and holds that it is written once and the same.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"before the file", "after the file"} {
		r := newRig(t)
		r.step(0)
		r.drain(3, table.Events)
		b := &lossy{Bucket: r.bucket, before: where == "before the file", after: where == "after the file"}
		var told []error
		r.o.Bucket, r.o.Health = b, func(_ context.Context, err error) { told = append(told, err) }
		r.open()
		r.now = r.now.Add(time.Hour)
		for range 3 {
			if err := r.ledger.Step(context.Background()); !errors.Is(err, errLossy) {
				t.Fatalf("%s: %v", where, err)
			}
		}
		var decided []store.LedgerRow
		view(t, r.store, func(tx *store.Tx) (err error) { decided, err = tx.DigestsToWrite(); return err })
		if len(decided) != 1 {
			t.Fatalf("%s: %d digests are decided", where, len(decided))
		}
		// What changes meanwhile, time included, does not change what was decided.
		b.before, b.after = false, false
		r.drain(2, table.Events)
		r.open()
		r.step(time.Minute)
		got, err := os.ReadFile(filepath.Join(r.dir, decided[0].Path))
		if err != nil || string(got) != string(decided[0].Body) {
			t.Errorf("%s: the file is not what was decided: %v", where, err)
		}
		if rep := r.verify(ledger.VerifyOptions{}); !rep.OK() || rep.Digests != 2 || len(rep.Pending) != 1 || rep.Files != 2 {
			t.Errorf("%s: %+v", where, rep)
		}
	}
}

// TestRunTells holds that a ledger that cannot write says so once, and once more when it can.
func TestRunTells(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	told := make(chan error, 10)
	b := &lossy{Bucket: r.bucket, before: true}
	r.o.Bucket, r.o.Health = b, func(_ context.Context, err error) { told <- err }
	r.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.ledger.Run(ctx) }()
	if err := <-told; !errors.Is(err, errLossy) {
		t.Errorf("told %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
	var s ledger.State
	view(t, r.store, func(tx *store.Tx) (err error) { s, err = r.ledger.Status(tx); return err })
	if s.Failing == "" || s.Since.IsZero() || s.Last != nil {
		t.Errorf("status %+v", s)
	}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// TestRotation changes the key with and without the old one at hand.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.step(0)
	first := r.o.Keys.Current
	second, third := newKey(t), newKey(t)
	r.o.Keys = ledger.Keys{Current: second, Previous: []ed25519.PrivateKey{newKey(t), first}}
	r.open()
	r.step(time.Hour)
	r.step(time.Hour)
	expect(t, "the first key trusted", r.verify(ledger.VerifyOptions{PublicKeys: []ed25519.PublicKey{publicOf(first)}}).Problems)
	expect(t, "the second key trusted", r.verify(ledger.VerifyOptions{PublicKeys: []ed25519.PublicKey{publicOf(second)}}).Problems)
	if rep := r.verify(ledger.VerifyOptions{}); !rep.OK() || len(rep.Keys) != 2 {
		t.Errorf("%+v", rep)
	}
	expect(t, "neither trusted", r.verify(ledger.VerifyOptions{PublicKeys: []ed25519.PublicKey{publicOf(third)}}).Problems,
		"key digests/date=2026-03-01/20.json", "key digests/date=2026-03-01/21.json", "key digests/date=2026-03-01/22.json")
	r.o.Keys = ledger.Keys{Current: third}
	r.open()
	r.step(time.Hour)
	expect(t, "no word for the third", r.verify(ledger.VerifyOptions{}).Problems, "key digests/date=2026-03-01/23.json")
	expect(t, "the third given", r.verify(ledger.VerifyOptions{PublicKeys: []ed25519.PublicKey{publicOf(first), publicOf(third)}}).Problems)
	// Whoever stole the first key cannot go on with it.
	r.o.Keys = ledger.Keys{Current: first}
	r.open()
	r.step(time.Hour)
	expect(t, "back to the first", r.verify(ledger.VerifyOptions{PublicKeys: []ed25519.PublicKey{publicOf(second)}}).Problems,
		"key digests/date=2026-03-01/23.json", "key digests/date=2026-03-02/00.json")
}

// TestAnchor cuts a chain off and rewrites it with the true key, which only an anchor shows.
func TestAnchor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.history()
	r.step(time.Hour)
	anchor := r.last()
	if rep := r.verify(ledger.VerifyOptions{Anchors: []ledger.Anchor{anchor}}); !rep.OK() || len(rep.Anchors) != 1 {
		t.Errorf("%+v", rep)
	}
	r.discard(anchor.File)
	if rep := r.verify(ledger.VerifyOptions{}); !rep.OK() {
		t.Errorf("without an anchor a shorter chain is a chain: %+v", rep.Problems)
	}
	expect(t, "cut off", r.verify(ledger.VerifyOptions{Anchors: []ledger.Anchor{anchor}}).Problems, "truncated "+anchor.File)
	short, err := ledger.ReadAnchors(anchor.String())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "cut off, by the short form", r.verify(ledger.VerifyOptions{Anchors: short}).Problems, "truncated digests")

	other := newRig(t)
	other.o.Keys = r.o.Keys
	other.open()
	other.step(0)
	for range 7 {
		other.step(time.Hour)
	}
	expect(t, "rewritten", other.verify(ledger.VerifyOptions{Anchors: []ledger.Anchor{anchor}}).Problems, "anchor "+anchor.File)
	other.discard(other.last().File, "digests/date=2026-03-01/23.json")
	rep := other.verify(ledger.VerifyOptions{Anchors: []ledger.Anchor{{Number: 4, SHA256: record.Sum(nil), File: "digests/date=2026-03-01/23.json"}}})
	if got := kinds(rep.Problems); !slices.Contains(got, "missing digests/date=2026-03-01/23.json") {
		t.Errorf("%v", got)
	}
}

// TestResigned replaces a digest in the middle by another one that the same key signed.
func TestResigned(t *testing.T) {
	t.Parallel()
	r, other := newRig(t), newRig(t)
	other.o.Keys = r.o.Keys
	other.open()
	for range 4 {
		r.step(0)
		other.step(0)
		// The other one tells another story of the same hours.
		other.drain(1, table.Events)
		r.now, other.now = r.now.Add(time.Hour), other.now.Add(time.Hour)
	}
	const middle = "digests/date=2026-03-01/22.json"
	b, err := os.ReadFile(filepath.Join(other.dir, middle))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, middle), b, 0o600); err != nil {
		t.Fatal(err)
	}
	rep := r.verify(ledger.VerifyOptions{})
	got := kinds(rep.Problems)
	for _, want := range []string{"link " + middle, "link digests/date=2026-03-01/21.json", "link digests/date=2026-03-01/23.json"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %v", want, got)
		}
	}
}

// TestClock sets the clock back by little, by much, and to a future that a digest is then from.
func TestClock(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.step(0)
	r.step(3 * time.Hour)
	r.step(-2 * time.Hour)
	r.drain(2, table.Events)
	if n := r.last().Number; n != 2 {
		t.Errorf("a clock that went back an hour made digest %d", n)
	}
	r.step(3 * time.Hour)
	rep := r.verify(ledger.VerifyOptions{})
	expect(t, "a little", rep.Problems)
	r.step(365 * 24 * time.Hour)
	r.drain(2, table.Events)
	r.step(time.Hour)
	r.step(-365 * 24 * time.Hour)
	r.drain(2, table.Events)
	r.step(time.Hour)
	r.step(time.Hour)
	rep = r.verify(ledger.VerifyOptions{})
	expect(t, "much", rep.Problems)
	if len(rep.Notes) < 2 || rep.Notes[0].Kind != ledger.Clock || rep.Digests != 8 || rep.Files != 3 {
		t.Errorf("notes %+v of %d digests and %d files", rep.Notes, rep.Digests, rep.Files)
	}
}

// TestForgedCompaction holds that a compaction which loses or alters records is told, though whoever made
// it wrote a manifest that fits its file.
func TestForgedCompaction(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(rows []testRow) []testRow{
		"a record altered": func(rows []testRow) []testRow { rows[3].body = []byte(`{"forged":true}`); return rows },
		"records swapped": func(rows []testRow) []testRow {
			rows[3].body, rows[9].body = rows[9].body, rows[3].body
			return rows
		},
		"a number changed": func(rows []testRow) []testRow { rows[len(rows)-1].number += 5; return rows },
	} {
		r := newRig(t)
		r.step(0)
		one, two := r.drain(6, table.Events)[0], r.drain(6, table.Events)[0]
		r.rows[one] = forge(append(slices.Clone(r.rows[one]), r.rows[two]...))
		r.rows[two] = nil
		path := r.compact(one, two)
		r.step(time.Hour)
		got := kinds(r.verify(ledger.VerifyOptions{}).Problems)
		if !slices.Contains(got, "content "+path) {
			t.Errorf("%s: %v", name, got)
		}
	}
	r := newRig(t)
	r.step(0)
	one, two := r.drain(6, table.Events)[0], r.drain(6, table.Events)[0]
	r.rows[two] = r.rows[two][:5]
	path := r.compact(one, two)
	r.step(time.Hour)
	got := kinds(r.verify(ledger.VerifyOptions{}).Problems)
	if !slices.Contains(got, "content "+path) || !slices.Contains(got, "content digests/date=2026-03-01/21.json") {
		t.Errorf("a record lost: %v", got)
	}
}

// TestChosen reads what came in some hours only, compacted since or not, and verifies the chain whole.
func TestChosen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.step(0)
	var paths []string
	for range 4 {
		paths = append(paths, r.drain(4, table.Events)...)
		r.step(time.Hour)
	}
	hour := t0.Truncate(time.Hour)
	rep := r.verify(ledger.VerifyOptions{Since: hour.Add(time.Hour), Until: hour.Add(2 * time.Hour)})
	if rep.Files != 1 || rep.Skipped != 3 || rep.Digests != 5 {
		t.Errorf("%+v", rep)
	}
	path := r.compact(paths[1], paths[2])
	r.step(time.Hour)
	rep = r.verify(ledger.VerifyOptions{Since: hour.Add(time.Hour), Until: hour.Add(2 * time.Hour)})
	if rep.Files != 1 || rep.Rows != 8 || rep.Skipped != 2 || rep.Replaced != 2 {
		t.Errorf("%+v", rep)
	}
	b := r.files(path)[0]
	if b.Rows != 8 {
		t.Errorf("%+v", b)
	}
}

// TestPending tells what came since the last digest from what nobody knows.
func TestPending(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.step(0)
	old := r.drain(4, table.Events)
	r.step(time.Hour)
	path := r.drain(4, table.Events)[0]
	rep := r.verify(ledger.VerifyOptions{})
	expect(t, "problems", rep.Problems)
	if diff := cmp.Diff([]string{path}, rep.Pending); diff != "" || rep.Files != 2 {
		t.Errorf("%s %d files", diff, rep.Files)
	}
	b, err := os.ReadFile(filepath.Join(r.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	write(t, filepath.Join(r.dir, path), b)
	write(t, filepath.Join(r.dir, "events/date=2026-03-01/x.parquet"), b)
	write(t, filepath.Join(r.dir, "README"), b)
	rep = r.verify(ledger.VerifyOptions{})
	expect(t, "changed and extra", rep.Problems, "changed "+path, "extra events/date=2026-03-01/x.parquet")
	expect(t, "foreign", rep.Notes, "extra README")
	b[100] ^= 1
	write(t, filepath.Join(r.dir, path), b)
	for _, p := range []string{"README", "events/date=2026-03-01/x.parquet"} {
		if err := os.Remove(filepath.Join(r.dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	// Files that went out of the manifest wait to be removed.
	rows := r.rows[old[0]]
	sum := root(rows)
	r.apply(manifest.Change{Kind: manifest.Replace, Removed: r.files(old...), Root: &sum}, r.write(table.Events, "events/date=2026-03-01/c.parquet", rows))
	r.step(time.Hour)
	if rep = r.verify(ledger.VerifyOptions{}); !rep.OK() || rep.Leftover != 1 {
		t.Errorf("%+v", rep)
	}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDigestedBefore holds that files stay until the digest that removes them is written.
func TestDigestedBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ask := func(want time.Time, known bool) {
		t.Helper()
		view(t, r.store, func(tx *store.Tx) error {
			got, ok, err := tx.DigestedBefore(r.now)
			if !got.Equal(want) || ok != known {
				t.Errorf("digested before %s (%v), want %s", got, ok, want)
			}
			return err
		})
	}
	ask(time.Time{}, false)
	r.step(0)
	ask(r.now, true)
	r.drain(1, table.Events)
	at := r.now
	r.now = r.now.Add(10 * time.Minute)
	r.drain(1, table.Events)
	ask(at, true)
	r.step(time.Hour)
	ask(r.now, true)
}

// TestNoLake verifies what is no lake.
func TestNoLake(t *testing.T) {
	t.Parallel()
	b, err := blob.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Verify(context.Background(), ledger.VerifyOptions{Bucket: b}); !errors.Is(err, ledger.ErrNoDigests) {
		t.Errorf("an empty folder: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := newRig(t)
	r.history()
	if _, err := ledger.Verify(ctx, ledger.VerifyOptions{Bucket: r.bucket}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestReadAnchors reads anchors in the forms in which they come back.
func TestReadAnchors(t *testing.T) {
	t.Parallel()
	a := ledger.Anchor{Format: "regent.anchor/1", Number: 7, SHA256: record.Sum([]byte("x")), File: "digests/date=2026-03-01/20.json"}
	doc, err := json.Marshal(map[string]any{"specversion": "1.0", "data": map[string]any{"changes": []any{map[string]any{"data": a}}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, fmt.Appendf(nil, "%s\n{\"other\":[1,null,\"x\"]}\n%s\n", doc, doc))
	got, err := ledger.ReadAnchors(path)
	if diff := cmp.Diff([]ledger.Anchor{a, a}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for text, want := range map[string]string{
		`{}`:                             "holds no anchor",
		`{"a":`:                          "unexpected EOF",
		`{"format":"regent.anchor/1"}`:   "no number",
		`[{"format":"regent.anchor/1",1`: "invalid character",
		`{"format":"regent.anchor/1","number":"x"}`: "cannot unmarshal",
	} {
		write(t, path, []byte(text))
		if _, err := ledger.ReadAnchors(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := ledger.ReadAnchors("7:abc"); err == nil {
		t.Error("a short form with half a digest is taken")
	}
}

// TestKeys reads and makes signing keys.
func TestKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "k")
	key, err := ledger.EnsureKey(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ledger.EnsureKey(file)
	if err != nil || !again.Equal(key) {
		t.Errorf("the key is made anew: %v", err)
	}
	public, err := ledger.ReadPublicKeys(file + ".pub")
	if err != nil || len(public) != 1 || !public[0].Equal(key.Public()) {
		t.Errorf("public key: %v", err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.ReadKey(file); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others may read: %v", err)
	}
	if _, err := ledger.ReadPublicKeys(file); err == nil || !strings.Contains(err.Error(), "-pubout") {
		t.Errorf("a private key as a public one: %v", err)
	}
	write(t, file+"2", []byte("nothing"))
	for _, fn := range []func() error{
		func() error { _, err := ledger.ReadKey(file + "2"); return err },
		func() error { _, err := ledger.ReadPublicKeys(file + "2"); return err },
		func() error { _, err := ledger.EnsureKey(filepath.Join(file, "none")); return err },
	} {
		if fn() == nil {
			t.Error("a broken key is taken")
		}
	}
}
