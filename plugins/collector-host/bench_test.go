package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk"
)

// sink is an sdk.Emitter that encodes records, as the real one does, and drops them.
type sink struct {
	items, bytes int
}

func (s *sink) Cursor() []byte { return nil }
func (s *sink) Item(_ context.Context, it sdk.Item) error {
	b, err := json.Marshal(it)
	s.items, s.bytes = s.items+1, s.bytes+len(b)
	return err
}
func (s *sink) Event(context.Context, sdk.Event) error                           { return nil }
func (s *sink) ItemJSON(context.Context, []byte) error                           { return nil }
func (s *sink) EventJSON(context.Context, []byte) error                          { return nil }
func (s *sink) Damaged(context.Context, sdk.Kind, []byte, string, string) error  { return nil }
func (s *sink) Checkpoint(context.Context, []byte) (uint64, error)               { return 0, nil }
func (s *sink) SweepBegin(context.Context, string, ...string) (sdk.Sweep, error) { return s, nil }
func (s *sink) End(context.Context, bool) error                                  { return nil }
func (s *sink) Gap(context.Context, time.Time, time.Time, string) error          { return nil }
func (s *sink) Problem(context.Context, sdk.Problem) error                       { return nil }
func (s *sink) Flush(context.Context) error                                      { return nil }

// BenchmarkPass goes through all families of the machine it runs on, as happens every interval.
func BenchmarkPass(b *testing.B) {
	c := opened(b, func(c *config) { c.Watch = []string{"/etc"} })
	out := &sink{}
	r := &run{
		collector: c, out: out, names: &nameTable{}, files: newTracker(2 * c.cfg.MaxFiles), told: newTold(),
		baseline: make(chan struct{}), again: make(chan struct{}, 1),
	}
	b.ReportAllocs()
	for b.Loop() {
		out.items, out.bytes = 0, 0
		if err := r.pass(context.Background(), true); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.items), "items")
	b.ReportMetric(float64(out.bytes), "bytes")
}
