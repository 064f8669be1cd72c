package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// A sweep that misses more than heldShare of what its instance owns in the scope, and more than
// heldCount resources, is held: a listing that suddenly comes back nearly empty is more often a lost
// permission than a lost estate.
const (
	heldShare = 0.2
	heldCount = 10
)

// An instance without sweeps has settled when its first items are this old, or when it has sent none
// for quietAfter: from then on changes are told one by one.
const (
	settleAfter = time.Minute
	quietAfter  = 5 * time.Second
)

type sweepKey struct {
	inst record.Instance
	id   string
}

// sweep is an open sweep. It lives in memory: one that is cut off by a restart is abandoned, and the
// collector begins again.
type sweep struct {
	scope string
	types map[string]bool
	seen  map[int64]struct{}
}

// arrival is when an instance without sweeps first and last sent items.
type arrival struct{ first, last time.Time }

func (c *commit) sweepBegin(inst record.Instance, b *record.SweepBegin) {
	// A collector has one process and one stream; an older sweep of the same scope was cut off.
	for k, s := range c.p.sweeps {
		if k.inst == inst && s.scope == b.Scope {
			delete(c.p.sweeps, k)
		}
	}
	s := &sweep{scope: b.Scope, types: map[string]bool{}, seen: map[int64]struct{}{}}
	for _, t := range b.ResourceTypes {
		s.types[t] = true
	}
	c.p.sweeps[sweepKey{inst, b.ID}] = s
}

// covering returns the open sweep of the instance that lists the type, nil where none does.
func (c *commit) covering(inst record.Instance, resourceType string) *sweep {
	for k, s := range c.p.sweeps {
		if k.inst == inst && s.types[resourceType] {
			return s
		}
	}
	return nil
}

// sighted notes that an instance has said something of a resource: it owns it now, and an open sweep
// has seen it.
func (c *commit) sighted(inst record.Instance, it *record.Item, resource int64) error {
	if !it.Status.Recorded() {
		return nil
	}
	scope := ""
	if s := c.covering(inst, it.ResourceType); s != nil {
		s.seen[resource] = struct{}{}
		scope = s.scope
	}
	if err := c.tx.Own(resource, inst, scope); err != nil {
		return fmt.Errorf("note that %s owns %s: %w", inst, it.Key, err)
	}
	return nil
}

