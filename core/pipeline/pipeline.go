package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// The bounds on what is under way.
const (
	// queueLen and queueBytes bound the messages between Accept and commit, by what they take in memory.
	queueLen   = 256
	queueBytes = 32 << 20
	// recordBytes and itemBytes are what a record takes beside its text while it is judged and waits to
	// be committed; an item has a verdict of every policy on its type.
	recordBytes = 256
	itemBytes   = 8 << 10
	// groupLen and groupBytes bound what one transaction takes together: enough to share the cost of
	// making it durable, little enough that a reader never waits long for the writer.
	groupLen   = 32
	groupBytes = 8 << 20
	// chunk is how many resources one transaction of background work takes.
	chunk = 500
)

// Options are what a pipeline needs. All but Workers, Changed, Causes and Marker are required.
type Options struct {
	Store  *store.Store
	Intake *intake.Intake
	Log    *slog.Logger
	Now    func() time.Time
	// Types returns what the instance's plugin declared.
	Types func(record.Instance) *intake.Types
	// Workers is how many batches are judged at once; 0 means one per processor.
	Workers int
	// Changed is called after a commit that wrote changes to be routed. It must not block.
	Changed func()
	Metrics *Metrics
	// Causes follows what changes findings; nil leaves that out.
	Causes Causes
}

// Pipeline takes messages through the stages. Its methods are safe for concurrent use.
type Pipeline struct {
	store   *store.Store
	intake  *intake.Intake
	log     *slog.Logger
	now     func() time.Time
	types   func(record.Instance) *intake.Types
	changed func()
	metrics *Metrics
	workers int
	causes  Causes

	generation atomic.Pointer[Generation]
	queue      chan *job
	todo       chan *job
	budget     *budget
	kick       chan struct{}

	// What follows is touched inside store.Update only, whose transactions exclude one another.
	sweeps  map[sweepKey]*sweep
	settled map[string]bool
	book    *alarm.Book
	pruned  time.Time
	// arrivals are the instances without sweeps that have not settled yet.
	arrivals map[record.Instance]arrival

	health *health
	// imports says that records were ever imported.
	imports atomic.Bool
	judge   judge.Judge
}

// job is one message on its way.
type job struct {
	inst     record.Instance
	msg      record.Message
	received time.Time
	bytes    int64
	// ready is closed when the worker has filled in what follows.
	ready chan struct{}
	prep  *prepared
	// done is called with nil once the job is durable.
	done func()
}

// New returns a pipeline. Swap must be called once before Run.
func New(o Options) *Pipeline {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	p := &Pipeline{
		store: o.Store, intake: o.Intake, log: o.Log, now: o.Now, types: o.Types, changed: o.Changed,
		metrics: o.Metrics, workers: o.Workers, causes: o.Causes,
		queue: make(chan *job, queueLen), todo: make(chan *job, queueLen), budget: newBudget(queueBytes),
		kick:   make(chan struct{}, 1),
		sweeps: map[sweepKey]*sweep{}, settled: map[string]bool{}, book: alarm.NewBook(cachedTracks),
		arrivals: map[record.Instance]arrival{},
	}
	p.health = newHealth(p)
	p.judge = judge.Judge{
		Blocked: p.health.blocked,
		Judged:  func(o verdict.Outcome) { p.metrics.judged.WithLabelValues(string(o)).Inc() },
	}
	return p
}

// Accept queues a message of an instance. It blocks while the queue is full, which is how the daemon
// pushes back. Messages of one instance must come one after another; their order is kept.
func (p *Pipeline) Accept(ctx context.Context, inst record.Instance, m record.Message) error {
	j := &job{inst: inst, msg: m, received: p.now().UTC().Truncate(time.Microsecond), ready: make(chan struct{}), done: m.Done}
	for _, r := range m.Records {
		j.bytes += int64(len(r.JSON)) + recordBytes
		if r.Kind == record.KindItem {
			j.bytes += itemBytes
		}
	}
	start := time.Now()
	if err := p.budget.acquire(ctx, j.bytes); err != nil {
		return err
	}
	// The sequencer takes from queue and waits for the worker that takes from todo: a job must be in
	// both, and in queue in the order of arrival.
	select {
	case p.queue <- j:
	case <-ctx.Done():
		p.budget.release(j.bytes)
		return ctx.Err()
	}
	p.metrics.blocked.Add(time.Since(start).Seconds())
	if len(m.Records) == 0 {
		close(j.ready)
		return nil
	}
	select {
	case p.todo <- j:
	case <-ctx.Done():
		// The job is in the sequencer's queue already, so it must come to an end: unprepared, it is
		// judged inside the transaction.
		close(j.ready)
	}
	return nil
}

