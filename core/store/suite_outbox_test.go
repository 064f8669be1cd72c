package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

func suiteAlarmKeys(t *testing.T, s *Store) {
	k := AlarmKey{"alarms.p", "1", ""}
	match := func(at int64, event string) *MatchRow { return &MatchRow{At: at, Event: event, Value: `"v"`} }
	update(t, s, func(tx *Tx) error {
		if state, matches, err := tx.AlarmKey(k); state != nil || matches != nil || err != nil {
			t.Errorf("a new key: %s, %v, %v", state, matches, err)
		}
		return errors.Join(
			tx.PutAlarmKey(k, []byte("1"), 5, hour(0), match(5, "b"), 0),
			tx.PutAlarmKey(k, []byte("2"), 5, hour(1), match(3, "a"), 0),
			tx.PutAlarmKey(k, []byte("3"), 5, hour(1), match(3, "a"), 0),
			tx.PutAlarmKey(k, []byte("4"), 7, hour(2), match(7, "c"), 3),
			tx.PutAlarmKey(k, nil, 7, hour(2), nil, 0),
			tx.PutAlarmKey(AlarmKey{"alarms.p", "1", "other"}, []byte("o"), 100, hour(2), match(100, "d"), 0),
			tx.PutAlarmKey(AlarmKey{"alarms.q", "1", ""}, []byte("q"), 1, hour(0), nil, 0),
		)
	})
	update(t, s, func(tx *Tx) error {
		state, matches, err := tx.AlarmKey(k)
		if state == nil || string(state) != "" {
			t.Errorf("state %v", state)
		}
		if diff := cmp.Diff([]MatchRow{{5, "b", `"v"`}, {7, "c", `"v"`}}, matches); diff != "" {
			t.Error(diff)
		}
		n, err2 := tx.CountKeys("alarms.p")
		if n != 2 {
			t.Errorf("%d keys, want 2", n)
		}
		kept, err3 := tx.PruneKeys("alarms.p", 50, hour(2))
		gone, err4 := tx.PruneKeys("alarms.p", 50, hour(3))
		if kept != 0 || gone != 1 {
			t.Errorf("pruned %d, then %d", kept, gone)
		}
		state, matches, err5 := tx.AlarmKey(k)
		if state != nil || matches != nil {
			t.Errorf("a pruned key: %s, %v", state, matches)
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
}

func suiteEpisodes(t *testing.T, s *Store) {
	ep := func(i int) verdict.Episode {
		return verdict.Episode{
			ID: fmt.Sprintf("A%02d", i), Policy: verdict.PolicyID(fmt.Sprint("alarms.x.p", i%2)), AccountID: fmt.Sprint(i % 3), Key: fmt.Sprint("k", i%4), Severity: verdict.High,
			State: verdict.AlarmFiring, Message: fmt.Sprint("Message ", i), StartedAt: hour(i / 2), LastMatch: hour(i), Matches: int64(i), Events: []verdict.EventRef{{Source: "s", ID: "e", Time: t0}},
			Value: []byte(`1.50`), Actor: []byte(`{"id":"<a>"}`),
		}
	}
	update(t, s, func(tx *Tx) error {
		for i := range 12 {
			if err := tx.PutEpisode(ep(i), hour(i+1)); err != nil {
				return err
			}
		}
		ended := ep(3)
		at := hour(5)
		ended.State, ended.EndedAt = verdict.AlarmOK, &at
		return errors.Join(tx.PutEpisode(ended, time.Time{}), tx.DeleteEpisode("A07"))
	})
	ids := func(f EpisodeFilter) (out []string) {
		view(t, s, func(tx *Tx) error {
			f.Limit = 3
			for {
				page, err := tx.Episodes(f)
				for i := range page {
					out = append(out, page[i].ID)
					f.Before = &page[i]
				}
				if err != nil || len(page) < 3 {
					return err
				}
			}
		})
		return out
	}
	for _, c := range []struct {
		name string
		f    EpisodeFilter
		want string
	}{
		{"all", EpisodeFilter{}, "A11 A10 A09 A08 A06 A05 A04 A03 A02 A01 A00"},
		{"active", EpisodeFilter{Active: true}, "A11 A10 A09 A08 A06 A05 A04 A02 A01 A00"},
		{"by policy and account", EpisodeFilter{Policy: "alarms.*.p1", Account: "0", Severity: "high"}, "A09 A03"},
		{"by text", EpisodeFilter{Text: "MESSAGE 1"}, "A11 A10 A01"},
	} {
		if got := strings.Join(ids(c.f), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	view(t, s, func(tx *Tx) error {
		one, err := tx.Episode("A02")
		want := ep(2)
		if diff := cmp.Diff(&want, one); diff != "" {
			t.Error(diff)
		}
		open, err2 := tx.OpenEpisode(AlarmKey{"alarms.x.p0", "2", "k0"})
		if open == nil || open.ID != "A08" {
			t.Errorf("open episode of a key: %v", open)
		}
		none, err3 := tx.OpenEpisode(AlarmKey{"alarms.x.p1", "0", "k3"})
		if none != nil {
			t.Errorf("an ended episode is open: %v", none)
		}
		due, err4 := tx.EpisodesDue(hour(5), 3)
		if len(due) != 3 || due[0].ID != "A00" || due[2].ID != "A02" {
			t.Errorf("due: %v", due)
		}
		at, err5 := tx.EpisodeDue("A03")
		later, err6 := tx.EpisodeDue("A04")
		if !at.IsZero() || !later.Equal(hour(5)) {
			t.Errorf("due at %v and %v", at, later)
		}
		active, all, err7 := tx.CountEpisodes()
		if active != 10 || all != 11 {
			t.Errorf("%d active of %d", active, all)
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7)
	})
}

func suiteChanges(t *testing.T, s *Store) {
	change := verdict.Change{Class: verdict.ClassAlarm, At: t0, RecordedAt: t0, Key: "k", Title: "<t>", New: "ALARM", Active: true, Data: []byte(`{"n":1.0}`), Resource: &verdict.Subject{AccountID: "1"}}
	update(t, s, func(tx *Tx) error {
		for i := range 10 {
			if seq, err := tx.AddChange(change); err != nil || seq != int64(i+1) {
				t.Errorf("change %d has number %d, %v", i, seq, err)
			}
		}
		return nil
	})
	numbers := func(after int64, limit int) (out []int64) {
		view(t, s, func(tx *Tx) error {
			all, err := tx.Changes(after, limit)
			for _, c := range all {
				out = append(out, c.Seq)
				want := change
				want.Seq = c.Seq
				if diff := cmp.Diff(want, c); diff != "" {
					t.Error(diff)
				}
			}
			return err
		})
		return out
	}
	if diff := cmp.Diff([]int64{4, 5, 6}, numbers(3, 3)); diff != "" {
		t.Error(diff)
	}
	update(t, s, func(tx *Tx) error {
		n, err := tx.TrimChanges(4, 3)
		n2, err2 := tx.TrimChanges(100, 100)
		if n != 3 || n2 != 6 {
			t.Errorf("trimmed %d, then %d", n, n2)
		}
		last, err3 := tx.LastChange()
		if last != 10 {
			t.Errorf("last change %d", last)
		}
		return errors.Join(err, err2, err3)
	})
	// A number that was taken in is not given out again, though all changes are gone.
	s = reopen(t, s)
	update(t, s, func(tx *Tx) error {
		seq, err := tx.AddChange(change)
		if seq != 11 {
			t.Errorf("the next change has number %d", seq)
		}
		return err
	})
}

func suiteGroups(t *testing.T, s *Store) {
	long := []byte(strings.Repeat(`{"change":1}`, 200))
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.PutGroup(Group{Route: "r", Name: "b", Due: hour(2), Body: []byte("1")}),
			tx.PutGroup(Group{Route: "r", Name: "a", Due: hour(3), Body: long}),
			tx.PutGroup(Group{Route: "r", Name: "never", Body: nil}),
			tx.PutGroup(Group{Route: "q", Name: "a", Due: hour(1), Body: []byte("3")}),
			tx.PutGroup(Group{Route: "r", Name: "b", Due: hour(4), Body: []byte("2")}),
		)
	})
	update(t, s, func(tx *Tx) error {
		due, err := tx.GroupsDue(hour(3), 10)
		want := []Group{{"q", "a", hour(1), []byte("3")}, {"r", "a", hour(3), long}}
		if diff := cmp.Diff(want, due); diff != "" {
			t.Error(diff)
		}
		of, err2 := tx.GroupsOf("r")
		if len(of) != 3 || of[0].Name != "a" || of[2].Name != "never" || !of[2].Due.IsZero() {
			t.Errorf("groups of a route: %v", of)
		}
		one, err3 := tx.Group("r", "b")
		if diff := cmp.Diff(&Group{"r", "b", hour(4), []byte("2")}, one); diff != "" {
			t.Error(diff)
		}
		next, any, err4 := tx.NextGroup()
		if !any || !next.Equal(hour(1)) {
			t.Errorf("next group at %v", next)
		}
		err5 := errors.Join(tx.DeleteGroup("q", "a"), tx.DeleteGroup("r", "a"), tx.DeleteGroup("r", "b"))
		_, any, err6 := tx.NextGroup()
		none, err7 := tx.Group("r", "b")
		if any || none != nil {
			t.Error("a deleted group is there")
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7)
	})
}

func suiteDeliveryOrder(t *testing.T, s *Store) {
	var want []Delivery
	update(t, s, func(tx *Tx) error {
		for i, d := range []struct {
			inst, group string
			next        int
			state       DeliveryState
		}{
			{"n", "a", 0, Delivered},
			{"n", "a", 5, Pending},
			{"n", "a", 0, Pending},
			{"n", "b", 0, Pending},
			{"n", "b", 0, Pending},
			{"m", "a", 0, Pending},
			{"n", "c", 0, Dead},
			{"n", "", 1, Pending},
			{"n", "d", 2, Pending},
		} {
			x := Delivery{
				ID: fmt.Sprint("d", i), Route: "r", Instance: record.Instance(d.inst), GroupKey: d.group, Class: verdict.ClassAlarm, Created: t0,
				Next: hour(d.next), State: d.state, Document: []byte(`{"n":1.0,"text":"` + strings.Repeat("x", 300) + `"}`),
			}
			seq, err := tx.AddDelivery(x)
			if err != nil {
				return err
			}
			x.Seq = seq
			if x.State != Pending {
				x.Next = time.Time{}
			}
			want = append(want, x)
		}
		return nil
	})
	due := func(inst record.Instance, h, limit int) string {
		var out []string
		view(t, s, func(tx *Tx) error {
			all, err := tx.DeliveriesDue(inst, hour(h), limit)
			for _, d := range all {
				out = append(out, d.ID)
			}
			return err
		})
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		inst     record.Instance
		h, limit int
		want     string
	}{
		{"n", 0, 10, "d3"}, {"n", 2, 10, "d3 d7 d8"}, {"n", 5, 10, "d3 d7 d8 d1"}, {"n", 5, 2, "d3 d7"}, {"m", 0, 10, "d5"}, {"other", 9, 10, ""},
	} {
		if got := due(c.inst, c.h, c.limit); got != c.want {
			t.Errorf("%s at hour %d: %q, want %q", c.inst, c.h, got, c.want)
		}
	}
	done := want[3]
	done.State, done.Attempts, done.Changed, done.Next, done.Answer = Delivered, 2, hour(1), time.Time{}, "200 OK"
	update(t, s, func(tx *Tx) error { return tx.PutDelivery(done) })
	if got := due("n", 1, 10); got != "d7 d4" && got != "d4 d7" {
		t.Errorf("behind a delivered one: %q", got)
	}
	view(t, s, func(tx *Tx) error {
		got, err := tx.Delivery("d3")
		if diff := cmp.Diff(&done, got); diff != "" {
			t.Error(diff)
		}
		next, any, err2 := tx.NextDelivery(t0)
		if !any || !next.Equal(hour(1)) {
			t.Errorf("next at %v", next)
		}
		instances, err3 := tx.PendingInstances()
		if diff := cmp.Diff([]record.Instance{"m", "n"}, instances); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, err2, err3)
	})
	// Those behind a delivery that waits for its next attempt are not due either.
	update(t, s, func(tx *Tx) error {
		for _, id := range []string{"d1", "d4", "d5"} {
			d, err := tx.Delivery(id)
			if err != nil {
				return err
			}
			d.Next = hour(9)
			if err := tx.PutDelivery(*d); err != nil {
				return err
			}
		}
		next, _, err := tx.NextDelivery(hour(2))
		if !next.Equal(hour(9)) {
			t.Errorf("next at %v, want hour 9: those behind wait", next)
		}
		return err
	})
	// One that is tried again by hand waits for the one under way, and goes before those that came later.
	put := func(id string, state DeliveryState) {
		update(t, s, func(tx *Tx) error {
			d, err := tx.Delivery(id)
			if err != nil {
				return err
			}
			d.State, d.Next, d.Changed = state, hour(9), hour(9)
			return tx.PutDelivery(*d)
		})
	}
	update(t, s, func(tx *Tx) error {
		for _, id := range []string{"c2", "c3"} {
			if _, err := tx.AddDelivery(Delivery{ID: id, Instance: "n", GroupKey: "c", State: Pending, Next: hour(8), Document: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	})
	inC := func() (out []string) {
		view(t, s, func(tx *Tx) error {
			all, err := tx.DeliveriesDue("n", hour(9), 100)
			for _, d := range all {
				if d.GroupKey == "c" {
					out = append(out, d.ID)
				}
			}
			return err
		})
		return out
	}
	for _, step := range []struct {
		id    string
		state DeliveryState
		want  string
	}{
		{"d6", Pending, "[c2]"},
		{"c3", Pending, "[c2]"},
		{"c2", Pending, "[c2]"},
		{"c2", Dead, "[d6]"},
		{"d6", Delivered, "[c3]"},
		{"c3", Delivered, "[]"},
		{"c2", Pending, "[c2]"},
	} {
		put(step.id, step.state)
		if got := fmt.Sprint(inC()); got != step.want {
			t.Errorf("after %s is %s: %s has the turn, want %s", step.id, step.state, got, step.want)
		}
	}
	err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.AddDelivery(want[0]); return err })
	if err == nil {
		t.Error("a delivery's id is taken twice")
	}
}

func suiteDeliveries(t *testing.T, s *Store) {
	states := []DeliveryState{Pending, Delivered, Dead}
	update(t, s, func(tx *Tx) error {
		if _, any, err := tx.NextDelivery(t0); any || err != nil {
			t.Errorf("a delivery is due in an empty store (%v)", err)
		}
		for i := range 12 {
			_, err := tx.AddDelivery(Delivery{
				ID: fmt.Sprint(i), Route: fmt.Sprint("r", i%2), Instance: record.Instance(fmt.Sprint("n", i%4)), Class: verdict.ClassHealth, State: states[i%3], Created: t0, Next: t0, Document: json.RawMessage(`{}`),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx *Tx) error {
		for _, c := range []struct {
			f    DeliveryFilter
			want string
		}{
			{DeliveryFilter{State: "dead"}, "11 8 5 2"},
			{DeliveryFilter{Route: "r0", Limit: 3}, "10 8 6"},
			{DeliveryFilter{Route: "r0", Before: 7}, "4 2 0"},
			{DeliveryFilter{Instance: "n3", Class: "health"}, "11 7 3"},
			{DeliveryFilter{Class: "alarm"}, ""},
		} {
			all, err := tx.Deliveries(c.f)
			var got []string
			for _, d := range all {
				got = append(got, d.ID)
			}
			if strings.Join(got, " ") != c.want || err != nil {
				t.Errorf("%+v: %v, want %s (%v)", c.f, got, c.want, err)
			}
		}
		counts, err := tx.CountDeliveries()
		if diff := cmp.Diff(map[DeliveryState]int64{Pending: 1, Delivered: 1, Dead: 1}, counts["n2"]); diff != "" {
			t.Error(diff)
		}
		none, err2 := tx.Delivery("x")
		if none != nil {
			t.Error("a delivery that is not there")
		}
		return errors.Join(err, err2)
	})
}

func suiteMeta(t *testing.T, s *Store) {
	files := map[string][]byte{"p.rego": []byte("package p\n" + strings.Repeat("# text\n", 100)), "empty": {}}
	digest := record.Sum([]byte("p"))
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.SetMeta("a", []byte("1")), tx.SetMeta("a", []byte("2")), tx.SetMeta("empty", []byte{}), tx.SetMeta("gone", []byte("x")), tx.SetMeta("gone", nil),
			tx.SetCursor("i", []byte{0, 255}), tx.SetCursor("none", nil),
			tx.PutPolicyText(digest, files), tx.PutPolicyText(digest, files),
		)
	})
	check := func(s *Store) {
		view(t, s, func(tx *Tx) error {
			var errs []error
			for name, want := range map[string][]byte{"a": []byte("2"), "empty": {}, "gone": nil, "never": nil} {
				got, err := tx.Meta(name)
				if !slices.Equal(got, want) || (got == nil) != (want == nil) {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
				errs = append(errs, err)
			}
			for inst, want := range map[record.Instance][]byte{"i": {0, 255}, "none": {}, "never": nil} {
				got, err := tx.Cursor(inst)
				if !slices.Equal(got, want) || (got == nil) != (want == nil) {
					t.Errorf("cursor of %s is %v, want %v", inst, got, want)
				}
				errs = append(errs, err)
			}
			got, err := tx.PolicyText(digest)
			if diff := cmp.Diff(files, got); diff != "" {
				t.Error(diff)
			}
			none, err2 := tx.PolicyText(record.Sum(nil))
			if none != nil {
				t.Error("a policy text that is not there")
			}
			return errors.Join(append(errs, err, err2)...)
		})
	}
	check(s)
	check(reopen(t, s))
}

func suiteGaps(t *testing.T, s *Store) {
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.AddGap("a", record.Gap{From: hour(1), To: hour(2), Reason: "closed"}),
			tx.AddGap("a", record.Gap{From: hour(3), Reason: "lasts"}),
			tx.AddGap("b", record.Gap{From: hour(4), Reason: "other"}),
			tx.AddGap("a", record.Gap{From: hour(3), To: hour(5), Reason: "ends it"}),
			tx.AddGap("b", record.Gap{From: hour(1), To: hour(3), Reason: "ended before"}),
		)
	})
	gaps := func(since time.Time) string {
		var out []string
		view(t, s, func(tx *Tx) error {
			all, err := tx.Gaps(since)
			for _, g := range all {
				out = append(out, fmt.Sprintf("%s %s %d", g.Instance, g.Reason, int(g.To.Sub(g.From)/time.Hour)))
				if g.To.IsZero() {
					out[len(out)-1] = string(g.Instance) + " " + g.Reason
				}
			}
			return err
		})
		return strings.Join(out, ", ")
	}
	if got, want := gaps(time.Time{}), "b other, a lasts 2, b ended before 2, a closed 1"; got != want {
		t.Errorf("gaps %s, want %s", got, want)
	}
	if got, want := gaps(hour(4)), "b other, a lasts 2"; got != want {
		t.Errorf("gaps since hour 4 %s, want %s", got, want)
	}
	update(t, s, func(tx *Tx) error {
		early, err := tx.CloseGaps("b", hour(3))
		n, err2 := tx.CloseGaps("b", hour(6))
		if early != 0 || n != 1 {
			t.Errorf("closed %d, then %d", early, n)
		}
		return errors.Join(err, err2)
	})
}

