package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// taskKind says what a task does.
type taskKind string

const (
	// taskScan judges all resources of some types with some policies.
	taskScan taskKind = "scan"
	// taskReaders adds work for the policies that read one resource.
	taskReaders taskKind = "readers"
	// taskRemoved resolves the findings of a policy that is no more, and forgets its verdicts.
	taskRemoved taskKind = "removed"
	// taskTerms renews title, severity and labels of a policy's findings.
	taskTerms taskKind = "terms"
	// taskWaivers holds all open findings against the waivers.
	taskWaivers taskKind = "waivers"
	// taskLose takes resources from an instance.
	taskLose taskKind = "lose"
)

// task is durable background work that is done in chunks; it keeps its own place.
type task struct {
	Seq    int64            `json:"seq"`
	Kind   taskKind         `json:"kind"`
	After  int64            `json:"after,omitempty"`
	Policy verdict.PolicyID `json:"policy,omitempty"`
	Scan   *scan            `json:"scan,omitempty"`

	ResourceType string `json:"resourceType,omitempty"`
	ResourceID   string `json:"resourceId,omitempty"`

	Instance  record.Instance `json:"instance,omitempty"`
	Resources []int64         `json:"resources,omitempty"`
	Status    record.Status   `json:"status,omitempty"`
	At        time.Time       `json:"at,omitzero"`
}

// scan is the place of a taskScan.
type scan struct {
	// Policies are those to run; true marks one that had never judged anything, whose findings are
	// told in one summary.
	Policies map[verdict.PolicyID]bool `json:"policies"`
	// Done are the types that are through.
	Done []string `json:"done,omitempty"`
}

const (
	metaTasks = "pipeline/tasks"
	metaTask  = "pipeline/task/"
)

// same reports whether a task makes another one needless.
func (t task) same(o task) bool {
	return t.Kind == o.Kind && t.Policy == o.Policy && t.ResourceType == o.ResourceType && t.ResourceID == o.ResourceID &&
		t.Scan == nil && o.Scan == nil && len(t.Resources) == 0 && len(o.Resources) == 0
}

// addTask writes a task down; one that waits already is begun anew instead.
func addTask(tx *store.Tx, t task) error {
	var seqs []int64
	if err := getMeta(tx, metaTasks, &seqs); err != nil {
		return err
	}
	for _, seq := range seqs {
		var waiting task
		if err := getMeta(tx, fmt.Sprint(metaTask, seq), &waiting); err != nil {
			return err
		}
		if waiting.same(t) {
			waiting.After = 0
			return setMeta(tx, fmt.Sprint(metaTask, seq), waiting)
		}
	}
	if n := len(seqs); n > 0 {
		t.Seq = seqs[n-1]
	}
	t.Seq++
	if err := setMeta(tx, fmt.Sprint(metaTask, t.Seq), t); err != nil {
		return err
	}
	return setMeta(tx, metaTasks, append(seqs, t.Seq))
}

// firstTask returns the task that waits longest, nil where none does.
func firstTask(tx *store.Tx) (*task, error) {
	var seqs []int64
	if err := getMeta(tx, metaTasks, &seqs); err != nil || len(seqs) == 0 {
		return nil, err
	}
	var t task
	return &t, getMeta(tx, fmt.Sprint(metaTask, seqs[0]), &t)
}

// advance writes down how far a task has come, or that it is through.
func advance(tx *store.Tx, t *task, through bool) error {
	key := fmt.Sprint(metaTask, t.Seq)
	if !through {
		return setMeta(tx, key, t)
	}
	var seqs []int64
	if err := getMeta(tx, metaTasks, &seqs); err != nil {
		return err
	}
	if err := tx.SetMeta(key, nil); err != nil {
		return err
	}
	return setMeta(tx, metaTasks, slices.DeleteFunc(seqs, func(s int64) bool { return s == t.Seq }))
}

