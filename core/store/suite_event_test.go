package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
)

func suiteTotals(t *testing.T, s *Store) {
	update(t, s, func(tx *Tx) error {
		for i, inst := range []record.Instance{"a", "b", "a"} {
			e := EncodeEvents([]record.Event{event(t, fmt.Sprint(i), "x", t0)})
			seq, err := tx.AppendBatch(BatchRow{Instance: inst, Received: t0, Read: 7, Stored: 1, Duplicate: 2, Quarantined: 1, Conflicts: 1, Events: &e})
			if err != nil {
				return err
			}
			if seq != int64(i+1) {
				t.Errorf("batch %d has number %d", i, seq)
			}
			if err := tx.CountItems(inst, seq, 2, 1); err != nil {
				return err
			}
		}
		_, err := tx.AppendBatch(BatchRow{Instance: "b", Received: t0, Events: nil})
		return err
	})
	view(t, s, func(tx *Tx) error {
		totals, err := tx.Totals()
		want := map[record.Instance]Totals{
			"a": {Read: 14, Stored: 6, Duplicate: 6, Quarantined: 2, Conflicts: 2},
			"b": {Read: 7, Stored: 3, Duplicate: 3, Quarantined: 1, Conflicts: 1},
		}
		if diff := cmp.Diff(want, totals); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func suiteEvents(t *testing.T, s *Store) {
	// Batches overlap in time, as those of several sources do, and times repeat.
	type place struct {
		at     time.Time
		number int
		idx    int
	}
	var all []place
	for b := range 300 {
		var batch []record.Event
		for i := range 10 {
			at := t0.Add(time.Duration(i*7+b%40*13) * time.Second)
			batch = append(batch, event(t, fmt.Sprintf("%03d-%02d", b, i), fmt.Sprint("act", i%5), at))
			all = append(all, place{at, 10*b + i + 1, i})
		}
		if got := appendEvents(t, s, t0, batch...); got != int64(b+1) {
			t.Fatalf("batch %d has number %d", b, got)
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return EventPlace{a.at.UnixMicro(), int64(a.number)}.Compare(EventPlace{b.at.UnixMicro(), int64(b.number)})
	})
	view(t, s, func(tx *Tx) error {
		for _, limit := range []int{1, 7, 100, 5000} {
			var want, got []place
			for _, p := range all {
				if p.idx%5 == 2 {
					want = append(want, p)
				}
			}
			if limit == 1 {
				want = want[:20]
			}
			f := EventFilter{Action: "act2", Limit: limit}
			for len(got) < len(want) {
				rows, next, err := tx.Events(f)
				if err != nil {
					return err
				}
				for _, r := range rows {
					got = append(got, place{r.Event.Time, int(r.Number), int(r.Number-1) % 10})
				}
				if f.After = next; next == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(place{})); diff != "" {
				t.Errorf("pages of %d: %s", limit, diff)
			}
		}
		return nil
	})
	special := parseEvent(t, []byte(`{"id":"caf\u00e9","source":"so\u0075rce","time":"2026-01-02T00:00:00Z","action":"a\"b","outcome":"failure","error":{"code":"Denied"},"actor":{"id":"arn:1","name":"Zoë"},"origin":{"address":"2001:db8::1"},"targets":[{"resourceType":"T::A","resourceId":"r\/1","name":"first"},{"resourceType":"T::B","resourceId":"r2"}],"accountId":"42","region":"ap","detail":{"Text":"SomeThing"}}`))
	appendEvents(t, s, hour(5), special)
	view(t, s, func(tx *Tx) error {
		for _, c := range []struct {
			name string
			f    EventFilter
			want int
		}{
			{"all", EventFilter{}, 3001},
			{"by id", EventFilter{ID: "003-04"}, 1},
			{"by id and action", EventFilter{ID: "003-04", Action: "act4"}, 1},
			{"by id and another action", EventFilter{ID: "003-04", Action: "act3"}, 0},
			{"by unknown id", EventFilter{ID: "nothing"}, 0},
			{"by resource", EventFilter{Resource: "x", ResourceType: "A::B::C"}, 3000},
			{"by resource and a type it has not", EventFilter{Resource: "x", ResourceType: "T::A"}, 0},
			{"by actor and time", EventFilter{Actor: "alice", From: t0, To: t0.Add(time.Second)}, 8},
			{"from the very time", EventFilter{From: t0.Add((63 + 39*13) * time.Second)}, 8},
			{"to the very time", EventFilter{To: t0.Add(time.Microsecond)}, 8},
			{"by text", EventFilter{Text: "05-1"}, 0},
			{"by text, whatever the case", EventFilter{Text: "something"}, 1},
			{"escaped id", EventFilter{ID: "café"}, 1},
			{"escaped source", EventFilter{Source: "source"}, 1},
			{"action with a quote", EventFilter{Action: `a"b`}, 1},
			{"escaped resource", EventFilter{Resource: "r/1"}, 1},
			{"second target", EventFilter{Resource: "r2"}, 1},
			{"target's name", EventFilter{Resource: "first"}, 1},
			{"type and resource of different targets", EventFilter{Resource: "r2", ResourceType: "T::A"}, 0},
			{"actor's name", EventFilter{Actor: "Zoë"}, 1},
			{"outcome", EventFilter{Outcome: "failure"}, 1},
			{"address", EventFilter{Address: "2001:db8::1"}, 1},
			{"account and region", EventFilter{Account: "42", Region: "ap"}, 1},
		} {
			c.f.Limit = 10_000
			rows, next, err := tx.Events(c.f)
			if err != nil || len(rows) != c.want || next != "" {
				t.Errorf("%s: %d events, want %d (%v)", c.name, len(rows), c.want, err)
			}
		}
		for _, after := range []string{"garbage", "!", "MS4yLjM", "eC55Lno"} {
			if _, _, err := tx.Events(EventFilter{After: after}); !errors.Is(err, errCursor) {
				t.Errorf("cursor %q, which nobody gave out: %v", after, err)
			}
		}
		rows, _, err := tx.Events(EventFilter{Account: "42"})
		want := special
		want.Hash = record.Digest{}
		if diff := cmp.Diff(EventRow{Number: 3001, Instance: "collector.test.a", Received: hour(5), Event: want}, rows[0]); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func suiteEventsByID(t *testing.T, s *Store) {
	s.dups.limit = 40
	n := 0
	write := func(s *Store, batches int) {
		for range batches {
			var batch []record.Event
			for range 9 {
				batch = append(batch, event(t, fmt.Sprint("id-", n), "a", t0.Add(time.Duration(n)*time.Second)))
				n++
			}
			// The same id from elsewhere.
			batch = append(batch, parseEvent(t, fmt.Appendf(nil, `{"id":"same","source":"s%d","time":%q,"targets":[]}`, n, record.FormatTime(t0.Add(time.Duration(n)*time.Second)))))
			appendEvents(t, s, t0, batch...)
		}
	}
	check := func(s *Store) {
		t.Helper()
		view(t, s, func(tx *Tx) error {
			for i := range n {
				rows, err := tx.EventByID(fmt.Sprint("id-", i))
				if err != nil || len(rows) != 1 || rows[0].Event.ID != fmt.Sprint("id-", i) {
					t.Fatalf("event %d of %d: %v, %v", i, n, rows, err)
				}
			}
			same, err := tx.EventByID("same")
			if len(same) != n/9 || !same[0].Event.Time.After(same[1].Event.Time) {
				t.Errorf("%d events with one id, want %d", len(same), n/9)
			}
			one, err2 := tx.Event("s18", "same")
			if len(one) != 1 {
				t.Errorf("%d events of one source and id", len(one))
			}
			page, next, err3 := tx.Events(EventFilter{ID: "same", Limit: 2})
			rest, _, err4 := tx.Events(EventFilter{ID: "same", Limit: 100, After: next})
			if len(page) != 2 || len(rest) != len(same)-2 {
				t.Errorf("pages of %d and %d events", len(page), len(rest))
			}
			return errors.Join(err, err2, err3, err4)
		})
	}
	write(s, 3)
	check(s)
	write(s, 17)
	check(s)
	if len(s.dups.sealed) < 3 {
		t.Errorf("%d segments were sealed", len(s.dups.sealed))
	}
	s = reopen(t, s)
	s.dups.limit = 40
	check(s)
	write(s, 9)
	check(s)
}

// suiteDuplicates holds the answers against a map, over many segments, transactions that fail, and
// reopening.
func suiteDuplicates(t *testing.T, s *Store) {
	s.dups.limit = 700
	rnd := rand.New(rand.NewPCG(1, 2))
	known := map[string][]record.Digest{}
	read, stored := 0, 0
	for round := range 60 {
		if round == 20 || round == 40 {
			s = reopen(t, s)
			s.dups.limit = 700
		}
		var batch []record.Event
		start := rnd.IntN(4000)
		for i := range 200 {
			id := fmt.Sprint(rnd.IntN(5000))
			if round%3 == 2 {
				// As when a file is read again.
				id = fmt.Sprint(start + i)
			}
			batch = append(batch, event(t, id, fmt.Sprint("a", rnd.IntN(20)/19), t0))
		}
		fails := round%7 == 3
		err := s.Update(t.Context(), func(tx *Tx) error {
			got, err := tx.Duplicates(batch, false)
			if err != nil {
				return err
			}
			var fresh []record.Event
			in := map[string]bool{}
			for i, ev := range batch {
				want := DupNone
				switch {
				case slices.Contains(known[ev.ID], ev.Hash):
					want = DupSame
				case len(known[ev.ID]) > 0:
					want = DupConflict
				}
				if got[i] != want {
					t.Fatalf("round %d, event %s: %d, want %d", round, ev.ID, got[i], want)
				}
				if want != DupSame && !in[ev.ID] {
					in[ev.ID] = true
					fresh = append(fresh, ev)
				}
			}
			e := EncodeEvents(fresh)
			if _, err = tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 200, Stored: len(fresh), Duplicate: 200 - len(fresh), Events: &e}); err != nil {
				return err
			}
			if fails {
				return errors.New("no")
			}
			read, stored = read+200, stored+len(fresh)
			for _, ev := range fresh {
				known[ev.ID] = append(known[ev.ID], ev.Hash)
			}
			return nil
		})
		if (err != nil) != fails {
			t.Fatal(err)
		}
	}
	view(t, s, func(tx *Tx) error {
		totals, err := tx.Totals()
		if got := totals["i"]; got.Read != got.Stored+got.Duplicate+got.Quarantined || got.Read != int64(read) || got.Stored != int64(stored) {
			t.Errorf("totals %+v, want %d read and %d stored", got, read, stored)
		}
		rows, _, err2 := tx.Events(EventFilter{Limit: 100_000})
		if len(rows) != stored {
			t.Errorf("%d events are there, %d were stored", len(rows), stored)
		}
		return errors.Join(err, err2)
	})
	if len(s.dups.sealed) == 0 {
		t.Error("no segment was sealed")
	}
}

func suiteDuplicatesPending(t *testing.T, s *Store) {
	s.dups.limit = 5
	for round := range 4 {
		update(t, s, func(tx *Tx) error {
			for i := range 6 {
				id := fmt.Sprint(round, "-", i)
				e := EncodeEvents([]record.Event{event(t, id, "a", t0), event(t, id+"b", "a", t0)})
				if _, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Events: &e}); err != nil {
					return err
				}
				got, err := tx.Duplicates([]record.Event{event(t, id, "a", t0), event(t, id+"b", "other", t0), event(t, id+"c", "a", t0), event(t, fmt.Sprint(round, "-0"), "a", t0)}, false)
				if err != nil {
					return err
				}
				if diff := cmp.Diff([]Dup{DupSame, DupConflict, DupNone, DupSame}, got); diff != "" {
					t.Errorf("round %d, batch %d: %s", round, i, diff)
				}
				// What is not committed yet can be read as well.
				rows, err := tx.EventByID(id)
				if len(rows) != 1 {
					t.Errorf("an event of this transaction: %v", rows)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func suiteDuplicateWindow(t *testing.T, s *Store) {
	s.dups.limit = 3
	day := func(n int) time.Time { return t0.AddDate(0, 0, n) }
	for n := range 20 {
		appendEvents(t, s, day(n), event(t, fmt.Sprint(n), "a", t0))
	}
	check := func(s *Store) {
		t.Helper()
		var batch []record.Event
		for n := range 21 {
			batch = append(batch, event(t, fmt.Sprint(n), "a", t0))
		}
		update(t, s, func(tx *Tx) error {
			got, err := tx.Duplicates(batch, false)
			for n, d := range got {
				want := DupNone
				if n >= 12 && n < 20 {
					want = DupSame
				}
				if d != want {
					t.Errorf("event received on day %d, asked on day 19: %d, want %d", n, d, want)
				}
			}
			return err
		})
	}
	check(s)
	if len(s.dups.sealed) > 4 {
		t.Errorf("%d filters are kept for 8 days of one event", len(s.dups.sealed))
	}
	s = reopen(t, s)
	check(s)
	view(t, s, func(tx *Tx) error {
		rows, err := tx.EventByID("2")
		if len(rows) != 1 {
			t.Error("an event beyond the window is not found by its id")
		}
		return err
	})
}

func suiteNoID(t *testing.T, s *Store) {
	ev := func(action, source string) record.Event {
		return parseEvent(t, fmt.Appendf(nil, `{"source":%q,"time":"2026-01-01T00:00:00Z","action":%q,"targets":[]}`, source, action))
	}
	appendEvents(t, s, t0, ev("a", "s"), ev("b", "s"))
	// The order of members does not make another event.
	again := parseEvent(t, []byte(`{"action":"b","targets":[], "source":"s","time":"2026-01-01T00:00:00Z"}`))
	update(t, s, func(tx *Tx) error {
		got, err := tx.Duplicates([]record.Event{ev("a", "s"), ev("c", "s"), ev("a", "other"), again}, false)
		if diff := cmp.Diff([]Dup{DupSame, DupNone, DupNone, DupSame}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
}
