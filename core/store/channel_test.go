package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

func TestEventsAfter(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	n := 0
	add := func(count int) {
		var events []record.Event
		for range count {
			n++
			events = append(events, event(t, fmt.Sprint("e", n), "x", t0))
		}
		appendEvents(t, s, t0.Add(time.Duration(n)*time.Second), events...)
	}
	for _, count := range []int{3, 1, 5, 1} {
		add(count)
	}
	after := func(number int64, limit int) (out []string) {
		t.Helper()
		events, err := s.EventsAfter(t.Context(), number, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Event.ID != fmt.Sprint("e", e.Number) || e.Instance != "collector.test.a" {
				t.Errorf("number %d is event %s of %s", e.Number, e.Event.ID, e.Instance)
			}
			out = append(out, e.Event.ID)
		}
		return out
	}
	for _, c := range []struct {
		after int64
		limit int
		want  []string
	}{
		{0, 1, []string{"e1", "e2", "e3"}},
		{1, 3, []string{"e2", "e3", "e4"}},
		{3, 1, []string{"e4"}},
		{4, 100, []string{"e5", "e6", "e7", "e8", "e9", "e10"}},
		{10, 100, nil},
		{99, 100, nil},
	} {
		if diff := cmp.Diff(c.want, after(c.after, c.limit)); diff != "" {
			t.Errorf("after %d: %s", c.after, diff)
		}
	}

	// What is in the lake is not passed over in silence.
	drained := open(t, t.TempDir())
	appendEvents(t, drained, t0, event(t, "e1", "x", t0), event(t, "e2", "x", t0))
	seq := appendEvents(t, drained, t0, event(t, "e3", "x", t0))
	update(t, drained, func(tx *Tx) error { return tx.SetDrained(table.Events, seq-1) })
	if _, err := drained.EventsAfter(t.Context(), 0, 10); !errors.Is(err, ErrDrained) {
		t.Errorf("events that are in the lake: %v", err)
	}
	if events, err := drained.EventsAfter(t.Context(), 2, 10); err != nil || len(events) != 1 || events[0].Number != 3 {
		t.Errorf("%v, %v", events, err)
	}

	// Where retention has taken some, reading goes on behind them, and numbers are never given twice, even
	// when all are gone and the store is opened anew.
	retain := func(now time.Time) {
		t.Helper()
		// Only what is in the lake leaves the journal.
		update(t, s, func(tx *Tx) error {
			var upTo int64
			if _, err := tx.one(`SELECT max(seq) FROM journal WHERE received < ?`, []any{micros(now)}, &upTo); err != nil {
				return err
			}
			return tx.SetDrained(table.Events, upTo)
		})
		if _, err := s.Retain(t.Context(), Retention{Events: time.Nanosecond}, now); err != nil {
			t.Fatal(err)
		}
	}
	retain(t0.Add(5 * time.Second))
	if diff := cmp.Diff([]string{"e5", "e6", "e7", "e8", "e9", "e10"}, after(1, 100)); diff != "" {
		t.Error(diff)
	}
	s = reopen(t, s)
	retain(t0.Add(time.Hour))
	if got := after(0, 100); got != nil {
		t.Errorf("%q are still there", got)
	}
	for range 2 {
		s = reopen(t, s)
		add(2)
	}
	if diff := cmp.Diff([]string{"e11", "e12", "e13", "e14"}, after(0, 100)); diff != "" {
		t.Error(diff)
	}
}

func TestVersionsAfterAndStateAt(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	itemSpec{id: "a", config: `{"v":1}`}.put(t, s)                              // 1
	itemSpec{id: "b", config: `{"v":1}`}.put(t, s)                              // 2
	itemSpec{id: "a", config: `{"v":2}`, at: t0.Add(2 * time.Second)}.put(t, s) // 3
	itemSpec{id: "a", config: `{"v":0}`, at: t0.Add(-time.Second)}.put(t, s)    // 4, late
	itemSpec{id: "b", at: t0.Add(time.Second), status: record.StatusDeleted}.put(t, s)
	view(t, s, func(tx *Tx) error {
		last, err := tx.LastVersion()
		if err != nil || last != 5 {
			t.Errorf("the last version is %d, %v", last, err)
		}
		text := func(all []*Current, err error) (out []string) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				out = append(out, fmt.Sprintf("%d %s %s", c.Version, c.Item.ResourceID, c.Item.Status))
			}
			return out
		}
		for _, c := range []struct {
			name      string
			got, want []string
		}{
			{"all versions", text(tx.VersionsAfter(0, 100)), []string{"1 a OK", "2 b OK", "3 a OK", "4 a OK", "5 b ResourceDeleted"}},
			{"some versions", text(tx.VersionsAfter(3, 100)), []string{"4 a OK", "5 b ResourceDeleted"}},
			{"a page of versions", text(tx.VersionsAfter(1, 1)), []string{"2 b OK"}},
			{"the state now", text(tx.StateAt(last, 0, 100)), []string{"3 a OK", "5 b ResourceDeleted"}},
			{"the state when the late one had come", text(tx.StateAt(4, 0, 100)), []string{"3 a OK", "2 b OK"}},
			{"the state at first", text(tx.StateAt(1, 0, 100)), []string{"1 a OK"}},
			{"a page of the state", text(tx.StateAt(last, 1, 100)), []string{"5 b ResourceDeleted"}},
		} {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
		return nil
	})
}

func TestChannels(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	want := Channel{Name: "trail/x", Position: 7, Due: t0, Body: []byte(`{"a":1}`)}
	update(t, s, func(tx *Tx) error {
		if c, err := tx.Channel("trail/x"); c != nil || err != nil {
			t.Errorf("a channel that never ran: %v, %v", c, err)
		}
		if err := tx.PutChannel(Channel{Name: "trail/x", Body: []byte("{}")}); err != nil {
			return err
		}
		for place := 3; place > 0; place-- {
			if err := tx.AddChannelFile(ChannelFile{Channel: "trail/x", Place: place, Body: []byte{byte(place)}}); err != nil {
				return err
			}
		}
		if err := tx.AddChannelFile(ChannelFile{Channel: "trail/y", Place: 1, Body: []byte("y")}); err != nil {
			return err
		}
		return tx.PutChannel(want)
	})
	s = reopen(t, s)
	update(t, s, func(tx *Tx) error { return tx.DeleteChannelFile("trail/x", 2) })
	view(t, s, func(tx *Tx) error {
		c, err := tx.Channel("trail/x")
		if diff := cmp.Diff(&want, c); diff != "" || err != nil {
			t.Error(diff, err)
		}
		all, err := tx.Channels()
		if diff := cmp.Diff([]Channel{want}, all); diff != "" || err != nil {
			t.Error(diff, err)
		}
		files, err := tx.ChannelFiles("trail/x")
		if diff := cmp.Diff([]ChannelFile{{"trail/x", 1, []byte{1}}, {"trail/x", 3, []byte{3}}}, files); diff != "" || err != nil {
			t.Error(diff, err)
		}
		return nil
	})
}