// sweepEnd deletes what a complete sweep has not seen.
func (c *commit) sweepEnd(ctx context.Context, inst record.Instance, e *record.SweepEnd) error {
	key := sweepKey{inst, e.ID}
	s := c.p.sweeps[key]
	delete(c.p.sweeps, key)
	if s == nil || !e.Complete {
		return nil
	}
	types := make([]string, 0, len(s.types))
	for t := range s.types {
		types = append(types, t)
	}
	var missing []int64
	total := 0
	err := c.tx.Owned(inst, s.scope, types, func(resource int64) error {
		total++
		if _, ok := s.seen[resource]; !ok {
			missing = append(missing, resource)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list what %s owns: %w", inst, err)
	}
	if err := c.settle(inst, s.scope); err != nil {
		return err
	}
	held, err := c.tx.Held(inst, s.scope)
	if err != nil {
		return fmt.Errorf("read held sweep of %s: %w", inst, err)
	}
	if len(missing) > heldCount && float64(len(missing)) > heldShare*float64(total) && held == nil {
		h := store.Held{Instance: inst, Scope: s.scope, At: c.now, Missing: missing, Total: total}
		if err := c.tx.HoldSweep(h); err != nil {
			return fmt.Errorf("hold sweep of %s: %w", inst, err)
		}
		c.p.log.Warn("a sweep would delete much of what the instance owns and is held; it takes effect when it is confirmed or comes again",
			"instance", inst, "scope", s.scope, "missing", len(missing), "of", total)
		return c.change(heldChange(h, true, fmt.Sprintf(
			"%d of %d resources are missing in the latest sweep of %q. Nothing is deleted until a second sweep says the same or `regent plugin confirm-sweep %s %q` is run.",
			len(missing), total, s.scope, inst, s.scope)))
	}
	if held != nil {
		if err := c.tx.ReleaseHeld(inst, s.scope); err != nil {
			return fmt.Errorf("release held sweep of %s: %w", inst, err)
		}
		if err := c.change(heldChange(*held, false, fmt.Sprintf("The sweep came again; %d resources are missing now.", len(missing)))); err != nil {
			return err
		}
	}
	return c.lose(ctx, task{Kind: taskLose, Instance: inst, Resources: missing, Status: record.StatusDeleted, At: c.now})
}

func heldChange(h store.Held, active bool, msg string) verdict.Change {
	state := map[bool]string{true: "HELD", false: "RELEASED"}[active]
	return verdict.Change{
		Class: verdict.ClassHealth, Severity: verdict.High, RecordedAt: h.At,
		Key: "sweep/" + string(h.Instance) + "/" + h.Scope, Title: "A sweep would delete many resources",
		Message: msg, New: state, Active: active, Instance: string(h.Instance),
	}
}

// ConfirmSweep lets a held sweep take effect. It reports false where none is held.
func (p *Pipeline) ConfirmSweep(ctx context.Context, inst record.Instance, scope string) (bool, error) {
	found := false
	err := p.update(ctx, func(c *commit) error {
		held, err := c.tx.Held(inst, scope)
		if err != nil || held == nil {
			return err
		}
		found = true
		if err := c.tx.ReleaseHeld(inst, scope); err != nil {
			return err
		}
		if err := c.change(heldChange(*held, false, "The sweep was confirmed.")); err != nil {
			return err
		}
		return c.lose(ctx, task{Kind: taskLose, Instance: inst, Resources: held.Missing, Status: record.StatusDeleted, At: c.now})
	})
	if err != nil {
		return false, fmt.Errorf("confirm sweep of %s: %w", inst, err)
	}
	return found, nil
}

// lose takes resources from an instance: at once where they are few, else as durable work.
func (c *commit) lose(ctx context.Context, t task) error {
	if len(t.Resources) > chunk {
		defer c.p.wake()
		return addTask(c.tx, t)
	}
	for _, resource := range t.Resources {
		if err := c.loseOne(ctx, t, resource); err != nil {
			return err
		}
	}
	return nil
}

// loseOne takes one resource from an instance. When the last owner is gone, so is the resource.
func (c *commit) loseOne(ctx context.Context, t task, resource int64) error {
	if err := c.tx.Disown(resource, t.Instance); err != nil {
		return fmt.Errorf("take resource %d from %s: %w", resource, t.Instance, err)
	}
	owners, err := c.tx.Owners(resource)
	if err != nil {
		return fmt.Errorf("read owners of resource %d: %w", resource, err)
	}
	if len(owners) > 0 {
		return nil
	}
	cur, err := c.tx.CurrentByID(resource)
	if err != nil {
		return fmt.Errorf("read resource %d: %w", resource, err)
	}
	if cur == nil || !cur.Item.Status.Recorded() {
		return nil
	}
	at := t.At
	if cur.Confirmed.After(at) {
		at = cur.Confirmed
	}
	gone := cur.Item.Gone(t.Status, at)
	res, err := c.tx.PutItem(store.ItemWrite{Item: gone, Instance: t.Instance, Received: c.now})
	if err != nil {
		return fmt.Errorf("record that %s is gone: %w", gone.Key, err)
	}
	if c.cache == nil {
		c.cache = judge.NewValues()
	}
	now, before := &judge.Version{Item: &gone}, &judge.Version{Item: &cur.Item}
	verdicts, err := c.p.judge.Run(ctx, c.gen.Policies.ForType(gone.ResourceType), now, before, &judge.Reader{Tx: c.tx, Cache: c.cache})
	if err != nil {
		return fmt.Errorf("judge %s: %w", gone.Key, err)
	}
	if err := c.newVersion(&gone, before, res, false); err != nil {
		return err
	}
	return c.verdicts(&gone, resource, res.Version, verdicts, res.Before, true, false)
}

// Retire takes everything from the instances that are not in keep: what leaves the configuration is
// recorded no more, which is not the same as deleted.
func (p *Pipeline) Retire(ctx context.Context, keep []record.Instance) error {
	kept := make(map[record.Instance]bool, len(keep))
	for _, inst := range keep {
		kept[inst] = true
	}
	err := p.update(ctx, func(c *commit) error {
		owners, err := c.tx.OwnerInstances()
		if err != nil {
			return err
		}
		for _, inst := range owners {
			if kept[inst] {
				continue
			}
			var resources []int64
			if err := c.tx.Owned(inst, "", nil, func(r int64) error { resources = append(resources, r); return nil }); err != nil {
				return err
			}
			if err := c.lose(ctx, task{Kind: taskLose, Instance: inst, Resources: resources, Status: record.StatusNotRecorded, At: c.now}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retire instances: %w", err)
	}
	return nil
}

// first reports whether an item belongs to the first listing of its instance, whose findings are told
// in one summary.
func (c *commit) first(inst record.Instance, it *record.Item, received time.Time) bool {
	scope := ""
	s := c.covering(inst, it.ResourceType)
	if s != nil {
		scope = s.scope
	}
	if c.hasSettled(inst, scope) {
		return false
	}
	if s == nil {
		a := c.p.arrivals[inst]
		if a.first.IsZero() {
			a.first = received
		}
		a.last = received
		c.p.arrivals[inst] = a
	}
	return true
}

func settledKey(inst record.Instance, scope string) string {
	return "pipeline/settled/" + string(inst) + "/" + scope
}

func (c *commit) hasSettled(inst record.Instance, scope string) bool {
	key := settledKey(inst, scope)
	if is, known := c.p.settled[key]; known {
		return is
	}
	b, err := c.tx.Meta(key)
	// A read that fails here fails again where its result matters more; until then one summary too
	// many does no harm.
	is := err == nil && b != nil
	c.p.settled[key] = is
	return is
}

func (c *commit) settle(inst record.Instance, scope string) error {
	if c.hasSettled(inst, scope) {
		return nil
	}
	key := settledKey(inst, scope)
	if err := c.tx.SetMeta(key, []byte(record.FormatTime(c.now))); err != nil {
		return fmt.Errorf("note that %s has settled: %w", inst, err)
	}
	c.p.settled[key] = true
	return nil
}

// settleQuiet settles the instances without sweeps whose first items have all come.
func (c *commit) settleQuiet() error {
	for inst, a := range c.p.arrivals {
		if c.now.Sub(a.last) < quietAfter && c.now.Sub(a.first) < settleAfter {
			continue
		}
		if err := c.settle(inst, ""); err != nil {
			return err
		}
		delete(c.p.arrivals, inst)
	}
	return nil
}
