package route

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

// maxHeld bounds how many findings a group holds back. Beyond it the oldest is told without its actor.
const maxHeld = 500

// heldChange is a change that waits for its actor to become known.
type heldChange struct {
	Change verdict.Change `json:"change"`
	Until  time.Time      `json:"until"`
}

// Actors reports whether a route wants to know of actors that become known later.
func (t *Table) Actors() bool {
	return slices.ContainsFunc(t.routes, func(r compiled) bool { return r.WaitForActor > 0 || r.FollowUp })
}

// describe reads the causes of changes that will be told. It is done ahead, so that comparing versions
// takes no time of the writer's.
func (r *Router) describe(tx *store.Tx, changes []verdict.Change, known map[int64]*store.CauseRow) error {
	table := r.table.Load()
	for i := range changes {
		c := &changes[i]
		if c.Cause == 0 || c.Class != verdict.ClassCompliance || c.Quiet != "" || !slices.ContainsFunc(table.routes, func(rt compiled) bool { return rt.matches(c) }) {
			continue
		}
		row, err := r.cause(tx, c.Cause)
		if err != nil {
			return err
		}
		known[c.Cause] = row
	}
	return nil
}

// cause reads a cause. One that cannot be read holds up no notification.
func (r *Router) cause(tx *store.Tx, id int64) (*store.CauseRow, error) {
	row, err := tx.Cause(id)
	if errors.Is(err, store.ErrCorrupt) {
		r.o.Log.Error("a cause cannot be read, and is not told", "err", err)
		return nil, nil
	}
	if err != nil || row == nil || r.o.Describe == nil {
		return row, err
	}
	if err := r.o.Describe(tx, row); err != nil {
		r.o.Log.Error("what changed a finding cannot be read, and is not told", "finding", row.Finding, "err", err)
	}
	return row, nil
}

// cause returns what is known of a cause, nil where it was let go of.
func (s *session) cause(id int64) (*store.CauseRow, error) {
	if row, read := s.causes[id]; read {
		return row, nil
	}
	row, err := s.r.cause(s.tx, id)
	if err == nil {
		s.causes[id] = row
	}
	return row, err
}

// hold holds a change back where its route waits for the actor and there is none yet. A change of the same
// key takes the place of one that is held, as it does of one that waits to be grouped.
func (s *session) hold(rt *compiled, name string, g *held, c *verdict.Change) (bool, error) {
	until := c.At.Add(rt.WaitForActor)
	for i, h := range g.Held {
		if h.Change.Key == c.Key {
			// Something that changes all the time is not held for ever.
			until = h.Until
			g.Held = slices.Delete(g.Held, i, i+1)
			break
		}
	}
	if rt.WaitForActor <= 0 || c.Class != verdict.ClassCompliance || !c.Active || c.Cause == 0 || !until.After(s.now) {
		return false, nil
	}
	row, err := s.cause(c.Cause)
	if err != nil || row == nil || !row.Kind.Seen() || row.Actor != nil {
		return false, err
	}
	// So that it is found when the actor becomes known, whatever the group is called by then.
	if err := s.tx.AddCauseTold(store.CauseTold{Cause: c.Cause, Route: rt.Name, Name: name}); err != nil {
		return false, err
	}
	g.Held = append(g.Held, heldChange{*c, until})
	if len(g.Held) > maxHeld {
		s.letGo(&rt.Route, g, 0)
	}
	return true, nil
}

// letGo has a change that was held told with the group's next delivery.
func (s *session) letGo(rt *Route, g *held, i int) {
	c := g.Held[i].Change
	g.Held = slices.Delete(g.Held, i, i+1)
	if len(g.Waiting) == 0 {
		// It has waited for others long enough.
		g.Since = s.now.Add(-rt.GroupWait)
	}
	g.wait(c)
	if g.Active == nil {
		g.Active = map[string]verdict.Change{}
	}
	g.Active[c.Key] = c
}

// waited lets go of what has waited for its actor as long as the route says.
func (s *session) waited(rt *Route, g *held) {
	for i := 0; i < len(g.Held); {
		if g.Held[i].Until.After(s.now) {
			i++
			continue
		}
		s.letGo(rt, g, i)
	}
}

