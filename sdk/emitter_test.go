package sdk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// stream keeps what is sent as text, once the gate lets it through.
type stream struct {
	// gate, where there is one, must be read from for each message; closing broken fails those that wait.
	gate   chan struct{}
	broken chan struct{}

	mu       sync.Mutex
	messages []*pluginv1.CollectResponse
}

var errBroken = errors.New("the connection is gone")

func (s *stream) Send(m *pluginv1.CollectResponse) error {
	// gRPC refuses what it cannot encode or what is too large, and ends the stream.
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > wire.MaxMessage {
		return fmt.Errorf("message of %d bytes", len(b))
	}
	if s.gate != nil {
		select {
		case s.gate <- struct{}{}:
		case <-s.broken:
			return errBroken
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	return nil
}

// said tells what was sent: "3" for a batch of three records, the kind of every other message.
func (s *stream) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.messages {
		switch x := m.GetMessage().(type) {
		case *pluginv1.CollectResponse_Batch:
			out = append(out, fmt.Sprint(len(x.Batch.GetRecords())))
		case *pluginv1.CollectResponse_Checkpoint:
			out = append(out, fmt.Sprintf("checkpoint %d %s", x.Checkpoint.GetId(), x.Checkpoint.GetCursor()))
		case *pluginv1.CollectResponse_SweepBegin:
			out = append(out, "sweep "+x.SweepBegin.GetScope()+" "+strings.Join(x.SweepBegin.GetResourceTypes(), ","))
		case *pluginv1.CollectResponse_SweepEnd:
			out = append(out, fmt.Sprintf("end %t", x.SweepEnd.GetComplete()))
		case *pluginv1.CollectResponse_Gap:
			out = append(out, strings.TrimSpace("gap "+x.Gap.GetFrom()+" "+x.Gap.GetTo())+" "+x.Gap.GetReason())
		case *pluginv1.CollectResponse_Problem:
			out = append(out, x.Problem.GetSeverity().String()+" "+x.Problem.GetSummary())
		}
	}
	return out
}

func (s *stream) records() []*pluginv1.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*pluginv1.Record
	for _, m := range s.messages {
		out = append(out, m.GetBatch().GetRecords()...)
	}
	return out
}

func emitting(t *testing.T, s *stream) *emitter {
	t.Helper()
	e := newEmitter(s, []byte("before"))
	t.Cleanup(func() { e.timer.Stop() })
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmitterKeepsTheOrder(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), &stream{}
	e := emitting(t, s)
	if string(e.Cursor()) != "before" {
		t.Errorf("cursor %q", e.Cursor())
	}
	sweep, err := e.SweepBegin(ctx, "scope", "A::B::C", "A::B::D")
	must(t, err)
	must(t, e.ItemJSON(ctx, []byte("1")))
	must(t, e.EventJSON(ctx, []byte("2")))
	must(t, e.Damaged(ctx, KindEvent, []byte("3"), "file:3", ""))
	id, err := e.Checkpoint(ctx, []byte("a"))
	must(t, err)
	must(t, e.ItemJSON(ctx, []byte("4")))
	must(t, sweep.End(ctx, true))
	must(t, sweep.End(ctx, false)) // a second end says nothing
	from := time.Date(2026, 1, 1, 12, 0, 0, 5000, time.FixedZone("", 3600))
	must(t, e.ItemJSON(ctx, []byte("5")))
	must(t, e.Gap(ctx, from, from.Add(time.Second), "why"))
	must(t, e.Gap(ctx, from, time.Time{}, "still"))
	must(t, e.ItemJSON(ctx, []byte("6")))
	must(t, e.Problem(ctx, Problem{Warning: true, Summary: "odd"}))
	must(t, e.Problem(ctx, Problem{Summary: "bad"}))
	must(t, e.ItemJSON(ctx, []byte("7")))
	must(t, e.Flush(ctx))
	must(t, e.Flush(ctx)) // nothing waits
	next, err := e.Checkpoint(ctx, nil)
	must(t, err)
	if id != 1 || next != 2 {
		t.Errorf("the checkpoints have the ids %d and %d", id, next)
	}
	same(t, s.said(), "sweep scope A::B::C,A::B::D", "3", "checkpoint 1 a", "1", "end true", "1",
		"gap 2026-01-01T11:00:00.000005Z 2026-01-01T11:00:01.000005Z why", "gap 2026-01-01T11:00:00.000005Z still", "1",
		"SEVERITY_WARNING odd", "SEVERITY_ERROR bad", "1", "checkpoint 2 ")
	var got []string
	for _, r := range s.records() {
		got = append(got, fmt.Sprintf("%s %s %s %s", r.GetJson(), r.GetKind(), r.GetOrigin(), r.GetDamaged()))
	}
	same(t, got, "1 KIND_ITEM  ", "2 KIND_EVENT  ", "3 KIND_EVENT file:3 damaged", "4 KIND_ITEM  ", "5 KIND_ITEM  ", "6 KIND_ITEM  ", "7 KIND_ITEM  ")
}

