package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// suiteDrainedDuplicates holds that what has moved to the lake is recognised as before.
func suiteDrainedDuplicates(t *testing.T, s *Store) {
	s.dups.limit = 20
	for n := range 60 {
		pair := []record.Event{event(t, fmt.Sprint(n), "a", t0), event(t, fmt.Sprint(n, "b"), "a", t0)}
		appendEvents(t, s, hour(n), pair...)
		if n%3 > 0 {
			continue
		}
		// As they were written once.
		var whole []byte
		for i := range pair {
			id := identity(&pair[i])
			whole = append(append(whole, pair[i].Hash[:]...), id[:]...)
		}
		update(t, s, func(tx *Tx) error { return tx.run(`UPDATE event_checks SET checks = ? WHERE seq = ?`, whole, n+1) })
	}
	drained(t, s, table.Events, 40)
	ask := func(s *Store, n int, action string, ever bool) (got Dup) {
		t.Helper()
		update(t, s, func(tx *Tx) error {
			dups, err := tx.Duplicates([]record.Event{event(t, fmt.Sprint(n), action, t0)}, ever)
			if err == nil {
				got = dups[0]
			}
			return err
		})
		return got
	}
	for range 2 {
		for n := range 70 {
			same, other := DupSame, DupConflict
			if n >= 60 {
				same, other = DupNone, DupNone
			}
			if got := ask(s, n, "a", false); got != same {
				t.Errorf("event %d: %d, want %d", n, got, same)
			}
			if got := ask(s, n, "b", false); got != other {
				t.Errorf("other content of event %d: %d, want %d", n, got, other)
			}
		}
		s = reopen(t, s)
		s.dups.limit = 20
	}
	view(t, s, func(tx *Tx) error {
		rows, _, err := tx.Events(EventFilter{Limit: 1000})
		if len(rows) != 40 {
			t.Errorf("the journal has %d events, want 40", len(rows))
		}
		batches, err2 := tx.EventBatches(0, 1<<20)
		if len(batches) != 20 || batches[0].Seq != 41 || batches[0].First != 81 || len(batches[0].Bodies) != 2 {
			t.Errorf("batches: %d", len(batches))
		}
		return errors.Join(err, err2)
	})
	// After the window only who asks for ever is told.
	appendEvents(t, s, hour(10).Add(DupWindow), event(t, "later", "a", t0))
	for n := range 60 {
		want := DupSame
		if n < 10 {
			want = DupNone
		}
		if got := ask(s, n, "a", false); got != want {
			t.Errorf("event %d after the window: %d, want %d", n, got, want)
		}
		if got := ask(s, n, "a", true); got != DupSame {
			t.Errorf("event %d, asked for ever: %d", n, got)
		}
	}
	update(t, s, func(tx *Tx) error { tx.ForgetOlder(); return nil })
	if got := ask(s, 3, "a", true); got != DupSame {
		t.Errorf("asked again: %d", got)
	}
}

// suiteStates holds that the states of findings, episodes and deliveries are noted, once each, and that
// their numbers go on when they are drained.
func suiteStates(t *testing.T, s *Store) {
	itemSpec{}.put(t, s)
	put := func(s *Store) {
		update(t, s, func(tx *Tx) error {
			f := verdict.Finding{ID: "F1", Policy: "p", Status: verdict.Open, LastSeen: hour(1)}
			ep := verdict.Episode{ID: "E1", State: verdict.AlarmFiring, StartedAt: hour(1)}
			err := errors.Join(tx.PutFinding(1, f), tx.PutEpisode(ep, hour(2)), tx.PutEpisode(ep, hour(3)))
			end := hour(4)
			ep.State, ep.EndedAt = verdict.AlarmOK, &end
			return errors.Join(err, tx.PutEpisode(ep, time.Time{}), tx.DeleteEpisode("E1"))
		})
	}
	put(s)
	update(t, s, func(tx *Tx) error {
		d := Delivery{ID: "D1", State: Pending, Instance: "n", Created: hour(1), Document: []byte(`{"a":1}`)}
		var err error
		if d.Seq, err = tx.AddDelivery(d); err != nil {
			return err
		}
		d.Attempts = 1
		if err := tx.PutDelivery(d); err != nil {
			return err
		}
		d.State, d.Changed = Delivered, hour(2)
		return tx.PutDelivery(d)
	})
	view(t, s, func(tx *Tx) error {
		findings, err := tx.FindingsAfter(0, 10)
		episodes, err2 := tx.EpisodesAfter(0, 10)
		deliveries, err3 := tx.DeliveriesAfter(0, 10)
		var got []string
		for _, f := range findings {
			got = append(got, fmt.Sprint(f.Number, f.State.ID, f.State.Status))
		}
		for _, e := range episodes {
			got = append(got, fmt.Sprint(e.Number, e.State.ID, e.State.State))
		}
		for _, d := range deliveries {
			got = append(got, fmt.Sprint(d.Number, d.State.ID, d.State.State, string(d.State.Document)))
		}
		want := []string{"1F1OPEN", "1E1ALARM", "2E1OK", "3E1MERGED", `1D1pending{"a":1}`, "2D1delivered"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, err2, err3)
	})
	drained(t, s, table.Alarms, 3)
	s = reopen(t, s)
	put(s)
	view(t, s, func(tx *Tx) error {
		episodes, err := tx.EpisodesAfter(0, 10)
		if len(episodes) != 3 || episodes[0].Number != 4 {
			t.Errorf("states after the drain: %+v", episodes)
		}
		return err
	})
}