// actorKnown takes in that the actor behind an earlier change became known: what is held for it is told,
// and who was told without it is told once more.
func (s *session) actorKnown(c *verdict.Change) error {
	told, err := s.tx.CauseTold(c.Cause)
	if err != nil || len(told) == 0 {
		return err
	}
	// What was read of it may be from before.
	delete(s.causes, c.Cause)
	for _, t := range told {
		rt := s.route(t.Route)
		if rt == nil {
			continue
		}
		if t.Delivery == "" {
			g, err := s.group(t.Route, t.Name)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(g.Held, func(h heldChange) bool { return h.Change.Cause == c.Cause }); i >= 0 {
				s.letGo(rt, g, i)
			}
			continue
		}
		if inst := record.Instance(t.Instance); rt.FollowUp && slices.Contains(rt.Notify, inst) {
			if err := s.followUp(rt, inst, t, c); err != nil {
				return err
			}
		}
	}
	return s.tx.ForgetCauseTold(c.Cause)
}

// followUp makes the delivery that names the actor, behind the one that told of the change.
func (s *session) followUp(rt *Route, inst record.Instance, t store.CauseTold, c *verdict.Change) error {
	row, err := s.cause(c.Cause)
	if err != nil || row == nil {
		return err
	}
	told := shown(*c)
	told.Class, told.Cause = string(verdict.ClassCompliance), causeOf(row)
	n := sdk.Notification{
		ID: "D" + rand.Text(), Time: s.now, Source: s.r.o.Source, Route: rt.Name, Instance: string(inst),
		Class: string(verdict.ClassCompliance), Status: sdk.StatusCause, Severity: string(c.Severity), Follows: t.Delivery,
		GroupKey: rt.Name + " " + t.Name, Changes: []sdk.Change{told}, Generation: c.Generation,
		Title: c.Title + ": who did it", Text: told.Cause.Text,
	}
	if c.Severity != "" {
		n.Title = fmt.Sprintf("[%s] %s", c.Severity, n.Title)
	}
	if c.Resource != nil {
		n.Text = c.Resource.ResourceID + ": " + n.Text
	}
	if err := json.Unmarshal([]byte(t.Name), &n.Group); err != nil {
		return fmt.Errorf("read group %s of route %s: %w", t.Name, rt.Name, err)
	}
	doc, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("write notification of route %s: %w", rt.Name, err)
	}
	_, err = s.tx.AddDelivery(store.Delivery{
		ID: n.ID, Route: rt.Name, Instance: inst, GroupKey: n.GroupKey, Class: verdict.ClassCompliance,
		Created: s.now, Next: s.now, State: store.Pending, Document: doc,
	})
	if err != nil {
		return fmt.Errorf("write delivery of route %s: %w", rt.Name, err)
	}
	s.made++
	return nil
}

// tellCause puts the cause of a change into a notification, and notes that it was told without an actor
// where the route follows that up.
func (s *session) tellCause(rt *Route, name string, n *sdk.Notification, c *verdict.Change, told *sdk.Change) error {
	if c.Cause == 0 {
		return nil
	}
	row, err := s.cause(c.Cause)
	if err != nil || row == nil {
		return err
	}
	told.Cause = causeOf(row)
	if !rt.FollowUp || row.Actor != nil || !row.Kind.Seen() || !c.Active {
		return nil
	}
	return s.tx.AddCauseTold(store.CauseTold{Cause: c.Cause, Route: rt.Name, Name: name, Instance: n.Instance, Delivery: n.ID})
}

// causeOf is a cause as notifiers are given it.
func causeOf(r *store.CauseRow) *sdk.Cause {
	out := &sdk.Cause{
		ID: r.ID, Revision: r.Revision, Step: string(r.Step), Kind: string(r.Kind), At: r.Cause.At, Text: r.Text,
		Version: r.Version, Before: r.Before, MoreChanges: r.MoreChanges, Waiver: r.Waiver,
	}
	for _, f := range r.Changes {
		out.Changes = append(out.Changes, sdk.FieldChange(f))
	}
	if r.Other != nil {
		other := sdk.Resource(r.Other.Subject)
		out.Other = &other
	}
	if r.Actor != nil {
		actor := sdk.Actor(*r.Actor)
		out.Actor = &actor
	}
	if r.Origin != nil {
		origin := sdk.Origin(*r.Origin)
		out.Origin = &origin
	}
	if r.Event != nil {
		event := sdk.CauseEvent(*r.Event)
		out.Event = &event
	}
	for _, c := range r.Candidates {
		out.Candidates = append(out.Candidates, sdk.Candidate{
			CauseEvent: sdk.CauseEvent(c.CauseEvent), Actor: sdk.Actor(c.Actor), Origin: sdk.Origin(c.Origin), Score: c.Score, Excluded: c.Excluded,
		})
	}
	return out
}
