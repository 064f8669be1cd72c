package store

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/verdict"
)

// suiteVerdictHistory changes verdicts at random and holds what the history says against a list of all
// changes, before and after what retention takes of it.
func suiteVerdictHistory(t *testing.T, s *Store) {
	fillItems(t, s, 5)
	rng := rand.New(rand.NewPCG(1, 2))
	policies := []verdict.PolicyID{"a", "b", "c"}
	outcomes := []verdict.Outcome{verdict.Compliant, verdict.NonCompliant, verdict.Error}
	type change struct {
		resource     int64
		policy       verdict.PolicyID
		at, received time.Time
		outcome      verdict.Outcome
		reason       string
	}
	var all []change
	current := map[int64]map[verdict.PolicyID]change{}
	for i := range int64(5) {
		current[i+1] = map[verdict.PolicyID]change{}
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	was := s.now
	s.now = func() time.Time { return now }
	defer func() { s.now = was }()
	for step := range 300 {
		now = now.Add(time.Minute)
		resource := rng.Int64N(5) + 1
		if step%37 == 36 {
			policy := policies[rng.IntN(3)]
			update(t, s, func(tx *Tx) error { _, err := tx.ForgetPolicy(policy, 100); return err })
			for r := range int64(5) {
				if _, had := current[r+1][policy]; had {
					delete(current[r+1], policy)
					all = append(all, change{r + 1, policy, now, now, verdict.Removed, ""})
				}
			}
			continue
		}
		// What is told of may have happened before what is known already.
		at := now.Add(-time.Duration(rng.IntN(3)) * 90 * time.Second)
		var put []verdict.Verdict
		for _, p := range policies {
			if rng.IntN(2) == 0 {
				continue
			}
			c := change{resource, p, at, now, outcomes[rng.IntN(3)], []string{"", "because"}[rng.IntN(2)]}
			v := verdict.Verdict{Policy: p, Outcome: c.outcome, Reason: c.reason, At: at}
			// What was read is no part of what is said.
			v.Evidence.Reads = []verdict.Read{{ResourceType: "T", ResourceID: string(rune('a' + step%26))}}
			put = append(put, v)
			if old, had := current[resource][p]; !had || old.outcome != c.outcome || old.reason != c.reason {
				all = append(all, c)
			}
			current[resource][p] = c
		}
		update(t, s, func(tx *Tx) error { return tx.ChangeVerdicts(resource, int64(step), at, put) })
	}
	model := func(resource int64, at, known time.Time) map[verdict.PolicyID]string {
		last := map[verdict.PolicyID]change{}
		for _, c := range all {
			if c.resource != resource || c.at.After(at) || !known.IsZero() && c.received.After(known) {
				continue
			}
			if was, had := last[c.policy]; !had || !c.at.Before(was.at) {
				last[c.policy] = c
			}
		}
		out := map[verdict.PolicyID]string{}
		for p, c := range last {
			if c.outcome != verdict.Removed {
				out[p] = string(c.outcome) + c.reason
			}
		}
		return out
	}
	check := func(from time.Time) {
		t.Helper()
		view(t, s, func(tx *Tx) error {
			for range 300 {
				resource := rng.Int64N(5) + 1
				at := from.Add(time.Duration(rng.Int64N(int64(now.Sub(from)) + int64(time.Hour))))
				var known time.Time
				if rng.IntN(2) == 0 {
					known = max2(from, at.Add(time.Duration(rng.IntN(7)-3)*time.Minute))
				}
				got := map[verdict.PolicyID]string{}
				vs, err := tx.VerdictsAt(resource, at, known)
				if err != nil {
					return err
				}
				for _, v := range vs {
					got[v.Policy] = string(v.Outcome) + v.Reason
				}
				if diff := cmp.Diff(model(resource, at, known), got); diff != "" {
					t.Fatalf("resource %d at %s, known by %s: %s", resource, at, known, diff)
				}
				seen := map[int64]bool{}
				err = tx.WalkVerdictsAt(0, at, known, func(r int64, vs []verdict.Verdict) (bool, error) {
					seen[r] = true
					if len(vs) != len(model(r, at, known)) {
						t.Errorf("resource %d has %d verdicts", r, len(vs))
					}
					return false, nil
				})
				if err != nil {
					return err
				}
				for r := range int64(5) {
					if (len(model(r+1, at, known)) > 0) != seen[r+1] {
						t.Errorf("resource %d was seen: %v", r+1, seen[r+1])
					}
				}
			}
			return nil
		})
	}
	check(start)
	var last int64
	view(t, s, func(tx *Tx) error {
		var got []change
		for {
			page, err := tx.VerdictChanges(last, 7)
			if err != nil || len(page) == 0 {
				if diff := cmp.Diff(len(all), len(got)); diff != "" {
					t.Fatal(diff)
				}
				return err
			}
			for _, c := range page {
				if c.Number != last+1 {
					t.Fatalf("number %d after %d", c.Number, last)
				}
				last = c.Number
				want := all[len(got)]
				g := change{c.Resource, c.Verdict.Policy, c.At, c.Received, c.Verdict.Outcome, c.Verdict.Reason}
				// Policies of one commit come in the order of the row.
				if g.resource != want.resource || !g.at.Equal(want.at) || !g.received.Equal(want.received) {
					t.Fatalf("change %d is %+v, want %+v", c.Number, g, want)
				}
				got = append(got, g)
			}
		}
	})
	view(t, s, func(tx *Tx) error {
		var numbers []int64
		var times []time.Time
		for before := now.Add(time.Hour); ; {
			page, err := tx.VerdictHistory(3, before, 4)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, c := range page {
				numbers, times = append(numbers, c.Number), append(times, c.At)
			}
			before = page[len(page)-1].At
		}
		n := 0
		for _, c := range all {
			if c.resource == 3 {
				n++
			}
		}
		slices.Sort(numbers)
		if len(slices.Compact(numbers)) != n || !slices.IsSortedFunc(times, func(a, b time.Time) int { return b.Compare(a) }) {
			t.Errorf("the history of a resource has %d changes, want %d: %v", len(numbers), n, numbers)
		}
		return nil
	})

	// Nothing goes that is not in the lake.
	retain := func() (left int) {
		if _, err := s.Retain(t.Context(), Retention{Verdicts: 100 * time.Minute}, now); err != nil {
			t.Fatal(err)
		}
		view(t, s, func(tx *Tx) error {
			page, err := tx.VerdictChanges(0, 10_000)
			left = len(page)
			return err
		})
		return left
	}
	if left := retain(); left != len(all) {
		t.Errorf("%d of %d changes are left though none was drained", left, len(all))
	}
	update(t, s, func(tx *Tx) error { return tx.SetDrained(table.Verdicts, last) })
	left := retain()
	if left == len(all) || left < 15 {
		t.Errorf("%d of %d changes are left", left, len(all))
	}
	check(now.Add(-100 * time.Minute))
	if again := retain(); again != left {
		t.Errorf("retention took %d changes, and then %d more", len(all)-left, left-again)
	}
}

func max2(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
