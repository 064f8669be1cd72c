package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// suiteCauses keeps causes and the work on them: what is due when, and that a mark that comes while a cause
// is being looked at is not lost.
func suiteCauses(t *testing.T, s *Store) {
	resource := func(id string) (n int64) {
		update(t, s, func(tx *Tx) error {
			r, err := tx.PutItem(ItemWrite{Item: record.Item{
				Key: record.Key{AccountID: "1", ResourceType: "T", ResourceID: id}, ResourceName: "name " + id, ARN: "arn " + id, CaptureTime: t0, Status: record.StatusOK,
				Body: fmt.Appendf(nil, `{"resourceId":%q,"resourceType":"T"}`, id), Hash: record.Sum([]byte(id)),
			}, Instance: "i", Received: t0})
			n = r.Resource
			return err
		})
		return n
	}
	a, b := resource("a"), resource("b")
	rows := []*CauseRow{
		{Cause: verdict.Cause{Finding: "Fa", Step: verdict.CauseOpened, Kind: verdict.CauseVersion, At: t0}, Resource: a, Watched: a, Due: t0},
		{Cause: verdict.Cause{Finding: "Fb", Step: verdict.CauseOpened, Kind: verdict.CauseDependency, At: t0}, Resource: b, Watched: a, Due: t0.Add(time.Hour)},
		{Cause: verdict.Cause{Finding: "Fa", Step: verdict.CauseChanged, Kind: verdict.CausePolicy, At: t0, Revision: 1, Text: "it changed"}, Resource: a},
	}
	update(t, s, func(tx *Tx) error {
		for i, r := range rows {
			if id, err := tx.AddCause(r); err != nil || id != int64(i+1) {
				return fmt.Errorf("id %d: %w", id, err)
			}
		}
		return nil
	})
	due := func(at time.Time) (ids []int64) {
		view(t, s, func(tx *Tx) error {
			all, err := tx.CausesDue(at, 10)
			for _, c := range all {
				ids = append(ids, c.ID)
			}
			return err
		})
		return ids
	}
	want := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	want("due at first", due(t0), []int64{1})
	update(t, s, func(tx *Tx) error {
		n, err := tx.MarkCauses(a, t0.Add(time.Minute))
		want("marked", n, int64(2))
		return err
	})
	want("due after the mark", due(t0.Add(time.Minute)), []int64{1, 2})
	update(t, s, func(tx *Tx) error {
		// Both were read before they were marked: they stay due, the one that was due already too, whether
		// there is something new or not.
		for _, r := range rows[:2] {
			r.Due, r.Revision, r.Text = t0.Add(24*time.Hour), 1, "looked at"
			if err := firstOf(tx.PutCause(r, true), tx.PutCause(r, false)); err != nil {
				return err
			}
		}
		return nil
	})
	want("due after the look", due(t0.Add(time.Hour)), []int64{1, 2})
	update(t, s, func(tx *Tx) error {
		r, err := tx.Cause(1)
		if err != nil {
			return err
		}
		r.Due = t0.Add(24 * time.Hour)
		return tx.PutCause(r, false)
	})
	want("due after another look", due(t0.Add(time.Hour)), []int64{2})
	view(t, s, func(tx *Tx) error {
		at, any, err := tx.NextCause()
		if !any || !at.Equal(t0.Add(time.Minute)) {
			t.Errorf("the next is due at %v", at)
		}
		of, err2 := tx.CausesOf(a, "Fa", 10)
		if len(of) != 2 || of[0].ID != 3 || of[1].Text != "looked at" || of[1].Watched != a {
			t.Errorf("causes of Fa: %+v", of)
		}
		none, err3 := tx.Cause(99)
		if none != nil {
			t.Errorf("%+v", none)
		}
		return firstOf(err, err2, err3)
	})
	history := func(s *Store) (out []string) {
		view(t, s, func(tx *Tx) error {
			all, err := tx.CausesAfter(0, 10)
			for _, h := range all {
				out = append(out, fmt.Sprintf("%d: %d %s", h.Number, h.State.ID, h.State.Text))
			}
			return err
		})
		return out
	}
	want("history", history(s), []string{"1: 3 it changed", "2: 1 looked at", "3: 2 looked at"})
	// What is drained goes, and its numbers are not given again.
	drained(t, s, table.Causes, 3)
	s = reopen(t, s)
	update(t, s, func(tx *Tx) error {
		_, err := tx.AddCause(&CauseRow{Cause: verdict.Cause{Finding: "Fa", Revision: 1, Text: "more"}, Resource: a})
		return err
	})
	want("history after it was drained", history(s), []string{"4: 4 more"})

	watches := func(now time.Time) (out []CauseWatch) {
		view(t, s, func(tx *Tx) error { return tx.CauseWatches(now, func(w CauseWatch) { out = append(out, w) }) })
		return out
	}
	w := CauseWatch{Resource: a, ID: "a", Name: "name a", ARN: "arn a", From: t0.Add(-time.Minute), To: t0.Add(time.Minute), Until: t0.Add(time.Hour)}
	update(t, s, func(tx *Tx) error {
		if err := tx.PutCauseWatch(CauseWatch{Resource: a, From: t0, To: t0, Until: t0}); err != nil {
			return err
		}
		return tx.PutCauseWatch(w)
	})
	want("watches", watches(t0), []CauseWatch{w})
	update(t, s, func(tx *Tx) error { return tx.ForgetCauseWatches(t0.Add(time.Hour)) })
	want("watches that are over", watches(t0), []CauseWatch(nil))

	told := CauseTold{Cause: 1, Route: "r", Name: "n", Instance: "i", Delivery: "D1"}
	update(t, s, func(tx *Tx) error {
		again := told
		again.Delivery = "D2"
		held := CauseTold{Cause: 1, Route: "r", Name: "n"}
		return firstOf(tx.AddCauseTold(told), tx.AddCauseTold(again), tx.AddCauseTold(held))
	})
	update(t, s, func(tx *Tx) error {
		all, err := tx.CauseTold(1)
		want("told", all, []CauseTold{{Cause: 1, Route: "r", Name: "n"}, told})
		return firstOf(err, tx.ForgetCauseTold(1))
	})
	update(t, s, func(tx *Tx) error {
		all, err := tx.CauseTold(1)
		want("told and forgotten", all, []CauseTold(nil))
		return err
	})
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
