package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// jumble makes events of many kinds in no order, such as many accounts make: those of one kind are alike.
func jumble(t testing.TB, n int) []record.Event {
	t.Helper()
	rnd := rand.New(rand.NewPCG(7, 7))
	texts := make([]string, 2000)
	for i := range texts {
		for range 30 {
			texts[i] += fmt.Sprintf("%016x", rnd.Uint64())
		}
	}
	out := make([]record.Event, n)
	for i := range out {
		kind := rnd.IntN(len(texts))
		body := fmt.Appendf(nil, `{"action":"act%d","detail":{"text":%q},"id":"%016x","outcome":"success","source":"test","time":%q}`,
			kind, texts[kind], rnd.Uint64(), record.FormatTime(t0.Add(time.Duration(i)*time.Second)))
		var err error
		if out[i], err = record.ParseEvent(body, record.Sum(body)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// numbersOf returns the numbers of each row group of a file, in the order in which they stand.
func (b *bench) numbersOf(t testing.TB, f store.LakeFile) (out [][]int64) {
	t.Helper()
	path := filepath.Join(b.dir, "lake", f.Path)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := parquet.OpenFile(file, f.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.RowGroups() {
		c := &groupColumns{file: p, group: g}
		numbers, err := c.numbers(byNumber)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, numbers)
	}
	return out
}

// TestClustering holds that rows stand beside their like where that pays, and that every reader has them in
// the order of their numbers all the same.
func TestClustering(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := jumble(t, groupRows+5000)
	for chunk := range slices.Chunk(want, 20_000) {
		b.put(t, 1000, chunk...)
		b.flush(t)
	}
	b.now = b.now.Add(100 * time.Hour)
	if err := b.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	files := b.manifest(t, table.Events)
	if len(files) != 1 || files[0].Level != 1 {
		t.Fatalf("%d files, the first of level %d", len(files), files[0].Level)
	}
	last, groups := int64(0), b.numbersOf(t, files[0])
	for _, numbers := range groups {
		if slices.IsSorted(numbers) {
			t.Error("a row group is in the order of its numbers")
		}
		if lo := slices.Min(numbers); lo <= last {
			t.Errorf("a row group begins with number %d, the one before ended with %d", lo, last)
		}
		last = slices.Max(numbers)
	}
	if len(groups) != 2 || len(groups[0]) != groupRows {
		t.Errorf("%d row groups, the first of %d rows", len(groups), len(groups[0]))
	}
	b.check(t)
	got := rows(t, b, &events)
	if len(got) != len(want) {
		t.Fatalf("%d rows", len(got))
	}
	for i := range got {
		if got[i].Number != int64(i+1) || string(got[i].Record) != string(want[i].Body) {
			t.Fatalf("row %d has number %d", i, got[i].Number)
		}
	}
	// The first ones, then from shortly before the end of the first group on.
	for _, from := range []int64{0, groupRows - 1500} {
		for number, left := from, 4; left > 0; left-- {
			page, err := b.EventsAfter(t.Context(), number, 1000)
			if err != nil || len(page) != 1000 {
				t.Fatalf("%d events after %d, %v", len(page), number, err)
			}
			for _, r := range page {
				if number++; r.Number != number || string(r.Event.Body) != string(want[number-1].Body) {
					t.Fatalf("number %d, want %d", r.Number, number)
				}
			}
		}
	}
	for at, place := len(want)-1, ""; at > len(want)-2000; {
		page, next, err := b.Events(t.Context(), store.EventFilter{Limit: 500, After: place})
		if err != nil || len(page) != 500 {
			t.Fatalf("%d events, %v", len(page), err)
		}
		for _, r := range page {
			if string(r.Event.Body) != string(want[at].Body) {
				t.Fatalf("number %d, want %d", r.Number, at+1)
			}
			at--
		}
		place = next
	}
	// What is alike as it comes is left so.
	b = newBench(t)
	b.put(t, 1000, makeEvents(t, 5000, 1)...)
	b.flush(t)
	for _, f := range b.manifest(t, table.Events) {
		if !slices.IsSorted(b.numbersOf(t, f)[0]) {
			t.Errorf("%s is clustered", f.Path)
		}
	}
}

// TestThin holds that files whose numbers run side by side are merged in bounded memory, and that what is
// made for it does not stay.
func TestThin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const days = 40
	var want []record.Event
	for i := range 6000 {
		want = append(want, makeEvent(t, i, t0.Add(time.Duration(i%days)*24*time.Hour+time.Duration(i)*time.Millisecond)))
	}
	for chunk := range slices.Chunk(want, 2000) {
		b.put(t, 500, chunk...)
		b.flush(t)
	}
	scratch := func() []string {
		left, err := filepath.Glob(filepath.Join(b.o.Scratch, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	for _, most := range []int64{1, 2500, 6000, mostHeld} {
		b.mostHeld = most
		n := 0
		err := b.Walk(t.Context(), table.Events, Range{}, func(r Record) error {
			if n++; r.Number != int64(n) || string(r.Body) != string(want[n-1].Body) {
				return fmt.Errorf("number %d, want %d", r.Number, n)
			}
			if made := len(scratch()); n == 1 && (made == 0) != (most == mostHeld) {
				return fmt.Errorf("%d files were made", made)
			}
			return nil
		})
		if err != nil || n != len(want) {
			t.Errorf("holding %d rows: %d rows of %d, %v", most, n, len(want), err)
		}
		if left := scratch(); len(left) > 0 {
			t.Errorf("holding %d rows: %v is left", most, left)
		}
	}
	b.mostHeld = 2500
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Walk(ctx, table.Events, Range{}, func(Record) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || len(scratch()) > 0 {
		t.Errorf("%v, %v is left", err, scratch())
	}
}
