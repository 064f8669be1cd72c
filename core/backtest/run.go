package backtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Scope says over what to run.
type Scope struct {
	// Since and Until bound the times of the records; a zero Since is the beginning, a zero Until the
	// end.
	Since, Until time.Time
	// Progress is told of how far it has come, now and then; it may be nil.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Kind record.Kind
	// Records counts the rows so far, of both kinds.
	Records int64
	// At is the time of the latest record.
	At time.Time
}

// chunkRows is how many rows are taken through at once. It is fixed for the same reason as part.
const chunkRows = 512

// Result is what came of one engine's policies. It reads from the engine, which must not be closed
// before it is done with.
type Result struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Horizon is the end of the records: until, or the time of the newest. An episode that would end
	// later is open.
	Horizon time.Time `json:"horizon,omitzero"`
	// Incomplete says that the run was ended before it was through.
	Incomplete bool       `json:"incomplete,omitempty"`
	Items      ItemTotals `json:"items"`
	Events     int64      `json:"events"`
	// Policies are the summaries, by id.
	Policies []*Summary `json:"policies,omitempty"`

	e *Engine
}

// Firings gives what fired, by time. Firings of one time come in an order that is always the same.
func (r *Result) Firings() iter.Seq2[Firing, error] {
	return func(yield func(Firing, error) bool) {
		for f, err := range r.e.spool.all() {
			if ep := f.Episode; ep != nil && r.open(*ep.EndedAt) {
				ep.State, ep.EndedAt, f.Open = verdict.AlarmFiring, nil, true
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

func (r *Result) open(end time.Time) bool { return end.After(r.Horizon) }

// Run runs engines over what a source gives, and returns what came of each. Where ctx ends before it is
// through, that is marked in the results and no error; where the source fails, what came before is
// returned with the error.
func Run(ctx context.Context, src Source, s Scope, engines ...*Engine) ([]*Result, error) {
	items, events := false, false
	workers := 1
	for _, e := range engines {
		e.since = s.Since
		i, v := e.wants()
		items, events = items || i, events || v
		workers = max(workers, e.o.Workers)
	}
	p := Progress{}
	told := func(kind record.Kind, rows []Row) {
		p.Kind, p.Records, p.At = kind, p.Records+int64(len(rows)), rows[len(rows)-1].Time
		if s.Progress != nil {
			s.Progress(p)
		}
	}
	var err error
	if items {
		err = stream(ctx, src.Items(ctx, s.Since, s.Until), workers, func(_ context.Context, rows []Row) ([]record.Item, error) {
			out := make([]record.Item, len(rows))
			for i := range rows {
				var err error
				if out[i], err = engines[0].reader.item(&rows[i]); err != nil {
					return nil, err
				}
			}
			return out, nil
		}, func(ctx context.Context, rows []Row, items []record.Item) error {
			for _, e := range engines {
				if err := e.apply(ctx, rows, items); err != nil {
					return err
				}
			}
			told(record.KindItem, rows)
			return nil
		})
		for _, e := range engines {
			if err == nil {
				err = e.rest(ctx)
			}
		}
	}
	if events && err == nil {
		err = stream(ctx, src.Events(ctx, s.Since, s.Until), workers, func(ctx context.Context, rows []Row) (c eventChunk, err error) {
			c.events = make([]record.Event, len(rows))
			for i := range rows {
				if c.events[i], err = engines[0].reader.event(&rows[i]); err != nil {
					return c, err
				}
			}
			for _, e := range engines {
				m, err := e.match(ctx, c.events)
				if err != nil {
					return c, err
				}
				c.matched = append(c.matched, m)
			}
			return c, nil
		}, func(_ context.Context, rows []Row, c eventChunk) error {
			for i, e := range engines {
				if err := e.follow(rows, c.events, c.matched[i]); err != nil {
					return err
				}
			}
			told(record.KindEvent, rows)
			return nil
		})
	}
	stopped := ctx.Err() != nil
	if stopped {
		err = nil
	}
	results := make([]*Result, len(engines))
	for i, e := range engines {
		r, finishErr := e.finish(s, stopped || err != nil)
		if finishErr != nil {
			return nil, finishErr
		}
		results[i] = r
	}
	return results, err
}

// eventChunk is a chunk of events with what each engine's alarms say of it.
type eventChunk struct {
	events  []record.Event
	matched []matched
}

// rest does what is left once all items are through.
func (e *Engine) rest(ctx context.Context) error {
	if err := e.judgeState(ctx); err != nil {
		return err
	}
	if e.nextWork.IsZero() {
		return nil
	}
	return e.update(ctx, func(tx *store.Tx) error {
		return e.work(ctx, &judge.Reader{Tx: tx, Cache: judge.NewValues()}, e.clock.Add(time.Hour))
	})
}

// finish closes the books.
func (e *Engine) finish(s Scope, incomplete bool) (*Result, error) {
	if err := e.keys.finish(); err != nil {
		return nil, err
	}
	r := &Result{Since: s.Since, Until: s.Until, Horizon: s.Until, Incomplete: incomplete, Items: e.items, Events: e.events, e: e}
	if r.Horizon.IsZero() || incomplete {
		r.Horizon = e.newest
		if e.clock.After(r.Horizon) {
			r.Horizon = e.clock
		}
	}
	for _, x := range e.spool.index {
		if x.end != 0 && !r.open(time.UnixMicro(x.end)) {
			x.policy.Open--
			x.policy.Resolved++
		}
	}
	for _, p := range e.sums {
		r.Policies = append(r.Policies, p)
	}
	slices.SortFunc(r.Policies, func(a, b *Summary) int { return strings.Compare(string(a.Policy), string(b.Policy)) })
	return r, nil
}

// stream takes rows through in chunks: prepare runs on all processors, apply on one, in order.
func stream[T any](ctx context.Context, rows iter.Seq2[Row, error], workers int, prepare func(context.Context, []Row) (T, error), apply func(context.Context, []Row, T) error) error {
	type job struct {
		rows  []Row
		ready chan struct{}
		out   T
		err   error
	}
	g, ctx := errgroup.WithContext(ctx)
	todo, order := make(chan *job, workers), make(chan *job, 2*workers)
	g.Go(func() error {
		defer close(todo)
		defer close(order)
		send := func(rows []Row) error {
			j := &job{rows: rows, ready: make(chan struct{})}
			for _, to := range []chan *job{order, todo} {
				select {
				case to <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}
		chunk := make([]Row, 0, chunkRows)
		for row, err := range rows {
			if err != nil {
				return err
			}
			if chunk = append(chunk, row); len(chunk) == chunkRows {
				if err := send(chunk); err != nil {
					return err
				}
				chunk = make([]Row, 0, chunkRows)
			}
		}
		if len(chunk) > 0 {
			return send(chunk)
		}
		return ctx.Err()
	})
	for range workers {
		g.Go(func() error {
			for j := range todo {
				j.out, j.err = prepare(ctx, j.rows)
				close(j.ready)
			}
			return nil
		})
	}
	g.Go(func() error {
		for j := range order {
			select {
			case <-j.ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			if j.err != nil {
				return j.err
			}
			if err := apply(ctx, j.rows, j.out); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// parallel calls fn for parts of n things, on several processors.
func parallel(ctx context.Context, workers, n, part int, fn func(ctx context.Context, from, to int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for from := 0; from < n; from += part {
		g.Go(func() error { return fn(ctx, from, min(from+part, n)) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	return nil
}
