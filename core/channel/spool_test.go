package channel

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSpoolIsBounded writes to very many files at once, and records of every size: what is held back stays
// below the bound, and each file is whole.
func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	parts := map[group][]*part{}
	s, err := newSpool(dir, func(g group) []byte { return fmt.Appendf(nil, `{"of":%q,"Records":[`, g.account) }, "]}\n", func(g group, p *part) error {
		parts[g] = append(parts[g], p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const groups, each = 3000, 10
	for i := range groups * each {
		size := 1000
		if i%5000 == 0 {
			size = 2 << 20
		}
		g := group{account: fmt.Sprint(i % groups)}
		err := s.add(g, int64(i), t0.Add(-time.Duration(i)*time.Second), func(dst []byte) ([]byte, error) {
			return fmt.Appendf(dst, `{"n":%d,"x":%q}`, i, strings.Repeat("x", size)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.held > buffered {
			t.Fatalf("%d bytes are held, more than %d", s.held, buffered)
		}
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	if s.held != 0 || len(parts) != groups {
		t.Errorf("%d bytes are left and there are %d files", s.held, len(parts))
	}
	for g, ps := range parts {
		if len(ps) != 1 || ps[0].count != each || !ps[0].from.Before(ps[0].to) {
			t.Fatalf("%s: %+v", g.account, ps[0])
		}
		if len(g.account) > 2 {
			continue
		}
		f, err := os.Open(filepath.Join(dir, ps[0].name))
		if err != nil {
			t.Fatal(err)
		}
		in, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		var doc struct {
			Of      string
			Records []struct{ N int }
		}
		if err := json.Unmarshal(text, &doc); err != nil || doc.Of != g.account || len(doc.Records) != each {
			t.Fatalf("%s: %d records of %s: %v", ps[0].name, len(doc.Records), doc.Of, err)
		}
		for i, r := range doc.Records {
			if fmt.Sprint(r.N%groups) != g.account || r.N/groups != i {
				t.Errorf("%s: record %d is %d", g.account, i, r.N)
			}
		}
	}
}

// BenchmarkTrail gathers events into files, and writes no more than that.
func BenchmarkTrail(b *testing.B) {
	const n = 50_000
	s := openStore(b, b.TempDir())
	addEvents(b, s, 0, n)
	spec := &Spec{Kind: Trail, Name: "t", Bucket: &bucket{dir: b.TempDir()}}
	dir := filepath.Join(b.TempDir(), "spool")
	for b.Loop() {
		r, err := newRun(0, t0, false)
		if err != nil {
			b.Fatal(err)
		}
		g := &build{store: s, events: s, spec: spec, run: r}
		if err := g.do(b.Context(), dir); err != nil || r.To != n {
			b.Fatalf("up to %d: %v", r.To, err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSnapshot gathers the state into files, and writes no more than that.
func BenchmarkSnapshot(b *testing.B) {
	const n = 5_000
	s := openStore(b, b.TempDir())
	for i := range n {
		addItem(b, s, "a", fmt.Sprint(i), fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("lorem ipsum ", 40)), t0, "OK")
	}
	spec := &Spec{Kind: Snapshot, Name: "s", Bucket: &bucket{dir: b.TempDir()}}
	dir := filepath.Join(b.TempDir(), "spool")
	for b.Loop() {
		r, err := newRun(0, t0, false)
		if err != nil {
			b.Fatal(err)
		}
		g := &build{store: s, events: s, spec: spec, run: r}
		if err := g.do(b.Context(), dir); err != nil || g.files[0].Count != n {
			b.Fatalf("%+v: %v", g.files, err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "items/s")
}
