package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

func suiteSweeps(t *testing.T, s *Store) {
	fillItems(t, s, 2500)
	update(t, s, func(tx *Tx) error {
		for r := range int64(2500) {
			if err := tx.Own(r+1, "a", []string{"x", "y"}[r%2]); err != nil {
				return err
			}
		}
		// Owning again without a scope keeps the scope; with another one it moves.
		return errors.Join(tx.Own(1, "a", ""), tx.Own(2, "a", "z"), tx.Own(1, "b", "x"), tx.Own(1, "b", "x"))
	})
	owned := func(tx *Tx, inst record.Instance, scope string, types ...string) (out []int64) {
		err := tx.Owned(inst, scope, types, func(r int64) error {
			out = append(out, r)
			// The transaction can be used meanwhile.
			_, err := tx.Owners(r)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return out
	}
	update(t, s, func(tx *Tx) error {
		for _, c := range []struct {
			inst  record.Instance
			scope string
			types []string
			want  int
		}{{"a", "", nil, 2500}, {"a", "x", nil, 1250}, {"a", "y", nil, 1249}, {"a", "z", nil, 1}, {"a", "none", nil, 0}, {"b", "", nil, 1}, {"a", "x", []string{"Test::Type::T0", "Test::Type::T2"}, 500}} {
			got := owned(tx, c.inst, c.scope, c.types...)
			if len(got) != c.want || !slices.IsSorted(got) {
				t.Errorf("%s owns %d in %q of %v, want %d", c.inst, len(got), c.scope, c.types, c.want)
			}
		}
		if err := tx.Disown(1, "a"); err != nil {
			return err
		}
		owners, err := tx.Owners(1)
		instances, err2 := tx.OwnerInstances()
		if diff := cmp.Diff([]record.Instance{"b"}, owners); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]record.Instance{"a", "b"}, instances); diff != "" {
			t.Error(diff)
		}
		stop := errors.New("stop")
		if err := tx.Owned("a", "", nil, func(int64) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("error of the function: %v", err)
		}
		return errors.Join(err, err2)
	})
	held := Held{Instance: "a", Scope: "x", At: t0, Missing: []int64{1, 300, 70_000}, Total: 2500}
	update(t, s, func(tx *Tx) error {
		if none, err := tx.Held("a", "x"); none != nil || err != nil {
			t.Errorf("held before: %v, %v", none, err)
		}
		err := tx.HoldSweep(Held{Instance: "a", Scope: "x", At: t0.Add(-time.Hour), Total: 1})
		return errors.Join(err, tx.HoldSweep(held), tx.HoldSweep(Held{Instance: "a", Scope: "", At: t0}))
	})
	update(t, s, func(tx *Tx) error {
		got, err := tx.Held("a", "x")
		if diff := cmp.Diff(&held, got); diff != "" {
			t.Error(diff)
		}
		err2 := tx.ReleaseHeld("a", "")
		all, err3 := tx.HeldSweeps()
		if diff := cmp.Diff([]Held{held}, all); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, err2, err3)
	})
}

func suiteVerdicts(t *testing.T, s *Store) {
	fillItems(t, s, 2)
	subject := verdict.Subject(typicalItem(t, 0, 0).Key)
	v := func(policy string, o verdict.Outcome) verdict.Verdict {
		return verdict.Verdict{Policy: verdict.PolicyID(policy), Subject: subject, Outcome: o, At: hour(1)}
	}
	full := v("c", verdict.NonCompliant)
	full.Denials = []verdict.Denial{{Message: "<m>", Path: "/a", Value: []byte(`9007199254740993`), Details: []byte(`{"f":1.0}`)}, {Message: "n"}}
	full.Reason = "beside"
	full.Evidence = verdict.Evidence{
		Policy: record.Sum([]byte("p")).String(), Parameters: "not a digest", Item: record.Sum([]byte("i")).String(), Previous: "ABCDEF",
		Engine: "opa 1", Reads: []verdict.Read{{ResourceType: "T", ResourceID: "r", Found: true, Hash: "h"}, {ResourceType: "U"}},
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.PutVerdicts(1, []verdict.Verdict{v("a", verdict.Compliant), v("b", verdict.NonCompliant)}, nil),
			tx.PutVerdicts(2, []verdict.Verdict{v("a", verdict.Error)}, nil),
			tx.PutVerdicts(1, []verdict.Verdict{full, v("a", verdict.InsufficientData)}, []verdict.PolicyID{"b", "unknown"}),
			tx.PutVerdicts(1, nil, nil),
		)
	})
	check := func(s *Store) {
		view(t, s, func(tx *Tx) error {
			got, err := tx.Verdicts(1)
			if diff := cmp.Diff([]verdict.Verdict{v("a", verdict.InsufficientData), full}, got); diff != "" {
				t.Error(diff)
			}
			none, err2 := tx.Verdicts(99)
			if none != nil {
				t.Errorf("verdicts on nothing: %v", none)
			}
			counts, err3 := tx.VerdictCounts()
			want := map[verdict.PolicyID]map[verdict.Outcome]int64{"a": {verdict.InsufficientData: 1, verdict.Error: 1}, "c": {verdict.NonCompliant: 1}}
			if diff := cmp.Diff(want, counts); diff != "" {
				t.Error(diff)
			}
			return errors.Join(err, err2, err3)
		})
	}
	check(s)
	check(reopen(t, s))
}

