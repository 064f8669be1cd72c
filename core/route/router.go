package route

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

const (
	metaPosition = "route/position"
	// batch is how many changes one transaction takes in.
	batch = 500
	// listed is how many changes a notification lists; a summary lists the worst of them.
	listed = 50
	// summaryWait is how long nothing more of a first judgement must have come before its summary
	// leaves, and summaryLongest how long it waits at most.
	summaryWait    = 3 * time.Second
	summaryLongest = time.Minute
	// keepChanges is how many changes that were taken in are kept for those who look into the store.
	keepChanges = 10_000
	summaryName = "(first judgement)"
)

// Options are what a router needs.
type Options struct {
	Store *store.Store
	Log   *slog.Logger
	Now   func() time.Time
	// Source names the installation in notifications.
	Source string
	// Delivering is called after deliveries were made. It must not block.
	Delivering func()
	// Describe fills in what is known of a cause before events were looked for; nil leaves that out.
	Describe func(*store.Tx, *store.CauseRow) error
}

// Router makes deliveries of changes.
type Router struct {
	o     Options
	table atomic.Pointer[Table]
	kick  chan struct{}
	// failing is since when and why nothing is routed; nil where it is.
	failing atomic.Pointer[failure]
}

type failure struct {
	since time.Time
	err   error
}

// Failure returns since when nothing can be routed, and why; a zero time where all is well.
func (r *Router) Failure() (time.Time, error) {
	if f := r.failing.Load(); f != nil {
		return f.since, f.err
	}
	return time.Time{}, nil
}

// note remembers how a step ended.
func (r *Router) note(err error) {
	old := r.failing.Load()
	switch {
	case err == nil && old != nil:
		r.failing.Store(nil)
	case err != nil && old == nil:
		r.failing.Store(&failure{r.o.Now(), err})
	case err != nil:
		r.failing.Store(&failure{old.since, err})
	}
}

// New returns a router with no routes.
func New(o Options) *Router {
	r := &Router{o: o, kick: make(chan struct{}, 1)}
	r.table.Store(&Table{})
	if o.Delivering == nil {
		r.o.Delivering = func() {}
	}
	return r
}

// Use puts a table in force. Groups that wait keep waiting under the new one.
func (r *Router) Use(t *Table) {
	r.table.Store(t)
	r.Wake()
}

// Wake tells the router that changes were committed. It does not block.
func (r *Router) Wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Run routes until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	for {
		busy, next, err := r.step(ctx)
		if err != nil && ctx.Err() == nil {
			r.note(err)
			r.o.Log.Error("routing failed and is tried again", "err", err)
			next, busy = time.Now().Add(time.Second), false
		}
		if err == nil {
			r.note(nil)
		}
		if busy && ctx.Err() == nil {
			continue
		}
		wait := time.Minute
		if !next.IsZero() {
			wait = min(wait, max(0, next.Sub(r.o.Now())))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-r.kick:
			t.Stop()
		case <-t.C:
		}
	}
}

// held is the body of a group.
type held struct {
	Values map[string]string `json:"values,omitempty"`
	// Waiting are the changes of the next delivery, the latest of each key.
	Waiting []verdict.Change `json:"waiting,omitempty"`
	// Active are the keys that are wrong, by the change that said so last.
	Active map[string]verdict.Change `json:"active,omitempty"`
	// Held are changes that wait for their actor to become known.
	Held []heldChange `json:"held,omitempty"`
	// Since is when the first waiting change came, Sent when the last delivery was made.
	Since time.Time `json:"since,omitzero"`
	Sent  time.Time `json:"sent,omitzero"`
	// Summary counts a first judgement instead of holding its changes.
	Summary   *sdk.Summary `json:"summary,omitempty"`
	Truncated int          `json:"truncated,omitempty"`
}

// step takes in changes and releases groups that are due, in one transaction. It returns when the next
// group is due.
func (r *Router) step(ctx context.Context) (busy bool, next time.Time, err error) {
	now := r.o.Now().UTC().Truncate(time.Microsecond)
	// Looking first spares the writer where there is nothing to do.
	var changes []verdict.Change
	due := false
	known := map[int64]*store.CauseRow{}
	err = r.o.Store.View(ctx, func(tx *store.Tx) error {
		position, err := readPosition(tx)
		if err != nil {
			return err
		}
		if changes, err = tx.Changes(position, batch); err != nil {
			return err
		}
		if err := r.describe(tx, changes, known); err != nil {
			return err
		}
		at, any, err := tx.NextGroup()
		due = any && !at.After(now)
		if any {
			next = at
		}
		return err
	})
	if err != nil || len(changes) == 0 && !due {
		return false, next, err
	}
	table := r.table.Load()
	made := 0
	err = r.o.Store.Update(ctx, func(tx *store.Tx) error {
		s := &session{r: r, tx: tx, table: table, now: now, groups: map[[2]string]*held{}, causes: known}
		for i := range changes {
			if err := s.take(&changes[i]); err != nil {
				return err
			}
		}
		if n := len(changes); n > 0 {
			position := changes[n-1].Seq
			if err := tx.SetMeta(metaPosition, fmt.Append(nil, position)); err != nil {
				return err
			}
			if _, err := tx.TrimChanges(position-keepChanges, 2*batch); err != nil {
				return err
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
		if err := s.release(); err != nil {
			return err
		}
		made = s.made
		at, any, err := tx.NextGroup()
		next = time.Time{}
		if any {
			next = at
		}
		return err
	})
	if err != nil {
		return false, time.Time{}, err
	}
	if made > 0 {
		r.o.Delivering()
	}
	return len(changes) == batch, next, nil
}