func suiteQuarantine(t *testing.T, s *Store) {
	update(t, s, func(tx *Tx) error {
		var rows []record.Quarantined
		for i := range 70 {
			rows = append(rows, record.Quarantined{Kind: record.KindEvent, Reason: fmt.Sprint("r", i), Origin: "file:1", Bytes: []byte{byte(i)}})
		}
		rows = append(rows, record.Quarantined{Kind: record.KindItem})
		return errors.Join(tx.AddQuarantine("i", t0, rows), tx.AddQuarantine("i", t0, nil))
	})
	view(t, s, func(tx *Tx) error {
		page, err := tx.Quarantine(0, 2)
		want := []QuarantineRow{
			{Row: 71, Instance: "i", Received: t0, Kind: "item", Bytes: []byte{}},
			{Row: 70, Instance: "i", Received: t0, Kind: "event", Reason: "r69", Origin: "file:1", Bytes: []byte{69}},
		}
		for i := range page {
			if page[i].Bytes == nil {
				page[i].Bytes = []byte{}
			}
		}
		if diff := cmp.Diff(want, page); diff != "" {
			t.Error(diff)
		}
		rest, err2 := tx.Quarantine(70, 1000)
		if len(rest) != 69 {
			t.Errorf("%d are left, want 69", len(rest))
		}
		return errors.Join(err, err2)
	})
}
