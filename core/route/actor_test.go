package route

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

// opened commits a finding's change with a cause, which has an actor where one is given.
func (b *bench) opened(key, actor string, kind verdict.CauseKind) verdict.Change {
	b.t.Helper()
	c := change(key, true)
	c.At = b.now
	if err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		row := &store.CauseRow{Cause: verdict.Cause{Finding: key, Step: verdict.CauseOpened, Kind: kind, Revision: 1, Text: "unknown"}}
		name(&row.Cause, actor)
		var err error
		c.Cause, err = tx.AddCause(row)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return c
}

func name(c *verdict.Cause, actor string) {
	if actor != "" {
		c.Actor, c.Event, c.Text = &verdict.Actor{ID: actor}, &verdict.CauseEvent{ID: "e", Action: "act"}, "changed by "+actor
	}
}

// known is what the linker commits when an actor becomes known.
func (b *bench) known(c verdict.Change, actor string) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		row, err := tx.Cause(c.Cause)
		if err != nil {
			return err
		}
		name(&row.Cause, actor)
		row.Revision++
		if err := tx.PutCause(row, true); err != nil {
			return err
		}
		c.Class, c.Message = verdict.ClassCause, row.Text
		_, err = tx.AddChange(c)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	b.step()
}

// sent are the notifications so far: notifier, status, and the keys with their actors.
func (b *bench) sent() []string {
	b.t.Helper()
	var all []store.Delivery
	if err := b.store.View(b.t.Context(), func(tx *store.Tx) (err error) {
		all, err = tx.Deliveries(store.DeliveryFilter{Limit: 1000})
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	slices.Reverse(all)
	first := map[string]store.Delivery{}
	var out []string
	for _, d := range all {
		var n sdk.Notification
		if err := json.Unmarshal(d.Document, &n); err != nil {
			b.t.Fatal(err)
		}
		first[n.ID] = d
		text := fmt.Sprintf("%s %s", n.Instance, n.Status)
		if n.Follows != "" {
			if f, ok := first[n.Follows]; !ok || d.GroupKey != f.GroupKey || d.Instance != f.Instance || d.Seq <= f.Seq {
				b.t.Errorf("it follows %s, which is none of its group", n.Follows)
			}
		}
		for _, c := range n.Changes {
			text += " " + c.Key + ":"
			if c.Cause != nil && c.Cause.Actor != nil {
				text += c.Cause.Actor.ID
				if !strings.Contains(n.Text, "changed by "+c.Cause.Actor.ID) {
					b.t.Errorf("the text does not tell who it was: %s", n.Text)
				}
			}
		}
		out = append(out, text)
	}
	return out
}

// wantSent compares in any order: groups that are due at once have none.
func (b *bench) wantSent(want ...string) {
	b.t.Helper()
	b.step()
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(b.sent()))); diff != "" {
		b.t.Errorf("(-want +got):\n%s", diff)
	}
}

func (b *bench) commit(changes ...verdict.Change) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		for _, c := range changes {
			if _, err := tx.AddChange(c); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	b.step()
}

func patient(r Route) Route {
	r.Name, r.On, r.SendResolved, r.Notify = "r", []verdict.Class{verdict.ClassCompliance}, true, []record.Instance{"n"}
	return r
}

// TestWaitForActor holds findings back until their actor is known or their time is up, and nothing else.
func TestWaitForActor(t *testing.T) {
	t.Parallel()
	b := newBench(t, patient(Route{WaitForActor: 10 * time.Minute}))
	one, two := b.opened("one", "", verdict.CauseVersion), b.opened("two", "", verdict.CauseDependency)
	b.commit(one, two, b.opened("seen", "amy", verdict.CauseVersion), b.opened("policy", "", verdict.CausePolicy), change("plain", true))
	b.wantSent("n firing seen:amy", "n firing policy:", "n firing plain:")
	b.now = b.now.Add(5 * time.Minute)
	b.known(one, "eve")
	b.known(one, "eve")
	b.wantSent("n firing seen:amy", "n firing policy:", "n firing plain:", "n firing one:eve")
	b.now = b.now.Add(5 * time.Minute)
	b.wantSent("n firing seen:amy", "n firing policy:", "n firing plain:", "n firing one:eve", "n firing two:")
	// It is told no more now.
	b.known(two, "eve")
	b.now = b.now.Add(time.Hour)
	b.wantSent("n firing seen:amy", "n firing policy:", "n firing plain:", "n firing one:eve", "n firing two:")
}

