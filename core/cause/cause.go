package cause

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

const (
	// Follow is how long after a change events are waited for that tell who made it.
	Follow = 24 * time.Hour
	// settleDelay gathers events that come together, and pause is how often a resource is looked at anew
	// while many come.
	settleDelay = 100 * time.Millisecond
	pause       = 2 * time.Second
	// again is how often a cause is looked at that has no room in the index.
	again = 15 * time.Minute
	// chunk is how many causes are linked together.
	chunk = 200
	// keep is how many causes of a finding stay in the store; the lake has all.
	keep = 50
	// tidy is how often what is waited for no longer is let go of.
	tidy = time.Minute
	// slack is by how much more than needed a resource is watched.
	slack = 10 * time.Minute

	metaSources = "cause/sources"
)

// Events is where events are looked up.
type Events interface {
	Events(ctx context.Context, f store.EventFilter) (page []store.EventRow, next string, err error)
}

// Options are what a linker needs.
type Options struct {
	Store  *store.Store
	Events Events
	Log    *slog.Logger
	Now    func() time.Time
	// Own are instances whose events are no collector's.
	Own []record.Instance
	// Told is called after a commit that wrote changes for routing. It must not block.
	Told func()
}

// Settings are what the configuration says.
type Settings struct {
	// Before and After are how far from a version's capture events are looked for.
	Before, After time.Duration
	// Tell is true where a route wants to know of actors that become known later.
	Tell bool
}

// DefaultSettings are those of a configuration that says nothing.
var DefaultSettings = Settings{Before: 15 * time.Minute, After: 5 * time.Minute}

// Linker links causes with events. Changed and Recorded are called inside store.Update, whose turn guards
// the index; the other methods are safe for concurrent use.
type Linker struct {
	o        Options
	settings atomic.Pointer[Settings]
	kick     chan struct{}

	// What follows is touched inside store.Update only.
	index   *index
	sources map[record.Instance]bool
	// tx is the transaction that fresh belongs to, which goes to the index when it is committed.
	tx    *store.Tx
	fresh map[int64]store.CauseWatch
	// tidied is when the index was last tidied, tidyAt the same for who has not the writer's turn.
	tidied time.Time
	tidyAt atomic.Int64
}

// New returns a linker. Open must be called before anything else.
func New(o Options) *Linker {
	if o.Told == nil {
		o.Told = func() {}
	}
	l := &Linker{
		o: o, kick: make(chan struct{}, 1), index: newIndex(maxWatches), sources: map[record.Instance]bool{},
		fresh: map[int64]store.CauseWatch{},
	}
	l.Use(DefaultSettings)
	return l
}

// Use puts settings in force, for changes from now on.
func (l *Linker) Use(s Settings) { l.settings.Store(&s) }

// Open reads what events are waited for.
func (l *Linker) Open(ctx context.Context) error {
	err := l.o.Store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.CauseWatches(l.o.Now(), func(w store.CauseWatch) { l.index.put(w) }); err != nil {
			return err
		}
		raw, err := tx.Meta(metaSources)
		if err != nil {
			return err
		}
		var names []record.Instance
		if raw != nil {
			if err := json.Unmarshal(raw, &names); err != nil {
				return fmt.Errorf("read who sends events: %w", err)
			}
		} else {
			// The journal is from before causes were kept.
			all, err := tx.EventInstances()
			if err != nil {
				return err
			}
			for _, s := range all {
				if inst := record.Instance(s); !slices.Contains(l.o.Own, inst) {
					names = append(names, inst)
				}
			}
			if err := setSources(tx, names); err != nil {
				return err
			}
		}
		for _, n := range names {
			l.sources[n] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read open causes: %w", err)
	}
	return nil
}

func setSources(tx *store.Tx, names []record.Instance) error {
	slices.Sort(names)
	// A list of texts always marshals.
	raw, _ := json.Marshal(names)
	return tx.SetMeta(metaSources, raw)
}

func readSources(tx *store.Tx) (names []record.Instance, err error) {
	raw, err := tx.Meta(metaSources)
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &names)
	}
	return names, err
}

