package route

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/regent-dev/regent/core/record"
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

// deliver makes one delivery for each notifier of the route.
func (s *session) deliver(rt *Route, name string, g *held) error {
	changes := g.Waiting
	repeated := len(changes) == 0
	if repeated {
		for _, c := range g.Active {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	for _, inst := range rt.Notify {
		mine := make([]verdict.Change, 0, len(changes))
		for _, c := range changes {
			if c.Class == verdict.ClassHealth && c.Instance == string(inst) {
				continue
			}
			mine = append(mine, c)
		}
		if len(mine) == 0 {
			continue
		}
		n, err := s.notification(rt, name, g, mine, inst, repeated)
		if err != nil {
			return err
		}
		doc, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("write notification of route %s: %w", rt.Name, err)
		}
		_, err = s.tx.AddDelivery(store.Delivery{
			ID: n.ID, Route: rt.Name, Instance: inst, GroupKey: rt.Name + " " + name, Class: verdict.Class(n.Class),
			Created: s.now, Next: s.now, State: store.Pending, Document: doc,
		})
		if err != nil {
			return fmt.Errorf("write delivery of route %s: %w", rt.Name, err)
		}
		s.made++
	}
	return nil
}

func (s *session) notification(rt *Route, name string, g *held, changes []verdict.Change, inst record.Instance, repeated bool) (sdk.Notification, error) {
	n := sdk.Notification{
		ID: "D" + rand.Text(), Time: s.now, Source: s.r.o.Source, Route: rt.Name, Instance: string(inst),
		GroupKey: rt.Name + " " + name, Group: g.Values, Truncated: g.Truncated, Summary: g.Summary, Changes: []sdk.Change{},
	}
	worst := verdict.Severity("")
	active, ended := 0, 0
	for i, c := range changes {
		if n.Generation < c.Generation {
			n.Generation = c.Generation
		}
		if worst == "" || c.Severity.Rank() < worst.Rank() {
			worst = c.Severity
		}
		switch {
		case c.Active:
			active++
		case c.Class != verdict.ClassConfiguration && c.Class != verdict.ClassActivity:
			ended++
		}
		if i >= listed {
			n.Truncated++
			continue
		}
		told := shown(c)
		if err := s.tellCause(rt, name, &n, &c, &told); err != nil {
			return n, err
		}
		n.Changes = append(n.Changes, told)
	}
	n.Class, n.Severity = string(changes[0].Class), string(worst)
	switch {
	case active > 0:
		n.Status = sdk.StatusFiring
	case ended > 0:
		n.Status = sdk.StatusResolved
	default:
		n.Status = sdk.StatusChanged
	}
	n.Title, n.Text = words(&n, changes, repeated)
	return n, nil
}

func shown(c verdict.Change) sdk.Change {
	out := sdk.Change{
		Seq: c.Seq, Class: string(c.Class), At: c.At, RecordedAt: c.RecordedAt, Key: c.Key, Policy: string(c.Policy),
		Severity: string(c.Severity), Title: c.Title, Message: c.Message, AccountID: c.Account, Labels: c.Labels,
		Old: c.Old, New: c.New, Active: c.Active, Instance: c.Instance, Generation: c.Generation, Data: c.Data,
	}
	if c.Resource != nil {
		r := sdk.Resource(*c.Resource)
		out.Resource = &r
	}
	return out
}

// errNoWords cannot happen: deliver is called with changes only.
var errNoWords = errors.New("no changes")

// words writes the title and the text that a person reads.
func words(n *sdk.Notification, changes []verdict.Change, repeated bool) (title, text string) {
	if len(changes) == 0 {
		panic(errNoWords)
	}
	if n.Summary != nil {
		return fmt.Sprintf("First judgement: %d findings", n.Summary.Total),
			fmt.Sprintf("%d findings by %d policies were found when their policies or their collector were new. From now on each change is told by itself.", n.Summary.Total, len(n.Summary.ByPolicy))
	}
	first := changes[len(changes)-1]
	title = first.Title
	if first.Severity != "" {
		title = fmt.Sprintf("[%s] %s", first.Severity, title)
	}
	if repeated {
		title += " (still)"
	}
	if n.Status == sdk.StatusResolved {
		title += " (resolved)"
	}
	if extra := len(changes) - 1; extra > 0 {
		title += fmt.Sprintf(" and %d more", extra)
	}
	for i, c := range changes[:min(10, len(changes))] {
		if i > 0 {
			text += "\n"
		}
		if c.Resource != nil {
			text += c.Resource.ResourceID + ": "
		}
		text += c.New
		if c.Message != "" {
			text += ": " + c.Message
		}
		// The first changes are listed in this order.
		if i < len(n.Changes) && n.Changes[i].Cause != nil && n.Changes[i].Cause.Actor != nil {
			text += " (" + n.Changes[i].Cause.Text + ")"
		}
	}
	return title, text
}
