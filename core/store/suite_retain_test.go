package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

func retain(t *testing.T, s *Store, r Retention, now time.Time) int64 {
	t.Helper()
	n, err := s.Retain(t.Context(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// drained says that a table is in the lake up to a number.
func drained(t *testing.T, s *Store, name table.Name, upTo int64) {
	t.Helper()
	update(t, s, func(tx *Tx) error { return tx.SetDrained(name, upTo) })
}

func suiteRetainVersions(t *testing.T, s *Store) {
	for h := range 6 {
		itemSpec{id: "changing", config: fmt.Sprintf(`{"a":%d}`, h), at: hour(h)}.put(t, s)
	}
	itemSpec{id: "still", config: `{"a":0}`}.put(t, s)
	itemSpec{id: "two", config: `{"a":0}`}.put(t, s)
	itemSpec{id: "two", config: `{"a":1}`, at: hour(9)}.put(t, s)
	if n := retain(t, s, Retention{Versions: 3 * time.Hour}, hour(6).Add(30*time.Minute)); n != 0 {
		t.Errorf("%d versions went before they were in the lake", n)
	}
	drained(t, s, table.Items, 100)
	retain(t, s, Retention{Versions: 3 * time.Hour}, hour(6).Add(30*time.Minute))
	// In force 3 hours ago, at 3:30, was the version of hour 3: it and all after it stay.
	for resource, want := range [][]string{nil, {"3@3", "4@4", "5@5"}, {"0@0"}, {"0@0", "1@9"}} {
		if resource == 0 {
			continue
		}
		if diff := cmp.Diff(want, history(t, s, int64(resource))); diff != "" {
			t.Errorf("resource %d: %s", resource, diff)
		}
	}
	retain(t, s, Retention{}, hour(1000))
	if got := history(t, s, 1); len(got) != 3 {
		t.Errorf("a retention of nothing keeps %v", got)
	}
	retain(t, s, Retention{Versions: time.Hour}, hour(1000))
	if diff := cmp.Diff([]string{"5@5"}, history(t, s, 1)); diff != "" {
		t.Errorf("only what is current: %s", diff)
	}
}

func suiteRetainEvents(t *testing.T, s *Store) {
	s.dups.limit = 20
	for n := range 100 {
		appendEvents(t, s, hour(n), event(t, fmt.Sprint(n), "a", t0))
	}
	if n := retain(t, s, Retention{Events: 50 * time.Hour}, hour(100)); n != 0 {
		t.Errorf("%d batches went before they were in the lake", n)
	}
	drained(t, s, table.Events, 50)
	if n := retain(t, s, Retention{Events: 50 * time.Hour}, hour(100)); n != 50 {
		t.Errorf("%d batches went, want 50", n)
	}
	check := func(s *Store, from, to int) {
		t.Helper()
		update(t, s, func(tx *Tx) error {
			rows, _, err := tx.Events(EventFilter{Limit: 1000})
			if len(rows) != to-from {
				t.Errorf("%d events are left, want %d", len(rows), to-from)
			}
			for n := range to {
				found, err := tx.EventByID(fmt.Sprint(n))
				if (len(found) == 1) != (n >= from) || err != nil {
					t.Errorf("event %d: %v, %v", n, found, err)
				}
				dup, err := tx.Duplicates([]record.Event{event(t, fmt.Sprint(n), "a", t0)}, false)
				if (dup[0] == DupSame) != (n >= from) || err != nil {
					t.Errorf("event %d is a duplicate: %d, %v", n, dup[0], err)
				}
			}
			return err
		})
	}
	check(s, 50, 100)
	s = reopen(t, s)
	s.dups.limit = 20
	check(s, 50, 100)
	// With everything gone, numbers go on.
	drained(t, s, table.Events, 100)
	retain(t, s, Retention{Events: time.Hour}, hour(1000))
	check(s, 100, 100)
	s = reopen(t, s)
	if seq := appendEvents(t, s, hour(1000), event(t, "new", "a", t0)); seq != 101 {
		t.Errorf("the next batch has number %d, want 101", seq)
	}
	view(t, s, func(tx *Tx) error {
		rows, err := tx.EventByID("new")
		if len(rows) != 1 {
			t.Errorf("new event: %v", rows)
		}
		totals, err2 := tx.Totals()
		if totals["collector.test.a"].Stored != 101 {
			t.Errorf("the totals went with the events: %+v", totals)
		}
		return errors.Join(err, err2)
	})
}

func suiteRetainRest(t *testing.T, s *Store) {
	update(t, s, func(tx *Tx) error {
		for h := range 10 {
			ended := verdict.Episode{ID: fmt.Sprint("ended", h), State: verdict.AlarmOK, StartedAt: hour(h)}
			active := verdict.Episode{ID: fmt.Sprint("active", h), State: verdict.AlarmFiring, StartedAt: hour(h)}
			_, err := tx.AddDelivery(Delivery{ID: fmt.Sprint("done", h), State: Delivered, Changed: hour(h), Document: []byte(`{}`)})
			_, err2 := tx.AddDelivery(Delivery{ID: fmt.Sprint("open", h), State: Pending, Changed: hour(h), Document: []byte(`{}`)})
			_, err3 := tx.AddChange(verdict.Change{At: hour(h)})
			err = errors.Join(err, err2, err3, tx.PutEpisode(ended, time.Time{}), tx.PutEpisode(active, hour(20)),
				tx.AddQuarantine("i", hour(h), []record.Quarantined{{Kind: record.KindEvent}}))
			if err != nil {
				return err
			}
		}
		return nil
	})
	drained(t, s, table.Quarantines, 10)
	n := retain(t, s, Retention{Quarantine: 2 * time.Hour, Deliveries: 4 * time.Hour, Episodes: 6 * time.Hour, Changes: 8 * time.Hour}, hour(10))
	if n != 8+6+4+2 {
		t.Errorf("%d rows went, want %d", n, 8+6+4+2)
	}
	view(t, s, func(tx *Tx) error {
		quarantine, err := tx.Quarantine(0, 100)
		delivered, err2 := tx.Deliveries(DeliveryFilter{State: "delivered"})
		pending, err3 := tx.Deliveries(DeliveryFilter{State: "pending"})
		episodes, err4 := tx.Episodes(EpisodeFilter{})
		changes, err5 := tx.Changes(0, 100)
		got := []int{len(quarantine), len(delivered), len(pending), len(episodes), len(changes)}
		if diff := cmp.Diff([]int{2, 4, 10, 16, 8}, got); diff != "" {
			t.Errorf("quarantine, delivered, pending, episodes and changes left: %s", diff)
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
}
