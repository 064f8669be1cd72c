package backtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Options say what an engine runs.
type Options struct {
	Policies *policy.Set
	// Waivers may be nil.
	Waivers *compliance.Waivers
	// Dir is a folder for what does not fit in memory. The engine makes it and leaves it to the caller.
	Dir string
	// Workers is how many processors judge; 0 is all there are.
	Workers int
	// Samples is how many errors of each policy are kept; 0 is ten.
	Samples int
}

// Engine is one set of policies with its state. It is used by one Run and then read.
type Engine struct {
	o      Options
	store  *store.Store
	spool  *spool
	judge  judge.Judge
	reader *reader
	sums   map[verdict.PolicyID]*Summary
	items  ItemTotals
	// resources is how many resources there are.
	resources int64
	events    int64
	// pending are firings of a transaction under way.
	pending []Firing

	// since is the start, clock the newest capture time and newest that of any record.
	since, clock, newest time.Time
	// loading is true until the state at the start is complete.
	loading bool
	// nextWork is when the next reader of a whole type is to be judged again, zero where none is, and
	// waiverEnd when the next waiver ends.
	nextWork, waiverEnd time.Time

	book    *alarm.Book
	keys    *keys
	arrived time.Time
	pruned  time.Time
}

// NewEngine returns an engine. Close it.
func NewEngine(ctx context.Context, o Options) (*Engine, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Samples <= 0 {
		o.Samples = 10
	}
	e := &Engine{o: o, sums: map[verdict.PolicyID]*Summary{}, loading: true}
	var err error
	if e.reader, err = newReader(); err != nil {
		return nil, err
	}
	// The state's own clock decides nothing: what it stamps is not read.
	if e.store, err = store.Open(ctx, store.Options{Dir: o.Dir}); err != nil {
		return nil, fmt.Errorf("open a folder for the state: %w", err)
	}
	if e.spool, err = newSpool(o.Dir); err != nil {
		return nil, errors.Join(err, e.store.Close())
	}
	e.keys = newKeys(e)
	e.book = alarm.NewBook(maxTracks)
	for _, p := range o.Policies.Policies() {
		e.sums[p.ID] = &Summary{Policy: p.ID, Kind: p.Kind, Title: p.Title, Severity: p.Severity}
	}
	return e, nil
}

// Close ends the engine and what is read of it.
func (e *Engine) Close() error { return errors.Join(e.spool.close(), e.store.Close()) }

// wants reports whether the policies are about items, and whether about events.
func (e *Engine) wants() (items, events bool) {
	for _, p := range e.o.Policies.Policies() {
		items = items || p.Kind == policy.KindCompliance
		events = events || p.On == "event"
	}
	return items, events
}

// flush keeps the firings of a transaction that was committed.
func (e *Engine) flush() error {
	for i := range e.pending {
		if err := e.fire(&e.pending[i], time.Time{}); err != nil {
			return err
		}
	}
	e.pending = e.pending[:0]
	return nil
}

// fire keeps one firing; end is when an episode ends.
func (e *Engine) fire(f *Firing, end time.Time) error {
	s := e.sums[f.Policy]
	s.fired(f)
	return e.spool.add(f, s, end)
}

// update runs fn in a transaction and keeps what fired in it.
func (e *Engine) update(ctx context.Context, fn func(tx *store.Tx) error) error {
	e.pending = e.pending[:0]
	if err := e.store.Update(ctx, fn); err != nil {
		return err
	}
	return e.flush()
}

// part is how many items are judged together ahead of their turn. It is fixed, because what they are
// judged on is the state overlaid with their part, and that must not depend on how many processors there
// are.
const part = 64