// runTask takes the first task one chunk further. It reports false where there is none.
func (p *Pipeline) runTask(ctx context.Context) (bool, error) {
	var t *task
	if err := p.store.View(ctx, func(tx *store.Tx) (err error) { t, err = firstTask(tx); return err }); err != nil || t == nil {
		return false, err
	}
	var err error
	switch t.Kind {
	case taskScan:
		err = p.scanChunk(ctx, t)
	case taskReaders:
		err = p.update(ctx, func(c *commit) error { return c.readersChunk(t) })
	case taskRemoved:
		err = p.update(ctx, func(c *commit) error { return c.removedChunk(t) })
	case taskTerms:
		err = p.update(ctx, func(c *commit) error { return c.findingsChunk(t, c.renewTerms) })
	case taskWaivers:
		err = p.update(ctx, func(c *commit) error { return c.findingsChunk(t, c.renewWaiver) })
	case taskLose:
		err = p.update(ctx, func(c *commit) error { return c.loseChunk(ctx, t) })
	default:
		p.log.Error("a task of an unknown kind is left out", "kind", t.Kind)
		err = p.update(ctx, func(c *commit) error { return advance(c.tx, t, true) })
	}
	if err != nil {
		return false, fmt.Errorf("background work %q: %w", t.Kind, err)
	}
	return true, nil
}

