package store

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
)

func typicalEvents(b *testing.B, from, n int) []record.Event {
	out := make([]record.Event, n)
	for i := range out {
		out[i] = typicalEvent(b, from+i)
	}
	return out
}

func BenchmarkEncodeEvents(b *testing.B) {
	events := typicalEvents(b, 0, 1000)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		e := EncodeEvents(events)
		size = e.Size()
	}
	b.ReportMetric(float64(size)/1000, "B/event")
}

// BenchmarkAppendBatch commits batches of 1,000 events of 1.1 KB, one in each transaction.
func BenchmarkAppendBatch(b *testing.B) {
	s := open(b, b.TempDir())
	var batches []Encoded
	for i := range 50 {
		batches = append(batches, EncodeEvents(typicalEvents(b, 1000*i, 1000)))
	}
	b.ReportAllocs()
	var took []time.Duration
	n := 0
	for b.Loop() {
		start := time.Now()
		update(b, s, func(tx *Tx) error {
			_, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 1000, Stored: 1000, Events: &batches[n%len(batches)]})
			return err
		})
		n++
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "µs-max")
	b.ReportMetric(float64(s.Size())/float64(1000*n), "B/event")
}

// storedEvents is how many events the look-ups are made against: REGENT_BENCH_EVENTS, or a million.
func storedEvents() int {
	if n, err := strconv.Atoi(os.Getenv("REGENT_BENCH_EVENTS")); err == nil {
		return n
	}
	return 1_000_000
}

// fillEvents stores small events, with ids as sources give them.
func fillEvents(b *testing.B, s *Store, total int) {
	for from := 0; from < total; from += 10_000 {
		update(b, s, func(tx *Tx) error {
			for at := from; at < from+10_000; at += 1000 {
				events := make([]record.Event, 1000)
				for i := range events {
					events[i] = event(b, benchID(at+i), "act"+strconv.Itoa(i%20), t0.Add(time.Duration(at+i)*time.Millisecond))
				}
				e := EncodeEvents(events)
				if _, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 1000, Stored: 1000, Events: &e}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func benchID(n int) string { return record.Sum(strconv.AppendInt(nil, int64(n), 10)).String()[:36] }

// BenchmarkDuplicates looks batches of 1,000 events up in what is stored.
func BenchmarkDuplicates(b *testing.B) {
	s := open(b, b.TempDir())
	total := storedEvents()
	fillEvents(b, s, total)
	filters := 0
	for _, seg := range s.dups.sealed {
		filters += 8 * len(seg.filter.words)
	}
	lookUp := func(b *testing.B, from func(round int) int) {
		events := make([]record.Event, 1000)
		b.ReportAllocs()
		round, asked := 0, 0
		var spent time.Duration
		for b.Loop() {
			b.StopTimer()
			for i := range events {
				n := from(round) + i
				events[i] = event(b, benchID(n), "act"+strconv.Itoa(n%1000%20), t0.Add(time.Duration(n)*time.Millisecond))
			}
			round++
			b.StartTimer()
			update(b, s, func(tx *Tx) error {
				start := time.Now()
				_, err := tx.Duplicates(events, false)
				spent += time.Since(start)
				asked += len(events)
				return err
			})
		}
		b.ReportMetric(float64(asked)/spent.Seconds(), "look-ups/s")
	}
	b.Run("new", func(b *testing.B) {
		lookUp(b, func(round int) int { return total + 1000*round })
		b.ReportMetric(float64(filters+8*len(s.dups.open.slots))/float64(total), "memory-B/event")
	})
	b.Run("sent again in order", func(b *testing.B) {
		lookUp(b, func(round int) int { return 1000 * (7 * round % (total / 1000)) })
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s = reopen(b, s)
		}
	})
}

// BenchmarkEvents looks events up as people do.
func BenchmarkEvents(b *testing.B) {
	s := open(b, b.TempDir())
	total := storedEvents()
	fillEvents(b, s, total)
	for _, c := range []struct {
		name string
		f    EventFilter
	}{
		{"latest", EventFilter{Limit: 100}},
		{"by id", EventFilter{ID: benchID(total / 3)}},
		{"by an unknown resource", EventFilter{Resource: "unknown"}},
		{"by action", EventFilter{Action: "act7", Limit: 100}},
		{"by time", EventFilter{From: t0.Add(time.Second), To: t0.Add(2 * time.Second)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				view(b, s, func(tx *Tx) error {
					_, _, err := tx.Events(c.f)
					return err
				})
			}
		})
	}
	b.ReportMetric(float64(s.Size())/float64(total), "B/event")
}

func BenchmarkSeal(b *testing.B) {
	s := open(b, b.TempDir())
	o := &openSegment{first: 1}
	for i := range segmentEvents {
		o.add(idFingerprint(fmt.Sprint(i)), int64(i+1))
	}
	b.ReportAllocs()
	for b.Loop() {
		update(b, s, func(tx *Tx) error {
			_, err := tx.seal(o)
			return err
		})
	}
}
