package lake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// Cache brings objects of the lake to a local path.
type Cache interface {
	// Fetch returns a path at which the object can be read until release is called. It has the digest
	// and size, or Fetch fails.
	Fetch(ctx context.Context, key string, sha256 record.Digest, size int64) (path string, release func(), err error)
}

// Options say where the lake is and how it is kept.
type Options struct {
	Store *store.Store
	// Bucket holds the files, Cache reads them.
	Bucket blob.Bucket
	Cache  Cache
	// Scratch is a local folder for files that are being written. What lies in it is removed.
	Scratch string
	// DrainEvery is how long records stay in the journal at most; 0 is a minute.
	DrainEvery time.Duration
	Log        *slog.Logger
	// Now is the time of day; nil is time.Now.
	Now func() time.Time
	// Health is told when the lake has taken nothing several times in a row, after each further try, and
	// when it takes something again; what it returns is logged. It may be nil.
	Health func(ctx context.Context, since time.Time, err error) error
	// Broken are the files that an earlier process found broken. TellBroken is told which are, now and
	// then; what it returns is logged. It may be nil.
	Broken     []Broken
	TellBroken func(ctx context.Context, files []Broken) error
	// Retention says how long tables are kept, and by which setting. It is asked anew each time.
	Retention func() map[table.Name]Keep
}

// Keep is how long the rows of a table are kept after they were received; zero is for ever.
type Keep struct {
	For time.Duration
	// Setting is the setting that says so: `retention.events = "2160h0m0s"`.
	Setting string
}

// Lake is an open lake. Its methods are safe for concurrent use.
type Lake struct {
	o   Options
	log *slog.Logger
	now func() time.Time

	// work is held by whoever carries out a plan.
	work chan struct{}
	wake chan struct{}

	readers readers
	files   fileCache
	broken  brokenFiles
	// mostHeld is the constant, but in tests.
	mostHeld int64

	mu      sync.Mutex
	failing error
	// failures counts the tries in a row that failed.
	failures int
	since    time.Time
	last     time.Time
}

// The bounds on how the lake is kept.
const (
	defaultDrainEvery = time.Minute
	// pollEvery is how often the journal is looked at, drainBatches from how many batches it is drained
	// before its time.
	pollEvery    = time.Second
	drainBatches = 128
	// tidyEvery is how often files are compacted and expired.
	tidyEvery = time.Minute
	// tellFailures is from how many failures in a row on it is told: with the waits between them, after
	// three seconds. One that took tellAfter is told at once.
	tellFailures = 3
	tellAfter    = 3 * time.Second
	// maxRetry bounds the wait after a failure.
	maxRetry = time.Minute
)

// Open opens a lake. What an earlier process was doing is finished by Run, or by the first Flush.
func Open(o Options) (*Lake, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DrainEvery <= 0 {
		o.DrainEvery = defaultDrainEvery
	}
	if o.Retention == nil {
		o.Retention = func() map[table.Name]Keep { return nil }
	}
	l := &Lake{o: o, log: o.Log, now: o.Now, work: make(chan struct{}, 1), wake: make(chan struct{}, 1), mostHeld: mostHeld}
	l.broken.files = map[string]*brokenFile{}
	for _, f := range o.Broken {
		// Not looked at yet.
		l.broken.files[f.Path] = &brokenFile{Broken: f}
	}
	left, err := filepath.Glob(filepath.Join(o.Scratch, "*.parquet"))
	if err != nil {
		return nil, fmt.Errorf("look into the lake's scratch folder: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("clear the lake's scratch folder: %w", err)
		}
	}
	if err := os.MkdirAll(o.Scratch, 0o700); err != nil {
		return nil, fmt.Errorf("make the lake's scratch folder: %w", err)
	}
	return l, nil
}

// String names the lake for messages.
func (l *Lake) String() string { return l.o.Bucket.String() }