// TestEmitterBlocks has a reader that takes a message at a time.
func TestEmitterBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stream{gate: make(chan struct{})}
		e := emitting(t, s)
		var emitted atomic.Int64
		const total = 2*wire.MaxBatchRecords + 5
		done := make(chan error)
		go func() {
			for i := range total {
				if err := e.ItemJSON(t.Context(), fmt.Appendf(nil, "%d", i)); err != nil {
					done <- err
					return
				}
				emitted.Add(1)
			}
			_, err := e.Checkpoint(t.Context(), []byte("c"))
			done <- err
		}()
		for batch := 1; batch <= 2; batch++ {
			synctest.Wait()
			// The call that fills the batch returns when the batch is taken.
			if got, want := emitted.Load(), int64(batch*wire.MaxBatchRecords-1); got != want {
				t.Errorf("%d records are emitted before batch %d is taken, want %d", got, batch, want)
			}
			<-s.gate
		}
		<-s.gate
		<-s.gate
		must(t, <-done)
		same(t, s.said(), "1000", "1000", "5", "checkpoint 1 c")
		for i, r := range s.records() {
			if string(r.GetJson()) != fmt.Sprint(i) {
				t.Fatalf("record %d is %s", i, r.GetJson())
			}
		}
	})
}

// TestEmitterReturnsWhenTheStreamEnds breaks the stream under a call that waits.
func TestEmitterReturnsWhenTheStreamEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stream{gate: make(chan struct{}), broken: make(chan struct{})}
		e := emitting(t, s)
		must(t, e.ItemJSON(t.Context(), []byte("1")))
		flushed := make(chan error)
		go func() { flushed <- e.Flush(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-flushed:
			t.Fatalf("the flush is not held up: %v", err)
		default:
		}
		close(s.broken)
		if err := <-flushed; !errors.Is(err, errBroken) {
			t.Errorf("the call that waited returns %v", err)
		}
		_, checkpoint := e.Checkpoint(t.Context(), nil)
		_, sweep := e.SweepBegin(t.Context(), "s")
		for name, err := range map[string]error{
			"ItemJSON": e.ItemJSON(t.Context(), []byte("2")), "Event": e.Event(t.Context(), Event{Source: "s", Time: time.Now()}),
			"Damaged": e.Damaged(t.Context(), KindItem, nil, "", ""), "Problem": e.Problem(t.Context(), Problem{}),
			"Gap": e.Gap(t.Context(), time.Now(), time.Time{}, ""), "Flush": e.Flush(t.Context()), "Checkpoint": checkpoint, "SweepBegin": sweep,
		} {
			if !errors.Is(err, errBroken) {
				t.Errorf("%s returns %v after the stream has ended", name, err)
			}
		}
		same(t, s.said())
	})
}

// TestEmitterIgnoresAnEndedContext sends the last checkpoint of a collector that was asked to stop.
func TestEmitterIgnoresAnEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &stream{}
	e := emitting(t, s)
	must(t, e.ItemJSON(ctx, []byte("1")))
	_, err := e.Checkpoint(ctx, []byte("last"))
	must(t, err)
	same(t, s.said(), "1", "checkpoint 1 last")
}

// TestEmitterLetsRecordsShareAMessage waits for the batch that leaves by itself.
func TestEmitterLetsRecordsShareAMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		e := emitting(t, s)
		must(t, e.ItemJSON(t.Context(), []byte("1")))
		time.Sleep(flushAfter / 2)
		must(t, e.ItemJSON(t.Context(), []byte("2")))
		synctest.Wait()
		same(t, s.said())
		time.Sleep(flushAfter / 2)
		synctest.Wait()
		same(t, s.said(), "2")
		time.Sleep(time.Hour)
		same(t, s.said(), "2")
	})
}

func TestEmitterLimits(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), &stream{}
	e := emitting(t, s)
	half := []byte(strings.Repeat("x", wire.MaxBatchBytes/2+1))
	// Two of them do not fit one batch, a largest one fits one by itself, and a larger one is damaged.
	for _, b := range [][]byte{half, half, []byte(strings.Repeat("y", wire.MaxRecord)), []byte(strings.Repeat("z", wire.MaxRecord+1))} {
		must(t, e.ItemJSON(ctx, b))
	}
	must(t, e.Flush(ctx))
	same(t, s.said(), "1", "1", "1", "1")
	records := s.records()
	if r := records[2]; r.GetDamaged() != "" || len(r.GetJson()) != wire.MaxRecord {
		t.Errorf("the largest record: %d bytes, %q", len(r.GetJson()), r.GetDamaged())
	}
	if r := records[3]; r.GetDamaged() != "record has 1048577 bytes, more than the 1048576 allowed" || len(r.GetJson()) != damagedBytes {
		t.Errorf("one byte more: %d bytes, %q", len(r.GetJson()), r.GetDamaged())
	}
	if id, err := e.Checkpoint(ctx, make([]byte, wire.MaxMessage)); err == nil || id != 0 || !strings.Contains(err.Error(), "4194304 are allowed") {
		t.Errorf("a cursor that no message holds: id %d, %v", id, err)
	}
	// The stream goes on.
	if id, err := e.Checkpoint(ctx, []byte("c")); err != nil || id != 1 {
		t.Errorf("the next checkpoint: id %d, %v", id, err)
	}
}