// Run takes messages through until ctx ends. Messages that are queued then are not committed; their
// collectors send them again from their cursors.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.generation.Load() == nil {
		return errors.New("pipeline has no generation")
	}
	if err := p.loadImports(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for range p.workers {
		g.Go(func() error { return p.work(ctx) })
	}
	g.Go(func() error { return p.sequence(ctx) })
	g.Go(func() error { return p.drain(ctx) })
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (p *Pipeline) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case j := <-p.todo:
			j.prep = p.prepare(ctx, j)
			close(j.ready)
		}
	}
}

// sequence commits jobs in their order, several in one transaction where they are ready.
func (p *Pipeline) sequence(ctx context.Context) error {
	var next *job
	for {
		group := make([]*job, 0, groupLen)
		bytes := int64(0)
		if next == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case next = <-p.queue:
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next.ready:
		}
		group, bytes, next = append(group, next), next.bytes, nil
	gather:
		for len(group) < groupLen && bytes < groupBytes {
			select {
			case j := <-p.queue:
				select {
				case <-j.ready:
					group, bytes = append(group, j), bytes+j.bytes
				default:
					next = j
					break gather
				}
			default:
				break gather
			}
		}
		if err := p.commitGroup(ctx, group); err != nil {
			return err
		}
		for _, j := range group {
			p.budget.release(j.bytes)
			if j.done != nil {
				j.done()
			}
		}
	}
}

// commitGroup commits a group, and tries for as long as it takes: what was accepted may not be lost,
// and collectors are held back meanwhile. A group that fails for another reason than the disk is
// tried job by job, so that one cannot take the others along.
func (p *Pipeline) commitGroup(ctx context.Context, group []*job) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		start := time.Now()
		err := p.commit(ctx, group)
		if err == nil {
			p.metrics.commit.Observe(time.Since(start).Seconds())
			p.health.storeWorks()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(group) > 1 && !errors.Is(err, store.ErrFull) {
			for _, j := range group {
				if err := p.commitGroup(ctx, []*job{j}); err != nil {
					return err
				}
			}
			return nil
		}
		p.metrics.commitFailures.Inc()
		p.health.storeFails(err)
		p.log.Error("the store does not take a batch; collectors wait until it does",
			"instance", group[0].inst, "retry", wait, "err", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// commit stores a group in one transaction.
func (p *Pipeline) commit(ctx context.Context, group []*job) (err error) {
	changes := 0
	err = p.store.Update(ctx, func(tx *store.Tx) error {
		c := &commit{p: p, tx: tx, gen: p.generation.Load(), now: p.now().UTC().Truncate(time.Microsecond)}
		for _, j := range group {
			if err := c.job(ctx, j); err != nil {
				return fmt.Errorf("%s: %w", j.inst, err)
			}
		}
		if err := c.finish(); err != nil {
			return err
		}
		changes = c.changes
		return nil
	})
	p.after(err, changes)
	return err
}

// after is called after each transaction that may have touched the state kept in memory.
func (p *Pipeline) after(err error, changes int) {
	if err != nil {
		// What the failed transaction did to the tracks is not in the store: read them again.
		p.book.Forget()
		return
	}
	if changes > 0 {
		p.changed()
	}
}

// wake makes the background work look for something to do.
func (p *Pipeline) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// budget bounds the bytes under way. A message larger than all of it passes alone.
type budget struct {
	mu    sync.Mutex
	free  int64
	total int64
	wait  chan struct{}
}

func newBudget(n int64) *budget { return &budget{free: n, total: n, wait: make(chan struct{})} }

func (b *budget) acquire(ctx context.Context, n int64) error {
	n = min(n, b.total)
	for {
		b.mu.Lock()
		if b.free >= n {
			b.free -= n
			b.mu.Unlock()
			return nil
		}
		wait := b.wait
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait:
		}
	}
}

func (b *budget) release(n int64) {
	n = min(n, b.total)
	b.mu.Lock()
	b.free += n
	close(b.wait)
	b.wait = make(chan struct{})
	b.mu.Unlock()
}