// Run drains, compacts and expires until ctx ends. A failure is tried again for as long as it takes:
// until it works the journal keeps everything.
func (l *Lake) Run(ctx context.Context) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	retry := time.Second
	var drained, tidied, notBefore time.Time
	reached := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		case <-l.wake:
		}
		now := l.now()
		if now.Before(notBefore) && notBefore.Sub(now) <= maxRetry {
			continue
		}
		// Where there is nothing to drain, a bucket that cannot be reached would not be noticed.
		var due bool
		var err error
		if !reached {
			err = l.reach(ctx)
			reached = err == nil
		}
		if err == nil {
			due, err = l.due(ctx, drained, now)
		}
		if err == nil && due {
			if err = l.Flush(ctx); err == nil {
				drained = now
			}
		}
		// A clock that was set back must not keep the lake from being tidied.
		if err == nil && (now.Sub(tidied) >= tidyEvery || now.Before(tidied)) {
			if err = l.Tidy(ctx); err == nil {
				tidied = now
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			l.log.Error("the lake takes nothing; the journal keeps what is recorded", "lake", l.String(), "retry", retry, "err", err)
			notBefore = now.Add(retry)
			retry = min(2*retry, maxRetry)
		default:
			retry, notBefore = time.Second, time.Time{}
		}
		if l.o.TellBroken != nil {
			if err := l.o.TellBroken(ctx, l.Broken()); err != nil && ctx.Err() == nil {
				l.log.Error("which files of the lake are broken cannot be recorded", "err", err)
			}
		}
		if tell := l.note(err, now, l.now()); tell && l.o.Health != nil {
			since, err := l.Failure()
			if err := l.o.Health(ctx, since, err); err != nil && ctx.Err() == nil {
				l.log.Error("the lake's health cannot be recorded", "err", err)
			}
		}
	}
}

// due reports whether the journal is to be drained.
func (l *Lake) due(ctx context.Context, last, now time.Time) (bool, error) {
	if now.Sub(last) >= l.o.DrainEvery || now.Before(last) {
		return true, nil
	}
	var backlog int64
	err := l.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		backlog, err = tx.EventBacklog()
		return err
	})
	return backlog >= drainBatches, err
}

// reach asks a bucket on a server whether it is there.
func (l *Lake) reach(ctx context.Context) error {
	if b, ok := l.o.Bucket.(interface {
		Check(ctx context.Context) error
	}); ok {
		return b.Check(ctx)
	}
	return nil
}

// note remembers how a try ended that was begun at a time, and reports whether that is to be told.
func (l *Lake) note(err error, began, ended time.Time) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.failing, l.since, l.last, l.failures = nil, time.Time{}, began, 0
		return true
	}
	if l.failing == nil {
		l.since = began
	}
	l.failing = err
	l.failures++
	return l.failures >= tellFailures || ended.Sub(began) >= tellAfter
}

// Failure returns since when the lake takes nothing, and why; a zero time where it does.
func (l *Lake) Failure() (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, l.failing
}

// hold waits for the turn to work on the lake.
func (l *Lake) hold(ctx context.Context) (release func(), err error) {
	select {
	case l.work <- struct{}{}:
		return func() { <-l.work }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Flush drains everything that was committed before it was called.
func (l *Lake) Flush(ctx context.Context) error {
	release, err := l.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := l.resume(ctx); err != nil {
		return err
	}
	for {
		more, err := l.drain(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// Tidy compacts, expires, and removes the files that nobody reads any more.
func (l *Lake) Tidy(ctx context.Context) error {
	release, err := l.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := l.resume(ctx); err != nil {
		return err
	}
	if err := l.mend(ctx); err != nil {
		return err
	}
	if err := l.expire(ctx); err != nil {
		return err
	}
	if err := l.compact(ctx); err != nil {
		return err
	}
	return l.sweep(ctx)
}

// resume finishes the plan that an earlier process, or an attempt that failed, left behind.
func (l *Lake) resume(ctx context.Context) error {
	var p *plan
	err := l.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		p, err = readPlan(tx)
		return err
	})
	if err != nil || p == nil {
		return err
	}
	l.log.Info("finishing what was begun in the lake", "plan", p.ID, "work", p.Kind)
	return l.carryOut(ctx, p, nil)
}

// scratch is the local path at which a file of the lake is made.
func (l *Lake) scratch(p *plan, n int) string {
	return filepath.Join(l.o.Scratch, fmt.Sprintf("%d-%d.parquet", p.ID, n))
}

// errPlan says that a plan cannot be carried out as it was written.
var errPlan = errors.New("the lake's plan does not fit the journal")