func suiteVerdictsOf(t *testing.T, s *Store) {
	const n = 4500
	fillItems(t, s, n)
	update(t, s, func(tx *Tx) error {
		for r := range n {
			vs := []verdict.Verdict{typicalVerdict(1, r, 0)}
			if r%3 == 0 {
				vs = append(vs, typicalVerdict(2, r, 0))
			}
			if err := tx.PutVerdicts(int64(r+1), vs, nil); err != nil {
				return err
			}
			if r%9 == 0 {
				if err := tx.SetReads(typicalVerdict(2, r, 0).Policy, int64(r+1), []verdict.Read{{ResourceType: "T", ResourceID: "x"}}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	policy := typicalVerdict(2, 0, 0).Policy
	count := func(s *Store, outcome verdict.Outcome) (n int) {
		view(t, s, func(tx *Tx) error {
			for after := int64(0); ; {
				page, err := tx.VerdictsOf(policy, outcome, after, 700)
				for _, v := range page {
					if v.Resource <= after || v.Policy != policy || outcome != "" && v.Outcome != outcome || v.Subject.ResourceID == "" {
						t.Fatalf("unexpected %+v", v)
					}
					after = v.Resource
				}
				n += len(page)
				if err != nil || len(page) < 700 {
					return err
				}
			}
		})
		return n
	}
	if got := count(s, ""); got != n/3 {
		t.Errorf("%d verdicts, want %d", got, n/3)
	}
	if got := count(s, verdict.NonCompliant); got != n/30 {
		t.Errorf("%d are not compliant, want %d", got, n/30)
	}
	forgotten := 0
	for {
		var k int
		update(t, s, func(tx *Tx) (err error) { k, err = tx.ForgetPolicy(policy, 400); return err })
		forgotten += k
		if k < 400 {
			break
		}
	}
	if forgotten != n/3 || count(s, "") != 0 {
		t.Errorf("%d verdicts were forgotten, want %d", forgotten, n/3)
	}
	update(t, s, func(tx *Tx) error {
		counts, err := tx.VerdictCounts()
		if len(counts) != 1 {
			t.Errorf("counts %v", counts)
		}
		deps, err2 := tx.Dependents("T", "x", 0, 10)
		if len(deps) != 0 {
			t.Errorf("what a forgotten policy read is there: %v", deps)
		}
		// A policy that comes back in between is forgotten from the beginning.
		return errors.Join(err, err2,
			tx.PutVerdicts(5, []verdict.Verdict{typicalVerdict(2, 5, 0)}, nil),
			tx.PutVerdicts(50, []verdict.Verdict{typicalVerdict(2, 5, 0)}, nil))
	})
	update(t, s, func(tx *Tx) error {
		_, err := tx.ForgetPolicy(policy, 1)
		return errors.Join(err, tx.PutVerdicts(1, []verdict.Verdict{typicalVerdict(2, 5, 0)}, nil))
	})
	update(t, s, func(tx *Tx) error { _, err := tx.ForgetPolicy(policy, 10); return err })
	if got := count(s, ""); got != 0 {
		t.Errorf("%d verdicts are left", got)
	}
}

func suiteReads(t *testing.T, s *Store) {
	fillItems(t, s, 40)
	set := func(policy string, resource int64, reads ...verdict.Read) {
		t.Helper()
		update(t, s, func(tx *Tx) error { return tx.SetReads(verdict.PolicyID(policy), resource, reads) })
	}
	dependents := func(typ, id string) (out []string) {
		t.Helper()
		view(t, s, func(tx *Tx) error {
			for after := int64(0); ; {
				page, err := tx.Dependents(typ, id, after, 3)
				for _, d := range page {
					after = d.Row
					out = append(out, fmt.Sprintf("%s on %d%s", d.Policy, d.Resource, map[bool]string{true: " all"}[d.All]))
				}
				if err != nil || len(page) < 3 {
					return err
				}
			}
		})
		return out
	}
	set("p", 1, verdict.Read{ResourceType: "T", ResourceID: "r"}, verdict.Read{ResourceType: "U"}, verdict.Read{ResourceType: "T", ResourceID: "r", AccountID: "2"})
	set("q", 1, verdict.Read{ResourceType: "T", ResourceID: "r"})
	set("p", 2, verdict.Read{ResourceType: "T"}, verdict.Read{ResourceType: "T", ResourceID: "s"})
	if diff := cmp.Diff([]string{"p on 1", "q on 1", "p on 2 all"}, dependents("T", "r")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"p on 1 all"}, dependents("U", "whatever")); diff != "" {
		t.Error(diff)
	}
	// The same again changes nothing; something else replaces.
	set("p", 1, verdict.Read{ResourceType: "U"}, verdict.Read{ResourceType: "T", ResourceID: "r"})
	set("p", 2)
	if diff := cmp.Diff([]string{"p on 1", "q on 1"}, dependents("T", "r")); diff != "" {
		t.Error(diff)
	}
	set("p", 1, verdict.Read{ResourceType: "T", ResourceID: "new"})
	if diff := cmp.Diff([]string{"q on 1"}, dependents("T", "r")); diff != "" {
		t.Error(diff)
	}
	for r := range int64(40) {
		set("many", r+1, verdict.Read{ResourceType: "M", ResourceID: "one"}, verdict.Read{ResourceType: "M"})
	}
	if got := dependents("M", "one"); len(got) != 80 {
		t.Errorf("%d dependents, want 80", len(got))
	}
}

func suiteWork(t *testing.T, s *Store) {
	update(t, s, func(tx *Tx) error {
		var work []Work
		for i := range 100 {
			work = append(work, Work{Policy: "p", Resource: int64(i), Reason: "dependency", Due: hour(i)})
		}
		// Twice in one call, and in two.
		work = append(work, Work{Policy: "p", Resource: 5, Due: hour(2)}, Work{Policy: "p", Resource: 6, Due: hour(50)}, Work{Policy: "q", Resource: 5, Due: hour(5)})
		return errors.Join(tx.AddWork(work), tx.AddWork([]Work{{Policy: "p", Resource: 7, Due: hour(1)}, {Policy: "p", Resource: 8, Due: hour(90)}}), tx.AddWork(nil))
	})
	update(t, s, func(tx *Tx) error {
		n, err := tx.CountWork()
		if n != 101 {
			t.Errorf("%d pairs wait, want 101", n)
		}
		due, err2 := tx.NextWork(hour(8), 6)
		var got []string
		for _, w := range due {
			got = append(got, fmt.Sprintf("%s %d at %d", w.Policy, w.Resource, int(w.Due.Sub(t0)/time.Hour)))
		}
		if diff := cmp.Diff([]string{"p 0 at 0", "p 1 at 1", "p 7 at 1", "p 2 at 2", "p 5 at 2", "p 3 at 3"}, got); diff != "" {
			t.Error(diff)
		}
		// One was written anew for another time meanwhile: it stays.
		err3 := tx.AddWork([]Work{{Policy: "p", Resource: 3, Due: hour(1)}})
		err4 := tx.FinishWork(due)
		left, err5 := tx.NextWork(hour(4), 10)
		if len(left) != 2 || left[0].Resource != 3 || left[1].Resource != 4 {
			t.Errorf("left: %v", left)
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
}

func suiteFindings(t *testing.T, s *Store) {
	fillItems(t, s, 6)
	finding := func(i int) verdict.Finding {
		return verdict.Finding{
			ID: fmt.Sprint("F", i), Policy: verdict.PolicyID(fmt.Sprintf("compliance.x.p%d", i%2)), Status: verdict.Open, Outcome: verdict.NonCompliant, Severity: []verdict.Severity{verdict.High, verdict.Low}[i%2],
			Subject: verdict.Subject{AccountID: "1", ResourceType: "A::B::C", ResourceID: fmt.Sprint("r", i)}, Title: "Title", FirstSeen: hour(i), LastSeen: hour(i),
			Denials: []verdict.Denial{{Message: fmt.Sprint("Message ", i), Value: []byte(`1.0`)}}, Labels: map[string]string{"a": "b"},
		}
	}
	update(t, s, func(tx *Tx) error {
		for i := range 5 {
			if err := tx.PutFinding(int64(i+1), finding(i)); err != nil {
				return err
			}
		}
		waived := finding(0)
		waived.Waiver = "w"
		return tx.PutFinding(1, waived)
	})
	yes, no := true, false
	ids := func(f FindingFilter) (out []string) {
		t.Helper()
		view(t, s, func(tx *Tx) error {
			f.Limit = 2
			for {
				page, err := tx.Findings(f)
				for _, r := range page {
					out = append(out, r.ID)
					f.Before = r.Row
				}
				if err != nil || len(page) < 2 {
					return err
				}
			}
		})
		return out
	}
	for _, c := range []struct {
		name string
		f    FindingFilter
		want []string
	}{
		{"all", FindingFilter{}, []string{"F4", "F3", "F2", "F1", "F0"}},
		{"open, not waived", FindingFilter{Status: "OPEN", Waived: &no}, []string{"F4", "F3", "F2", "F1"}},
		{"waived", FindingFilter{Waived: &yes}, []string{"F0"}},
		{"by policy", FindingFilter{Policy: "compliance.*.p1"}, []string{"F3", "F1"}},
		{"by severity", FindingFilter{Severity: "low", Outcome: "NON_COMPLIANT"}, []string{"F3", "F1"}},
		{"by resource", FindingFilter{Resource: "r?", Type: "A::*", Account: "1"}, []string{"F4", "F3", "F2", "F1", "F0"}},
		{"by text", FindingFilter{Text: "message 3"}, []string{"F3"}},
		{"none", FindingFilter{Status: "RESOLVED"}, nil},
	} {
		if diff := cmp.Diff(c.want, ids(c.f)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	resolvedAt := hour(9)
	resolved := finding(1)
	resolved.Status, resolved.ResolvedAt, resolved.Resolution = verdict.Resolved, &resolvedAt, verdict.ResolvedCompliant
	update(t, s, func(tx *Tx) error {
		counts, err := tx.CountFindings()
		if diff := cmp.Diff(map[string]int64{"high": 2, "low": 2, "waived": 1}, counts); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, tx.PutFinding(2, resolved))
	})
	if diff := cmp.Diff([]string{"F4", "F3", "F2", "F1", "F0"}, ids(FindingFilter{})); diff != "" {
		t.Errorf("resolving moves a finding: %s", diff)
	}
	again := finding(1)
	again.Regressions = 1
	update(t, s, func(tx *Tx) error { return tx.PutFinding(2, again) })
	if diff := cmp.Diff([]string{"F1", "F4", "F3", "F2", "F0"}, ids(FindingFilter{})); diff != "" {
		t.Errorf("opened again: %s", diff)
	}
	view(t, s, func(tx *Tx) error {
		one, err := tx.Finding(again.Policy, 2)
		if diff := cmp.Diff(&again, one, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		byID, err2 := tx.FindingByID("F1")
		if byID == nil || byID.Resource != 2 {
			t.Errorf("by id: %v", byID)
		}
		none, err3 := tx.FindingByID("F9")
		none2, err4 := tx.Finding("x", 1)
		if none != nil || none2 != nil {
			t.Errorf("findings that are not there: %v, %v", none, none2)
		}
		of, err5 := tx.FindingsOf("compliance.x.p0", 1, 10)
		if len(of) != 2 || of[0].Resource != 3 {
			t.Errorf("of a policy after a resource: %v", of)
		}
		on, err6 := tx.FindingsOn(4)
		if len(on) != 1 || on[0].ID != "F3" {
			t.Errorf("on a resource: %v", on)
		}
		open, err7 := tx.OpenFindings(of[0].Row, 10)
		if len(open) != 3 {
			t.Errorf("%d open after a row, want 3", len(open))
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7)
	})
}