// TestHeldGroup holds one finding of a group back and not the others, also while the group waits and
// repeats, and while the route changes.
func TestHeldGroup(t *testing.T) {
	t.Parallel()
	r := patient(Route{WaitForActor: 10 * time.Minute, GroupBy: []string{"policy"}, GroupWait: time.Minute, GroupInterval: time.Minute, Repeat: time.Hour})
	b := newBench(t, r)
	one := b.opened("one", "", verdict.CauseVersion)
	b.commit(one)
	b.now = b.now.Add(9 * time.Minute)
	b.commit(b.opened("two", "amy", verdict.CauseVersion))
	b.wantSent(nil...)
	b.now = b.now.Add(time.Minute)
	// Both have waited as long as they should.
	b.wantSent("n firing two:amy one:")
	b.now = b.now.Add(time.Hour)
	b.step()
	if got := b.sent(); len(got) != 2 || len(got[1]) != len("n firing two:amy one:") {
		t.Errorf("repeated: %q", got)
	}
	three := b.opened("three", "", verdict.CauseVersion)
	b.commit(three)
	b.use(patient(Route{GroupBy: []string{"policy"}}))
	b.known(three, "eve")
	if got := b.sent(); len(got) != 3 || got[2] != "n firing three:eve" {
		t.Errorf("after the route changed: %q", got)
	}
}

// TestHeldChanges lets what is held change and end: of one key only the latest is told, and its time does
// not begin anew.
func TestHeldChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, patient(Route{WaitForActor: 10 * time.Minute}))
	b.commit(b.opened("ends", "", verdict.CauseVersion), b.opened("flaps", "", verdict.CauseVersion))
	b.now = b.now.Add(6 * time.Minute)
	b.commit(change("ends", false), b.opened("flaps", "", verdict.CauseVersion))
	b.wantSent("n resolved ends:")
	b.now = b.now.Add(4 * time.Minute)
	b.wantSent("n resolved ends:", "n firing flaps:")
}

// TestHeldBound bounds what a group holds back; nothing is lost of it.
func TestHeldBound(t *testing.T) {
	t.Parallel()
	b := newBench(t, patient(Route{WaitForActor: 10 * time.Minute, GroupBy: []string{"policy"}}))
	var all []verdict.Change
	for i := range maxHeld + 5 {
		all = append(all, b.opened(fmt.Sprint("k", i), "", verdict.CauseVersion))
	}
	b.commit(all...)
	keys := 0
	count := func() int {
		keys = 0
		for _, s := range b.sent() {
			keys += strings.Count(s, ":")
		}
		return keys
	}
	if got := count(); got != 5 {
		t.Errorf("%d are told at once, want the oldest 5", got)
	}
	b.now = b.now.Add(10 * time.Minute)
	b.step()
	// A notification lists 50 and counts the others.
	if got := count(); got != 55 {
		t.Errorf("%d are told in the end", got)
	}
}

// TestFollowUp tells once more when the actor becomes known, of what was told without one.
func TestFollowUp(t *testing.T) {
	t.Parallel()
	r := patient(Route{FollowUp: true})
	r.Notify = []record.Instance{"n", "m"}
	b := newBench(t, r)
	one := b.opened("one", "", verdict.CauseVersion)
	two := b.opened("two", "amy", verdict.CauseVersion)
	b.commit(one, two)
	first := []string{"n firing one:", "m firing one:", "n firing two:amy", "m firing two:amy"}
	b.wantSent(slices.Clone(first)...)
	b.now = b.now.Add(time.Hour)
	b.known(two, "amy")
	b.known(one, "eve")
	b.known(one, "eve")
	b.wantSent(slices.Concat(first, []string{"m cause one:eve", "n cause one:eve"})...)
	// Told while it was known already in the store, but not to the router yet.
	three := b.opened("three", "", verdict.CauseVersion)
	b.use(Route{Name: "other"})
	b.commit(three)
	b.known(three, "eve")
	b.use(r)
	b.wantSent(slices.Concat(first, []string{"m cause one:eve", "n cause one:eve"})...)
}

// TestWaitThenFollowUp waits, tells without an actor, and tells once more.
func TestWaitThenFollowUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, patient(Route{WaitForActor: time.Minute, FollowUp: true}))
	one := b.opened("one", "", verdict.CauseVersion)
	b.commit(one)
	b.now = b.now.Add(time.Minute)
	b.wantSent("n firing one:")
	b.now = b.now.Add(time.Hour)
	b.known(one, "eve")
	b.wantSent("n firing one:", "n cause one:eve")
	// A route that is gone tells nobody.
	two := b.opened("two", "", verdict.CauseVersion)
	b.commit(two)
	b.now = b.now.Add(time.Minute)
	b.wantSent("n firing one:", "n cause one:eve", "n firing two:")
	b.use()
	b.known(two, "eve")
	b.wantSent("n firing one:", "n cause one:eve", "n firing two:")
}