// apply takes the items of a chunk through, in order.
func (e *Engine) apply(ctx context.Context, rows []Row, items []record.Item) error {
	n := 0
	for n < len(rows) && e.loading && rows[n].State {
		n++
	}
	if n > 0 {
		if err := e.load(ctx, rows[:n], items[:n]); err != nil {
			return err
		}
	}
	if n == len(rows) {
		return nil
	}
	if err := e.judgeState(ctx); err != nil {
		return err
	}
	rows, items = rows[n:], items[n:]
	ahead, err := e.ahead(ctx, items)
	if err != nil {
		return err
	}
	cache := judge.NewValues()
	return e.update(ctx, func(tx *store.Tx) error {
		r := &judge.Reader{Tx: tx, Cache: cache}
		for i := range items {
			if err := e.item(ctx, r, &rows[i], &items[i], &ahead[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// put stores an item. The temporary store's own numbers are not those of the recording, which stand
// where the instance would.
func (e *Engine) put(tx *store.Tx, row *Row, it *record.Item) (store.ItemResult, error) {
	res, err := tx.PutItem(store.ItemWrite{Item: *it, Instance: record.Instance(fmt.Sprint(row.Number)), Received: row.Received})
	if err != nil {
		return res, fmt.Errorf("keep %s: %w", it.Key, err)
	}
	e.resources = max(e.resources, res.Resource)
	return res, nil
}

// numberOf returns the number that a version has in the recording.
func numberOf(c *store.Current) int64 {
	var n int64
	// put wrote it.
	_, _ = fmt.Sscan(string(c.Instance), &n)
	return n
}

// load keeps items of the state at the start.
func (e *Engine) load(ctx context.Context, rows []Row, items []record.Item) error {
	e.items.State += int64(len(items))
	return e.store.Update(ctx, func(tx *store.Tx) error {
		for i := range items {
			if _, err := e.put(tx, &rows[i], &items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// ahead judges items before their turn, on all processors.
func (e *Engine) ahead(ctx context.Context, items []record.Item) ([]judge.Ahead, error) {
	out := make([]judge.Ahead, len(items))
	err := parallel(ctx, e.o.Workers, len(items), part, func(ctx context.Context, from, to int) error {
		// A policy over a whole type is judged when its turn comes: what it reads is not looked at again.
		var some []record.Item
		var at []int
		for i := from; i < to; i++ {
			if !e.readsAll(items[i].ResourceType) {
				some, at = append(some, items[i]), append(at, i)
			}
		}
		return e.store.View(ctx, func(tx *store.Tx) error {
			judged, err := e.judge.Items(ctx, tx, e.o.Policies, some)
			for i := range judged {
				out[at[i]] = judged[i]
			}
			return err
		})
	})
	return out, err
}

func (e *Engine) readsAll(resourceType string) bool {
	return slices.ContainsFunc(e.o.Policies.ForType(resourceType), func(p *policy.Policy) bool { return len(p.ReadsAll) > 0 })
}

// item takes one item through.
func (e *Engine) item(ctx context.Context, r *judge.Reader, row *Row, it *record.Item, a *judge.Ahead) error {
	if it.CaptureTime.After(e.clock) {
		if err := e.pass(ctx, r, it.CaptureTime); err != nil {
			return err
		}
	}
	e.items.Read++
	res, err := e.put(r.Tx, row, it)
	if err != nil {
		return err
	}
	switch res.Kind {
	case store.ItemUnchanged:
		return nil
	case store.ItemLate:
		e.items.Late++
		return nil
	}
	var before *judge.Version
	if res.Before != nil {
		before = &judge.Version{Item: &res.Before.Item}
	}
	verdicts, _, err := e.judge.Settle(ctx, e.o.Policies, a, &judge.Version{Item: it}, before, r)
	if err != nil {
		return err
	}
	s := subject{item: it, resource: res.Resource, number: row.Number, at: it.CaptureTime, cause: CauseVersion}
	if err := e.verdicts(r.Tx, s, verdicts); err != nil {
		return err
	}
	return e.dependents(ctx, r, it)
}

// pass lets time go on to t, and does what falls due until then.
func (e *Engine) pass(ctx context.Context, r *judge.Reader, t time.Time) error {
	if e.clock.IsZero() {
		e.waiverEnd, _ = e.o.Waivers.NextExpiry(t)
	}
	for !e.waiverEnd.IsZero() && !t.Before(e.waiverEnd) {
		e.clock = e.waiverEnd
		if err := e.waiversEnd(r.Tx); err != nil {
			return err
		}
		e.waiverEnd, _ = e.o.Waivers.NextExpiry(e.clock)
	}
	e.clock = t
	if !e.nextWork.IsZero() && !t.Before(e.nextWork) {
		return e.work(ctx, r, t)
	}
	return nil
}

// waiversEnd holds the open findings against the waivers that are left.
func (e *Engine) waiversEnd(tx *store.Tx) error {
	for after := int64(0); ; {
		page, err := tx.OpenFindings(after, pageLen)
		if err != nil {
			return fmt.Errorf("read open findings: %w", err)
		}
		for i := range page {
			f := &page[i]
			after = f.Row
			next, _ := compliance.Waive(&f.Finding, e.o.Waivers.Cover(f.Policy, f.Subject, e.clock), e.clock)
			if next == nil {
				continue
			}
			if err := tx.PutFinding(f.Resource, *next); err != nil {
				return fmt.Errorf("keep finding of %s: %w", f.Policy, err)
			}
			if next.Waiver == "" {
				cur, err := tx.CurrentByID(f.Resource)
				if err != nil {
					return fmt.Errorf("read %s: %w", f.Subject, err)
				}
				e.pending = append(e.pending, opened(next, e.clock, numberOf(cur), CauseWaiver))
			}
		}
		if len(page) < pageLen {
			return nil
		}
	}
}

// pageLen is how much is read at once of what may be long.
const pageLen = 500

// judgeState judges the state at the start, once all of it is there.
func (e *Engine) judgeState(ctx context.Context) error {
	if !e.loading {
		return nil
	}
	e.loading = false
	e.clock = e.since
	e.waiverEnd, _ = e.o.Waivers.NextExpiry(e.since)
	if e.items.State == 0 {
		return nil
	}
	types := map[string]bool{}
	for _, p := range e.o.Policies.Policies() {
		for _, t := range p.ResourceTypes {
			types[t] = true
		}
	}
	sorted := make([]string, 0, len(types))
	for t := range types {
		sorted = append(sorted, t)
	}
	slices.Sort(sorted)
	for _, t := range sorted {
		for after := int64(0); ; {
			n, last, err := e.judgePage(ctx, t, after)
			if err != nil {
				return err
			}
			if n < pageLen {
				break
			}
			after = last
		}
	}
	return nil
}

// judgePage judges the next resources of a type as they are.
func (e *Engine) judgePage(ctx context.Context, typ string, after int64) (n int, last int64, err error) {
	var page []*store.Current
	if err := e.store.View(ctx, func(tx *store.Tx) (err error) { page, err = tx.OfType(typ, after, pageLen); return err }); err != nil {
		return 0, 0, fmt.Errorf("read resources of %s: %w", typ, err)
	}
	if len(page) == 0 {
		return 0, after, nil
	}
	judged := make([][]verdict.Verdict, len(page))
	err = parallel(ctx, e.o.Workers, len(page), part, func(ctx context.Context, from, to int) error {
		return e.store.View(ctx, func(tx *store.Tx) (err error) {
			r := still{&judge.Reader{Tx: tx, Cache: judge.NewValues()}, map[string][]policy.Found{}}
			for i := from; i < to && err == nil; i++ {
				if page[i].Item.Status.Recorded() {
					judged[i], err = e.again(ctx, tx, r, page[i], e.o.Policies.ForType(typ))
				}
			}
			return err
		})
	})
	if err != nil {
		return 0, 0, err
	}
	err = e.update(ctx, func(tx *store.Tx) error {
		for i, c := range page {
			s := subject{item: &c.Item, resource: c.Resource, number: numberOf(c), at: e.since, cause: CauseStart}
			if err := e.verdicts(tx, s, judged[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return len(page), page[len(page)-1].Resource, err
}

// again judges a resource as it is.
func (e *Engine) again(ctx context.Context, tx *store.Tx, r policy.Reader, c *store.Current, policies []*policy.Policy) ([]verdict.Verdict, error) {
	previous, err := tx.Previous(c.Resource)
	if err != nil {
		return nil, fmt.Errorf("read the version before of %s: %w", c.Item.Key, err)
	}
	var before *judge.Version
	if previous != nil {
		before = &judge.Version{Item: &previous.Item}
	}
	return e.judge.Run(ctx, policies, &judge.Version{Item: &c.Item}, before, r)
}

// dependents judges again whose verdicts rest on a resource that changed. Readers of its whole type wait
// a minute, as they do in the daemon.
func (e *Engine) dependents(ctx context.Context, r *judge.Reader, it *record.Item) error {
	for after := int64(0); ; {
		deps, err := r.Tx.Dependents(it.ResourceType, it.ResourceID, after, pageLen)
		if err != nil {
			return fmt.Errorf("read what depends on %s: %w", it.Key, err)
		}
		var later []store.Work
		for _, d := range deps {
			after = d.Row
			if d.All {
				later = append(later, store.Work{Policy: d.Policy, Resource: d.Resource, Reason: "dependency", Due: e.clock.Add(time.Minute)})
				continue
			}
			if err := e.rejudge(ctx, r.Tx, r, d.Policy, d.Resource, e.clock); err != nil {
				return err
			}
		}
		if len(later) > 0 {
			if err := r.Tx.AddWork(later); err != nil {
				return fmt.Errorf("keep what is to be judged again: %w", err)
			}
			if due := later[0].Due; e.nextWork.IsZero() || due.Before(e.nextWork) {
				e.nextWork = due
			}
		}
		if len(deps) < pageLen {
			return nil
		}
	}
}

// rejudge runs one policy again on one resource because something else changed.
func (e *Engine) rejudge(ctx context.Context, tx *store.Tx, r policy.Reader, id verdict.PolicyID, resource int64, at time.Time) error {
	cur, err := tx.CurrentByID(resource)
	if err != nil || cur == nil {
		return err
	}
	verdicts, err := e.again(ctx, tx, r, cur, []*policy.Policy{e.o.Policies.Get(id)})
	if err != nil {
		return err
	}
	s := subject{item: &cur.Item, resource: resource, number: numberOf(cur), at: at, cause: CauseOther}
	return e.verdicts(tx, s, verdicts)
}

// still is a Reader while no resource changes: whole types are read once, however many policies and
// resources go over them.
type still struct {
	*judge.Reader
	types map[string][]policy.Found
}

// All implements policy.Reader.
func (s still) All(ctx context.Context, resourceType string, limit int) ([]policy.Found, error) {
	if found, ok := s.types[resourceType]; ok {
		// The caller sorts what it gets.
		return slices.Clone(found), nil
	}
	found, err := s.Reader.All(ctx, resourceType, limit)
	if err == nil {
		s.types[resourceType] = slices.Clone(found)
	}
	return found, err
}

// work judges again what has fallen due at t.
func (e *Engine) work(ctx context.Context, r *judge.Reader, t time.Time) error {
	same := still{r, map[string][]policy.Found{}}
	for {
		due, err := r.Tx.NextWork(t, pageLen)
		if err != nil {
			return fmt.Errorf("read what is to be judged again: %w", err)
		}
		for _, w := range due {
			at := w.Due
			if at.After(e.clock) {
				at = e.clock
			}
			if err := e.rejudge(ctx, r.Tx, same, w.Policy, w.Resource, at); err != nil {
				return err
			}
		}
		if err := r.Tx.FinishWork(due); err != nil {
			return fmt.Errorf("finish what was judged again: %w", err)
		}
		if len(due) < pageLen {
			break
		}
	}
	// What is left is due later; the next look comes when the first of it can be.
	n, err := r.Tx.CountWork()
	if err != nil {
		return fmt.Errorf("count what is to be judged again: %w", err)
	}
	e.nextWork = time.Time{}
	if n > 0 {
		e.nextWork = t.Add(time.Second)
	}
	return nil
}
