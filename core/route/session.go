package route

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

func readPosition(tx *store.Tx) (int64, error) {
	b, err := tx.Meta(metaPosition)
	if err != nil || b == nil {
		return 0, err
	}
	var n int64
	_, err = fmt.Sscan(string(b), &n)
	return n, err
}

// session is one transaction of the router.
type session struct {
	r      *Router
	tx     *store.Tx
	table  *Table
	now    time.Time
	groups map[[2]string]*held
	// causes are those that were read.
	causes map[int64]*store.CauseRow
	made   int
}

func (s *session) group(route, name string) (*held, error) {
	key := [2]string{route, name}
	if g := s.groups[key]; g != nil {
		return g, nil
	}
	g := &held{}
	stored, err := s.tx.Group(route, name)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		if err := json.Unmarshal(stored.Body, g); err != nil {
			return nil, fmt.Errorf("read group %s of route %s: %w", name, route, err)
		}
	}
	s.groups[key] = g
	return g, nil
}

// take puts a change into a group of every route that matches.
func (s *session) take(c *verdict.Change) error {
	if c.Class == verdict.ClassCause {
		return s.actorKnown(c)
	}
	if c.Quiet == verdict.QuietOld || c.Quiet == verdict.QuietWaived {
		return nil
	}
	for i := range s.table.routes {
		rt := &s.table.routes[i]
		if !rt.matches(c) {
			continue
		}
		if c.Quiet == verdict.QuietFirst {
			if err := s.summarize(rt, c); err != nil {
				return err
			}
			continue
		}
		values, name := rt.group(c)
		g, err := s.group(rt.Name, name)
		if err != nil {
			return err
		}
		g.Values = values
		_, was := g.Active[c.Key]
		if !c.Active && !was && c.Class != verdict.ClassConfiguration && c.Class != verdict.ClassActivity && !ended(c) {
			// The end of something that this route never told of.
			continue
		}
		if !c.Active && !rt.SendResolved && c.Class != verdict.ClassConfiguration && c.Class != verdict.ClassActivity {
			delete(g.Active, c.Key)
			continue
		}
		if held, err := s.hold(rt, name, g, c); err != nil || held {
			if err != nil {
				return err
			}
			continue
		}
		if len(g.Waiting) == 0 {
			g.Since = s.now
		}
		g.wait(*c)
		if c.Active {
			if g.Active == nil {
				g.Active = map[string]verdict.Change{}
			}
			g.Active[c.Key] = *c
		} else {
			delete(g.Active, c.Key)
		}
	}
	return nil
}

// ended reports whether a change ends something, which is told even where the beginning was told by
// another route or before this one existed.
func ended(c *verdict.Change) bool { return !c.Active && c.Old != "" }

// wait adds a change to those of the next delivery; of one key only the latest is told.
func (g *held) wait(c verdict.Change) {
	for i := range g.Waiting {
		if g.Waiting[i].Key == c.Key && c.Class != verdict.ClassActivity {
			g.Waiting = append(g.Waiting[:i], g.Waiting[i+1:]...)
			break
		}
	}
	g.Waiting = append(g.Waiting, c)
	if len(g.Waiting) > 10*listed {
		g.Waiting = g.Waiting[1:]
		g.Truncated++
	}
}

// summarize counts a change of a first judgement and keeps the worst as examples.
func (s *session) summarize(rt *compiled, c *verdict.Change) error {
	if !c.Active {
		return nil
	}
	g, err := s.group(rt.Name, summaryName)
	if err != nil {
		return err
	}
	if g.Summary == nil {
		g.Summary = &sdk.Summary{ByOutcome: map[string]int{}, BySeverity: map[string]int{}, ByPolicy: map[string]int{}}
		g.Since = s.now
	}
	g.Sent = s.now
	g.Summary.Total++
	g.Summary.ByOutcome[c.New]++
	g.Summary.BySeverity[string(c.Severity)]++
	g.Summary.ByPolicy[string(c.Policy)]++
	if len(g.Waiting) < listed {
		g.Waiting = append(g.Waiting, *c)
		return nil
	}
	worst := 0
	for i := range g.Waiting {
		if g.Waiting[i].Severity.Rank() > g.Waiting[worst].Severity.Rank() {
			worst = i
		}
	}
	if c.Severity.Rank() < g.Waiting[worst].Severity.Rank() {
		g.Waiting[worst] = *c
	}
	g.Truncated++
	return nil
}

// due says when a group wants to be looked at.
func (s *session) due(rt *Route, g *held) time.Time {
	at := s.delivering(rt, g)
	for _, h := range g.Held {
		if at.IsZero() || h.Until.Before(at) {
			at = h.Until
		}
	}
	return at
}

// delivering says when a group's next delivery is to be made, zero where there is nothing to tell.
func (s *session) delivering(rt *Route, g *held) time.Time {
	switch {
	case g.Summary != nil:
		at := g.Sent.Add(summaryWait)
		if latest := g.Since.Add(summaryLongest); latest.Before(at) {
			at = latest
		}
		return at
	case len(g.Waiting) > 0:
		at := g.Since.Add(rt.GroupWait)
		if !g.Sent.IsZero() && g.Sent.Add(rt.GroupInterval).After(at) {
			at = g.Sent.Add(rt.GroupInterval)
		}
		return at
	case len(g.Active) > 0 && rt.Repeat > 0:
		return g.Sent.Add(rt.Repeat)
	}
	return time.Time{}
}

func (s *session) route(name string) *Route {
	for i := range s.table.routes {
		if s.table.routes[i].Name == name {
			return &s.table.routes[i].Route
		}
	}
	return nil
}

// flush writes the groups that were touched.
func (s *session) flush() error {
	for key, g := range s.groups {
		rt := s.route(key[0])
		if rt == nil {
			continue
		}
		if err := s.put(rt, key[1], g); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) put(rt *Route, name string, g *held) error {
	if len(g.Waiting) == 0 && len(g.Active) == 0 && len(g.Held) == 0 && g.Summary == nil {
		return s.tx.DeleteGroup(rt.Name, name)
	}
	body, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("write group %s of route %s: %w", name, rt.Name, err)
	}
	return s.tx.PutGroup(store.Group{Route: rt.Name, Name: name, Due: s.due(rt, g), Body: body})
}

// release makes deliveries of the groups that are due.
func (s *session) release() error {
	due, err := s.tx.GroupsDue(s.now, batch)
	if err != nil {
		return err
	}
	for _, stored := range due {
		rt := s.route(stored.Route)
		if rt == nil {
			// The route left the configuration; nobody is left to tell.
			if err := s.tx.DeleteGroup(stored.Route, stored.Name); err != nil {
				return err
			}
			continue
		}
		g, err := s.group(stored.Route, stored.Name)
		if err != nil {
			return err
		}
		s.waited(rt, g)
		if at := s.delivering(rt, g); !at.IsZero() && !at.After(s.now) {
			if err := s.deliver(rt, stored.Name, g); err != nil {
				return err
			}
			g.Waiting, g.Truncated, g.Summary, g.Sent = nil, 0, nil, s.now
		}
		if err := s.put(rt, stored.Name, g); err != nil {
			return err
		}
	}
	return nil
}
