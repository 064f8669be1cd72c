package lake

import (
	"slices"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// BenchmarkDrain moves events from the journal to the lake.
func BenchmarkDrain(b *testing.B) {
	const n = 20_000
	all := jumble(b, n)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		l := newBench(b)
		l.put(b, 1000, all...)
		b.StartTimer()
		l.flush(b)
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
}

// compactedLake is a lake of one compacted file, and the input that it was made of.
func compactedLake(b *testing.B, all []record.Event) (*bench, []manifest.File) {
	b.Helper()
	l := newBench(b)
	for chunk := range slices.Chunk(all, 20_000) {
		l.put(b, 1000, chunk...)
		l.flush(b)
	}
	var drained []manifest.File
	for _, f := range l.manifest(b, table.Events) {
		drained = append(drained, f.File)
	}
	l.now = l.now.Add(100 * time.Hour)
	if err := l.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
	return l, drained
}

// BenchmarkCompact puts drained files together, and says how much of the records is left of them.
func BenchmarkCompact(b *testing.B) {
	const n = 60_000
	all := jumble(b, n)
	size := 0
	for i := range all {
		size += len(all[i].Body)
	}
	l, drained := compactedLake(b, all)
	b.ReportAllocs()
	var info manifest.File
	for b.Loop() {
		var err error
		if info, _, err = mergeFiles(b.Context(), l.Lake, &events, drained, l.scratch(&plan{}, 0), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(info.Bytes)/n, "B/event")
	b.ReportMetric(float64(size)/n, "recorded-B/event")
}

// BenchmarkLookUp asks for a page of events.
func BenchmarkLookUp(b *testing.B) {
	all := jumble(b, 60_000)
	l, _ := compactedLake(b, all)
	at := len(all) / 3
	for _, bb := range []struct {
		name   string
		filter store.EventFilter
	}{
		{"newest", store.EventFilter{}},
		{"action", store.EventFilter{Action: all[at].Action}},
		{"id", store.EventFilter{ID: all[at].ID}},
		{"text", store.EventFilter{Text: all[at].ID}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rows, _, err := l.Events(b.Context(), bb.filter)
				if err != nil || len(rows) == 0 {
					b.Fatalf("%d events, %v", len(rows), err)
				}
			}
		})
	}
	b.Run("after", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := l.EventsAfter(b.Context(), int64(at), 5000)
			if err != nil || len(rows) != 5000 {
				b.Fatalf("%d events, %v", len(rows), err)
			}
		}
	})
}