// TestEmitterTakesAnyText sends what file names and answers may hold: gRPC would end the stream.
func TestEmitterTakesAnyText(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), &stream{}
	e := emitting(t, s)
	raw := []byte(strings.Repeat("r", damagedBytes+1))
	must(t, e.Damaged(ctx, KindItem, raw, "/tmp/\xff", strings.Repeat("é", wire.MaxMessage)))
	raw[0] = 'X' // the caller's buffer is its own
	must(t, e.Problem(ctx, Problem{Summary: "\xff", Detail: strings.Repeat("d", wire.MaxMessage)}))
	must(t, e.Gap(ctx, time.Unix(0, 0), time.Time{}, "a\xff"))
	if _, err := e.SweepBegin(ctx, "\xff"); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("a scope that is no text: %v", err)
	}
	if _, err := e.SweepBegin(ctx, "s", "a\xff"); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("a type that is no text: %v", err)
	}
	same(t, s.said(), "1", "SEVERITY_ERROR \uFFFD", "gap 1970-01-01T00:00:00Z a\uFFFD")
	r := s.records()[0]
	if r.GetOrigin() != "/tmp/\uFFFD" || !utf8.ValidString(r.GetDamaged()) || len(r.GetDamaged()) > maxText+len("\uFFFD") {
		t.Errorf("origin %q, a reason of %d bytes", r.GetOrigin(), len(r.GetDamaged()))
	}
	if len(r.GetJson()) != damagedBytes || r.GetJson()[0] != 'r' {
		t.Errorf("%d bytes are kept, and they begin with %q", len(r.GetJson()), r.GetJson()[:1])
	}
}

// TestEmitterRefusesBadRecords goes on after each.
func TestEmitterRefusesBadRecords(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), &stream{}
	e := emitting(t, s)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		err  error
		want string
	}{
		{e.Item(ctx, Item{ResourceID: "i"}), `item "i" has no ResourceType`},
		{e.Item(ctx, Item{ResourceType: "A::B::C"}), "item of type A::B::C has no ResourceID"},
		{e.Item(ctx, Item{ResourceType: "A::B::C", ResourceID: "i", Configuration: func() {}}), "encode item A::B::C i: json: "},
		{e.Item(ctx, Item{ResourceType: "A::B::C", ResourceID: "i", Configuration: math.NaN()}), "encode item A::B::C i: json: "},
		{e.Event(ctx, Event{ID: "1", Time: now}), `event "1" has no Source`},
		{e.Event(ctx, Event{ID: "1", Source: "s"}), `event "1" of s has no Time`},
		{e.Event(ctx, Event{ID: "1", Source: "s", Time: now, Detail: make(chan int)}), "encode event 1 of s: json: "},
	} {
		if c.err == nil || !strings.HasPrefix(c.err.Error(), c.want) {
			t.Errorf("%v, want %s", c.err, c.want)
		}
	}
	must(t, e.Event(ctx, Event{ID: "1", Source: "s", Time: now}))
	must(t, e.Flush(ctx))
	same(t, s.said(), "1")
}

// TestEmitterAfterCollect has a goroutine of the collector's that outlives Collect.
func TestEmitterAfterCollect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		e := emitting(t, s)
		must(t, e.ItemJSON(t.Context(), []byte("1")))
		must(t, e.close())
		if err := e.ItemJSON(t.Context(), []byte("2")); !errors.Is(err, errReturned) {
			t.Errorf("a record after the end: %v", err)
		}
		if _, err := e.Checkpoint(t.Context(), nil); !errors.Is(err, errReturned) {
			t.Errorf("a checkpoint after the end: %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		same(t, s.said(), "1")
	})
}

func TestEmitterIsConcurrent(t *testing.T) {
	t.Parallel()
	s := &stream{}
	e := emitting(t, s)
	const workers, each = 8, 500
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				if err := e.ItemJSON(t.Context(), fmt.Appendf(nil, "%d %d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	must(t, e.close())
	next := map[int]int{}
	for _, r := range s.records() {
		var w, i int
		if _, err := fmt.Sscan(string(r.GetJson()), &w, &i); err != nil || next[w] != i {
			t.Fatalf("%s comes where %d of worker %d is due: %v", r.GetJson(), next[w], w, err)
		}
		next[w]++
	}
	for w := range workers {
		if next[w] != each {
			t.Errorf("%d records of worker %d", next[w], w)
		}
	}
}