// Changed writes down what changed the finding of a resource, and returns the id of the cause. it is the
// version that was judged, before the one whose place it took, nil where there was none. What differs is
// noted at once, where both are at hand: reading them again later costs several times that.
func (l *Linker) Changed(tx *store.Tx, resource int64, it *record.Item, before *store.Current, c verdict.Cause) (int64, error) {
	row := &store.CauseRow{Cause: c, Resource: resource}
	if !c.Kind.Seen() {
		row.Revision, row.Text = 1, settledText(&row.Cause)
		return tx.AddCause(row)
	}
	s, now := l.settings.Load(), l.o.Now().UTC().Truncate(time.Microsecond)
	row.Due, row.Until = now.Add(settleDelay), now.Add(Follow)
	if c.Kind == verdict.CauseVersion {
		row.Watched = resource
		if err := compare(&row.Cause, s, it, before); err != nil {
			return 0, err
		}
		if _, err := l.watch(tx, watchOf(row, resource, it)); err != nil {
			return 0, err
		}
	}
	id, err := tx.AddCause(row)
	if err == nil {
		tx.OnCommit(l.wake)
	}
	return id, err
}

func watchOf(row *store.CauseRow, resource int64, it *record.Item) store.CauseWatch {
	return store.CauseWatch{Resource: resource, ID: it.ResourceID, Name: it.ResourceName, ARN: it.ARN, From: row.From, To: row.To, Until: row.Until}
}

// watch has events on a resource waited for. It reports false where the index has no room.
func (l *Linker) watch(tx *store.Tx, w store.CauseWatch) (bool, error) {
	if l.tx != tx {
		// What an earlier transaction left was rolled back with it. Holding on to tx keeps its address
		// from being used for another.
		l.tx = tx
		clear(l.fresh)
		tx.OnCommit(l.committed)
	}
	have, known := l.fresh[w.Resource]
	if !known {
		var in watch
		if in, known = l.index.watches[w.Resource]; known {
			have = w
			have.From, have.To, have.Until = time.UnixMicro(in.from).UTC(), time.UnixMicro(in.to).UTC(), time.UnixMicro(in.until).UTC()
		}
	}
	room := known || len(l.index.watches)+len(l.fresh) < l.index.max
	if known && covers(have, w) {
		return room, nil
	}
	// A little more than is asked for, so that a resource that changes all the time is not written all the
	// time.
	w.To, w.Until = w.To.Add(slack), w.Until.Add(slack)
	next := merge(have, known, w)
	next.ID, next.Name, next.ARN = w.ID, w.Name, w.ARN
	l.fresh[w.Resource] = next
	return room, tx.PutCauseWatch(next)
}

// committed takes what a transaction waits for into the index.
func (l *Linker) committed() {
	for _, w := range l.fresh {
		l.index.put(w)
	}
	clear(l.fresh)
	l.tx = nil
}

// Recorded makes the causes due again that new events may tell something of.
func (l *Linker) Recorded(tx *store.Tx, inst record.Instance, events []record.Event) error {
	if !l.sources[inst] && !slices.Contains(l.o.Own, inst) {
		names := []record.Instance{inst}
		for n := range l.sources {
			names = append(names, n)
		}
		if err := setSources(tx, names); err != nil {
			return err
		}
		tx.OnCommit(func() { l.sources[inst] = true })
	}
	found := l.index.hits(events, nil)
	if len(found) == 0 {
		return nil
	}
	now := l.o.Now().UTC().Truncate(time.Microsecond)
	for resource := range found {
		due := now.Add(settleDelay)
		if w := l.index.watches[resource]; w.looked > 0 {
			if next := time.UnixMicro(w.looked).Add(pause); next.After(due) {
				due = next
			}
		}
		if _, err := tx.MarkCauses(resource, due); err != nil {
			return err
		}
	}
	tx.OnCommit(l.wake)
	return nil
}

func (l *Linker) lastTidy() time.Time { return time.UnixMicro(l.tidyAt.Load()) }

func (l *Linker) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Run links causes until ctx ends. A failure is logged and tried again: the work is durable.
func (l *Linker) Run(ctx context.Context) error {
	for {
		busy, next, err := l.step(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			l.o.Log.Error("causes cannot be linked and are tried again", "err", err)
			busy, next = false, l.o.Now().Add(5*time.Second)
		}
		if busy && ctx.Err() == nil {
			continue
		}
		wait := tidy
		if !next.IsZero() {
			wait = min(wait, max(0, next.Sub(l.o.Now())))
		}
		// A kick shortens a long wait only: causes that come close together are linked together.
		kick := l.kick
		if wait <= settleDelay {
			kick = nil
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-kick:
			t.Stop()
		case <-t.C:
		}
	}
}
