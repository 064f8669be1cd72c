package pipeline

import (
	"context"
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/verdict"
)

// tick is how often background work looks at the clock. It is woken at once where work is written
// down; the tick is for what becomes due by itself.
const tick = time.Second

// drain does the background work until ctx ends. A failure is logged and tried again at the next
// tick: the work is durable.
func (p *Pipeline) drain(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	s := &schedule{next: map[verdict.PolicyID]time.Time{}}
	for {
		busy, err := p.drainOnce(ctx, s)
		if err != nil && ctx.Err() == nil {
			p.log.Error("background work failed and is tried again", "err", err)
			busy = false
		}
		if busy && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.kick:
		case <-t.C:
		}
	}
}

// drainOnce does one chunk of each kind of work and reports whether there may be more.
func (p *Pipeline) drainOnce(ctx context.Context, s *schedule) (bool, error) {
	busy := false
	if p.dueNow(ctx, s) {
		err := p.update(ctx, func(c *commit) error {
			n, err := c.episodesDue()
			busy = busy || n == chunk
			if err != nil {
				return err
			}
			if err := c.settleQuiet(); err != nil {
				return err
			}
			if s.waiversDue(c.gen, c.now) {
				if err := addTask(c.tx, task{Kind: taskWaivers}); err != nil {
					return err
				}
				busy = true
			}
			for _, pol := range s.policiesDue(c.gen, c.now) {
				if err := addTask(c.tx, task{Kind: taskScan, Scan: &scan{Policies: map[verdict.PolicyID]bool{pol.ID: false}}}); err != nil {
					return err
				}
				busy = true
			}
			return c.pruneTracks()
		})
		if err != nil {
			return false, err
		}
	}
	more, err := p.runWork(ctx)
	if err != nil {
		return false, err
	}
	busy = busy || more
	more, err = p.runTask(ctx)
	if err != nil {
		return false, err
	}
	return busy || more, nil
}

// schedule is what becomes due by the clock. It lives in memory: after a restart a policy is due one
// period later, and every policy's resources were judged when its digest was new.
type schedule struct {
	next       map[verdict.PolicyID]time.Time
	waiverEnd  time.Time
	generation int64
	lastLook   time.Time
}

// waiversDue reports whether a waiver ended since the last look.
func (s *schedule) waiversDue(g *Generation, now time.Time) bool {
	if s.generation != g.Number {
		s.generation = g.Number
		s.waiverEnd, _ = g.Waivers.NextExpiry(now)
		return false
	}
	if s.waiverEnd.IsZero() || now.Before(s.waiverEnd) {
		return false
	}
	s.waiverEnd, _ = g.Waivers.NextExpiry(now)
	return true
}

// policiesDue returns the scheduled policies whose time has come.
func (s *schedule) policiesDue(g *Generation, now time.Time) []*policy.Policy {
	var due []*policy.Policy
	for _, pol := range g.Policies.Policies() {
		if pol.Kind != policy.KindCompliance || pol.Schedule <= 0 {
			continue
		}
		next, known := s.next[pol.ID]
		switch {
		case !known:
			s.next[pol.ID] = now.Add(pol.Schedule)
		case !now.Before(next):
			s.next[pol.ID] = now.Add(pol.Schedule)
			due = append(due, pol)
		}
	}
	return due
}

// dueNow spares a writing transaction where nothing is due.
func (p *Pipeline) dueNow(ctx context.Context, s *schedule) bool {
	now := p.now()
	if now.Sub(s.lastLook) < tick/2 {
		return false
	}
	s.lastLook = now
	return true
}