// suiteManifest holds that the manifest changes as a whole and that its changes are kept.
func suiteManifest(t *testing.T, s *Store) {
	file := func(path string, from, to int) LakeFile {
		return LakeFile{Partition: "date=2026-01-01", File: manifest.File{
			Table: table.Events, Path: path, Rows: 10, Bytes: 100, SHA256: record.Sum([]byte(path)), Root: record.Sum([]byte("root" + path)),
			MinNumber: int64(from), MaxNumber: int64(to), MinTime: hour(from), MaxTime: hour(to), MinReceived: hour(from), MaxReceived: hour(to),
		}}
	}
	add := manifest.Change{At: hour(1), Kind: manifest.Add}
	update(t, s, func(tx *Tx) error {
		return tx.ApplyLakeChange(&add, []LakeFile{file("a", 1, 10), file("b", 11, 20)})
	})
	var files []LakeFile
	view(t, s, func(tx *Tx) (err error) {
		files, err = tx.LakeFiles(table.Events)
		return err
	})
	want := []LakeFile{file("a", 1, 10), file("b", 11, 20)}
	want[0].ID, want[1].ID = 1, 2
	if diff := cmp.Diff(want, files); diff != "" {
		t.Fatal(diff)
	}
	both := file("c", 1, 20)
	both.Level = 1
	replace := manifest.Change{At: hour(2), Kind: manifest.Replace, Removed: []manifest.File{files[0].File, files[1].File}}
	update(t, s, func(tx *Tx) error { return tx.ApplyLakeChange(&replace, []LakeFile{both}) })
	again := manifest.Change{At: hour(3), Kind: manifest.Expire, Removed: replace.Removed}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.ApplyLakeChange(&again, nil) }); err == nil {
		t.Error("a file went twice")
	}
	view(t, s, func(tx *Tx) error {
		between, err := tx.LakeFilesBetween(table.Events, hour(5), hour(6))
		if len(between) != 1 || between[0].Path != "c" || between[0].Level != 1 {
			t.Errorf("files: %+v", between)
		}
		none, err2 := tx.LakeFilesBetween(table.Events, hour(21), time.Time{})
		changes, err3 := tx.LakeChanges(0, 10)
		garbage, err4 := tx.LakeGarbage(hour(3), 10)
		if len(none) != 0 || len(changes) != 2 {
			t.Errorf("%d files after the last, %d changes", len(none), len(changes))
		}
		if diff := cmp.Diff([]manifest.Change{add, replace}, changes); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"a", "b"}, garbage); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, err2, err3, err4)
	})
	update(t, s, func(tx *Tx) error {
		id, err := tx.NextLakePlan()
		if id != 1 {
			t.Errorf("the first plan has number %d", id)
		}
		return errors.Join(err, tx.PutLakePlan(1, []byte(`{"a":1}`)))
	})
	s = reopen(t, s)
	update(t, s, func(tx *Tx) error {
		id, body, err := tx.LakePlan()
		if id != 1 || string(body) != `{"a":1}` {
			t.Errorf("plan %d: %s", id, body)
		}
		err = errors.Join(err, tx.EndLakePlan(1))
		id, _, err2 := tx.LakePlan()
		next, err3 := tx.NextLakePlan()
		if id != 0 || next != 2 {
			t.Errorf("after its end there is plan %d, and the next is %d", id, next)
		}
		return errors.Join(err, err2, err3)
	})
}