// update runs fn in a transaction of the pipeline's.
func (p *Pipeline) update(ctx context.Context, fn func(*commit) error) error {
	changes := 0
	err := p.store.Update(ctx, func(tx *store.Tx) error {
		c := &commit{p: p, tx: tx, gen: p.generation.Load(), now: p.now().UTC().Truncate(time.Microsecond)}
		if err := fn(c); err != nil {
			return err
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

// dependents has the policies judged again that read the resource of it.
func (c *commit) dependents(it *record.Item) error {
	deps, err := c.tx.Dependents(it.ResourceType, it.ResourceID, 0, chunk+1)
	if err != nil {
		return fmt.Errorf("read what depends on %s: %w", it.Key, err)
	}
	if len(deps) == 0 {
		return nil
	}
	defer c.p.wake()
	if len(deps) > chunk {
		return addTask(c.tx, task{Kind: taskReaders, ResourceType: it.ResourceType, ResourceID: it.ResourceID})
	}
	return c.addWork(deps)
}

// addWork writes down that pairs are to be judged again. Readers of a whole type wait a minute, so
// that a type that changes all the time costs one run a minute.
func (c *commit) addWork(deps []store.Dependent) error {
	work := make([]store.Work, 0, len(deps))
	for _, d := range deps {
		w := store.Work{Policy: d.Policy, Resource: d.Resource, Reason: "dependency", Due: c.now}
		if d.All {
			w.Due = c.now.Add(time.Minute)
		}
		work = append(work, w)
	}
	if err := c.tx.AddWork(work); err != nil {
		return fmt.Errorf("write work: %w", err)
	}
	return nil
}

func (c *commit) readersChunk(t *task) error {
	deps, err := c.tx.Dependents(t.ResourceType, t.ResourceID, t.After, chunk)
	if err != nil {
		return err
	}
	if err := c.addWork(deps); err != nil {
		return err
	}
	if n := len(deps); n > 0 {
		t.After = deps[n-1].Row
	}
	return advance(c.tx, t, len(deps) < chunk)
}

func (c *commit) removedChunk(t *task) error {
	if c.gen.Policies.Get(t.Policy) != nil {
		// It came back before its removal was through.
		return advance(c.tx, t, true)
	}
	findings, err := c.tx.FindingsOf(t.Policy, t.After, chunk)
	if err != nil {
		return err
	}
	for _, f := range findings {
		t.After = f.Resource
		next, change := compliance.Remove(&f.Finding, c.now)
		if next == nil {
			continue
		}
		if err := c.tx.PutFinding(f.Resource, *next); err != nil {
			return err
		}
		if change.Cause, err = c.settledCause(f.Resource, next, verdict.CauseResolved, verdict.CausePolicy, "", change); err != nil {
			return err
		}
		if err := c.change(*change); err != nil {
			return err
		}
	}
	if len(findings) == chunk {
		return advance(c.tx, t, false)
	}
	n, err := c.tx.ForgetPolicy(t.Policy, chunk)
	if err != nil {
		return err
	}
	return advance(c.tx, t, n < chunk)
}

// findingsChunk runs fn over the open findings, those of one policy where the task names one.
func (c *commit) findingsChunk(t *task, fn func(store.ResourceFinding) error) error {
	var findings []store.ResourceFinding
	var err error
	if t.Policy != "" {
		findings, err = c.tx.FindingsOf(t.Policy, t.After, chunk)
	} else {
		findings, err = c.tx.OpenFindings(t.After, chunk)
	}
	if err != nil {
		return err
	}
	for _, f := range findings {
		t.After = f.Row
		if t.Policy != "" {
			t.After = f.Resource
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	return advance(c.tx, t, len(findings) < chunk)
}

func (c *commit) renewTerms(f store.ResourceFinding) error {
	pol := c.gen.Policies.Get(f.Policy)
	if pol == nil {
		return nil
	}
	f.Title, f.Severity, f.Labels = pol.Title, pol.Severity, pol.Labels
	return c.tx.PutFinding(f.Resource, f.Finding)
}

func (c *commit) renewWaiver(f store.ResourceFinding) error {
	waiver := c.gen.Waivers.Cover(f.Policy, f.Subject, c.now)
	next, change := compliance.Waive(&f.Finding, waiver, c.now)
	if next == nil {
		return nil
	}
	if err := c.tx.PutFinding(f.Resource, *next); err != nil {
		return err
	}
	var err error
	named := cmp.Or(waiver, f.Waiver)
	if change.Cause, err = c.settledCause(f.Resource, next, verdict.CauseChanged, verdict.CauseWaiver, named, change); err != nil {
		return err
	}
	return c.change(*change)
}

func (c *commit) loseChunk(ctx context.Context, t *task) error {
	n := min(chunk, len(t.Resources))
	for _, resource := range t.Resources[:n] {
		if err := c.loseOne(ctx, *t, resource); err != nil {
			return err
		}
	}
	t.Resources = t.Resources[n:]
	return advance(c.tx, t, len(t.Resources) == 0)
}

// unit is one resource to be judged again.
type unit struct {
	cur      *store.Current
	policies []*policy.Policy
	// first marks the policies that never judged anything before.
	first    map[verdict.PolicyID]bool
	verdicts []verdict.Verdict
}

// scanChunk judges the next resources of a scan.
func (p *Pipeline) scanChunk(ctx context.Context, t *task) error {
	gen := p.generation.Load()
	byType := map[string][]*policy.Policy{}
	for id := range t.Scan.Policies {
		pol := gen.Policies.Get(id)
		if pol == nil {
			continue
		}
		for _, typ := range pol.ResourceTypes {
			if !slices.Contains(t.Scan.Done, typ) {
				byType[typ] = append(byType[typ], pol)
			}
		}
	}
	types := make([]string, 0, len(byType))
	for typ := range byType {
		types = append(types, typ)
	}
	if len(types) == 0 {
		return p.update(ctx, func(c *commit) error { return advance(c.tx, t, true) })
	}
	typ := slices.Min(types)
	policies := byType[typ]
	slices.SortFunc(policies, func(a, b *policy.Policy) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	var units []*unit
	var page []*store.Current
	err := p.store.View(ctx, func(tx *store.Tx) (err error) {
		if page, err = tx.OfType(typ, t.After, chunk); err != nil {
			return err
		}
		for _, cur := range page {
			imported, err := p.onlyImported(tx, &cur.Item, cur.Resource)
			if err != nil {
				return err
			}
			if !imported {
				units = append(units, &unit{cur: cur, policies: policies, first: t.Scan.Policies})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.judgeAgain(ctx, gen, units, func(c *commit) error {
		if len(page) < chunk {
			t.Scan.Done = append(t.Scan.Done, typ)
			t.After = 0
		} else {
			t.After = page[len(page)-1].Resource
		}
		return advance(c.tx, t, false)
	})
}

// runWork judges the next pairs that wait to be judged again. It reports false where there are none.
func (p *Pipeline) runWork(ctx context.Context) (bool, error) {
	gen := p.generation.Load()
	var work []store.Work
	var units []*unit
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		if work, err = tx.NextWork(p.now(), chunk); err != nil {
			return err
		}
		byResource := map[int64]*unit{}
		for _, w := range work {
			pol := gen.Policies.Get(w.Policy)
			if pol == nil {
				continue
			}
			u := byResource[w.Resource]
			if u == nil {
				cur, err := tx.CurrentByID(w.Resource)
				if err != nil {
					return err
				}
				if cur == nil {
					continue
				}
				u = &unit{cur: cur}
				byResource[w.Resource] = u
				units = append(units, u)
			}
			u.policies = append(u.policies, pol)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read work: %w", err)
	}
	if len(work) == 0 {
		return false, nil
	}
	err = p.judgeAgain(ctx, gen, units, func(c *commit) error { return c.tx.FinishWork(work) })
	if err != nil {
		return false, fmt.Errorf("judge dependents again: %w", err)
	}
	return true, nil
}

// judgeAgain judges units on the committed state, then writes what came of it, having checked that
// the state is still that one. finish is called in the same transaction.
func (p *Pipeline) judgeAgain(ctx context.Context, gen *Generation, units []*unit, finish func(*commit) error) error {
	g, gctx := errgroup.WithContext(ctx)
	share := (len(units) + p.workers - 1) / p.workers
	for start := 0; start < len(units); start += share {
		part := units[start:min(start+share, len(units))]
		g.Go(func() error {
			return p.store.View(gctx, func(tx *store.Tx) error {
				r := &judge.Reader{Tx: tx, Cache: judge.NewValues()}
				for _, u := range part {
					if err := p.judgeUnit(gctx, tx, u, r); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return p.update(ctx, func(c *commit) error {
		if c.gen != gen {
			// The policies moved on; the work stays and is done with the new ones.
			return nil
		}
		c.cache = judge.NewValues()
		r := &judge.Reader{Tx: c.tx, Cache: c.cache}
		for _, u := range units {
			now, err := c.tx.CurrentByID(u.cur.Resource)
			if err != nil {
				return err
			}
			if now == nil {
				continue
			}
			if now.Version != u.cur.Version {
				u.cur = now
				if err := p.judgeUnit(ctx, c.tx, u, r); err != nil {
					return err
				}
			} else if ok, err := judge.Holds(ctx, now.Item.Key, u.verdicts, r); err != nil {
				return err
			} else if !ok {
				if err := p.judgeUnit(ctx, c.tx, u, r); err != nil {
					return err
				}
			}
			if err := c.unitVerdicts(u); err != nil {
				return err
			}
		}
		return finish(c)
	})
}

func (p *Pipeline) judgeUnit(ctx context.Context, tx *store.Tx, u *unit, r policy.Reader) error {
	previous, err := tx.Previous(u.cur.Resource)
	if err != nil {
		return err
	}
	var before *judge.Version
	if previous != nil {
		before = &judge.Version{Item: &previous.Item}
	}
	u.verdicts, err = p.judge.Run(ctx, u.policies, &judge.Version{Item: &u.cur.Item}, before, r)
	return err
}

// unitVerdicts writes the verdicts of a unit, those of new policies apart from the others.
func (c *commit) unitVerdicts(u *unit) error {
	var first, others []verdict.Verdict
	for _, v := range u.verdicts {
		if u.first[v.Policy] {
			first = append(first, v)
		} else {
			others = append(others, v)
		}
	}
	if err := c.verdicts(&u.cur.Item, u.cur.Resource, u.cur.Version, first, nil, false, true); err != nil {
		return err
	}
	return c.verdicts(&u.cur.Item, u.cur.Resource, u.cur.Version, others, nil, false, false)
}
