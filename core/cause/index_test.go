package cause

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

func testWatch(n int64) store.CauseWatch {
	return store.CauseWatch{
		Resource: n, ID: fmt.Sprint("i-0123456789abcdef", n), Name: fmt.Sprint("the name of ", n), ARN: fmt.Sprint("arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef", n),
		From: t0.Add(-time.Hour), To: t0.Add(time.Hour), Until: t0.Add(Follow),
	}
}

// TestIndexBounds has far more waited for than there is room: what takes no more room stays bounded, and
// all of it goes when its time is up.
func TestIndexBounds(t *testing.T) {
	const limit = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := newIndex(limit)
	in := 0
	for n := range int64(limit + 50_000) {
		if x.put(testWatch(n)) {
			in++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if bytes := int64(after.HeapAlloc) - int64(before.HeapAlloc); in != limit || bytes > 40<<20 {
		t.Errorf("%d are in, in %d bytes", in, bytes)
	} else {
		t.Logf("%d bytes a resource", bytes/limit)
	}
	// One that is in may be widened.
	if !x.put(testWatch(1)) || len(x.watches) != limit {
		t.Error("it cannot be put again")
	}
	for _, n := range []int64{0, 77, limit - 1, limit, limit + 1} {
		w := testWatch(n)
		found := x.hits([]record.Event{{Time: t0, Targets: []record.Target{{ResourceID: "nobody"}, {Name: w.ARN}, {ResourceID: w.ID}}}}, nil)
		if found[n] != (n < limit) || len(found) > 1 {
			t.Errorf("%d: %v", n, found)
		}
	}
	x.expire(t0.Add(Follow).UnixMicro())
	if len(x.watches)+len(x.byKey)+len(x.more) != 0 {
		t.Errorf("%d, %d, %d are left", len(x.watches), len(x.byKey), len(x.more))
	}
}

// TestIndexShared has resources of one name and several times.
func TestIndexShared(t *testing.T) {
	t.Parallel()
	x := newIndex(10)
	for n := range int64(4) {
		x.put(store.CauseWatch{Resource: n, ID: "same", From: t0.Add(time.Duration(n) * time.Hour), To: t0.Add(time.Duration(n+1) * time.Hour), Until: t0.Add(time.Duration(n+1) * Follow)})
	}
	at := func(after time.Duration) map[int64]bool {
		return x.hits([]record.Event{{Time: t0.Add(after), Targets: []record.Target{{ResourceID: "same"}}}}, nil)
	}
	if got := at(time.Minute); len(got) != 1 || !got[0] {
		t.Errorf("%v", got)
	}
	if got := at(2 * time.Hour); len(got) != 2 || !got[1] || !got[2] {
		t.Errorf("%v", got)
	}
	x.expire(t0.Add(2 * Follow).UnixMicro())
	if got := at(2 * time.Hour); len(got) != 1 || !got[2] {
		t.Errorf("%v", got)
	}
	// A resource may get another name.
	x.put(store.CauseWatch{Resource: 2, ID: "same", Name: "more", From: t0, To: t0.Add(9 * time.Hour), Until: t0.Add(9 * Follow)})
	if got := x.hits([]record.Event{{Time: t0.Add(150 * time.Minute), Targets: []record.Target{{Name: "more"}}}}, nil); len(got) != 1 || !got[2] {
		t.Errorf("%v", got)
	}
	if got := at(210 * time.Minute); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestOverflow has more causes open than the index has room for: those without it are looked at by the
// clock.
func TestOverflow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.l.index.max = 1
	one, two := b.finding("one"), b.finding("two")
	b.link()
	for n := range 2 {
		b.record(event(t, fmt.Sprint("e", n), "eve", "box:PutSize", box([]string{"one", "two"}[n]), t0))
	}
	b.link()
	if got := who(b.cause(one).Cause) + ", " + who(b.cause(two).Cause); got != "2 eve e0, 1 -" {
		t.Error(got)
	}
	b.now = b.now.Add(again)
	b.link()
	if got := who(b.cause(two).Cause); got != "2 eve e1" {
		t.Error(got)
	}
	b.now = b.now.Add(Follow)
	b.link()
	if due := b.cause(two).Due; !due.IsZero() {
		t.Errorf("it is not settled but due at %v", due)
	}
}

// TestManyOpen has 100,000 causes open: a restart reads them in little time and memory, and an event makes
// the one due that it is about and no other.
func TestManyOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 resources, which is not short")
	}
	b := newBench(t)
	const n = 100_000
	for first := 0; first < n; first += 5000 {
		b.update(func(tx *store.Tx) error {
			for i := first; i < first+5000; i++ {
				it := item(t, fmt.Sprint("b", i), `{"size":9}`, t0)
				r, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.items", Received: b.now})
				if err != nil {
					return err
				}
				c := verdict.Cause{Finding: fmt.Sprint("F", i), Step: verdict.CauseOpened, Kind: verdict.CauseVersion, At: t0, Version: r.Version, Subject: verdict.Subject(it.Key)}
				if _, err := b.l.Changed(tx, r.Resource, &it, nil, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	start := time.Now()
	b.now = b.now.Add(time.Second)
	for busy := true; busy; {
		var err error
		if busy, _, err = b.l.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	linked := time.Since(start)
	start = time.Now()
	b.reopen()
	took := time.Since(start)
	if len(b.l.index.watches) != n {
		t.Fatalf("%d are waited for", len(b.l.index.watches))
	}
	b.record(event(t, "e", "eve", "box:PutSize", box("b777"), t0))
	b.now = b.now.Add(time.Second)
	due := 0
	if err := b.store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.CausesDue(b.now, n)
		due = len(all)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.link()
	if got := who(b.cause(778).Cause); got != "2 eve e" || due != 1 {
		t.Errorf("%s, %d were due", got, due)
	}
	t.Logf("%d causes linked in %v, read at start in %v", n, linked, took)
	if took > 5*time.Second {
		t.Errorf("reading them at start took %v", took)
	}
}

// BenchmarkHits is what an event costs the one who commits it, per target: where nothing is open, and
// where 100,000 resources are waited for and this is none of them.
func BenchmarkHits(b *testing.B) {
	var events []record.Event
	for i := range 1000 {
		events = append(events, record.Event{Time: t0, Targets: []record.Target{
			{ResourceType: "AWS::EC2::Instance", ResourceID: fmt.Sprint("i-99", i)},
			{ResourceType: "AWS::IAM::Role", ResourceID: fmt.Sprint("AROA", i), Name: fmt.Sprint("role-", i)},
		}})
	}
	for _, open := range []int64{0, 100, 100_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			x := newIndex(maxWatches)
			for n := range open {
				x.put(testWatch(n))
			}
			b.ReportAllocs()
			for b.Loop() {
				if len(x.hits(events, nil)) != 0 {
					b.Fatal("something was found")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/target")
		})
	}
}

// BenchmarkChanged is what noting a cause costs the one who commits the change: comparing versions of about
// 2 KiB, and a row.
func BenchmarkChanged(b *testing.B) {
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l := New(Options{Store: s, Events: journal{s}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	config := func(size int) string {
		text := fmt.Sprintf(`{"size":%d`, size)
		for i := range 60 {
			text += fmt.Sprintf(`,"field%d":{"enabled":true,"n":%d}`, i, i)
		}
		return text + "}"
	}
	before, now := item(b, "b", config(1), t0.Add(-time.Hour)), item(b, "b", config(2), t0)
	current := &store.Current{Resource: 1, Version: 1, Item: before, Confirmed: t0.Add(-time.Minute)}
	b.ReportAllocs()
	err = s.Update(b.Context(), func(tx *store.Tx) error {
		r, err := tx.PutItem(store.ItemWrite{Item: now, Instance: "collector.test.items", Received: t0})
		if err != nil {
			return err
		}
		n := 0
		for b.Loop() {
			n++
			c := verdict.Cause{Finding: fmt.Sprint("F", n), Step: verdict.CauseOpened, Kind: verdict.CauseVersion, At: t0, Version: 2, Subject: verdict.Subject(now.Key), Paths: []string{"/configuration/size"}}
			if _, err := l.Changed(tx, r.Resource, &now, current, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
