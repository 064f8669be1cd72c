package rerun_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/rerun"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// lib has a rule that leads to yet another file, which no policy uses.
var files = []policy.File{
	{Path: "lib/size.rego", Bytes: []byte("package lib.size\n\nimport data.lib.unused\n\nlimit(p) := p.most\n\nother := unused.x\n")},
	{Path: "lib/unused.rego", Bytes: []byte("package lib.unused\n\nx := 1\n")},
	{Path: "alone/unused.rego", Bytes: []byte("package lib.alone\n\nx := 1\n")},
	{Path: "box.rego", Bytes: []byte(`# METADATA
# title: Boxes are small
# custom:
#   severity: low
#   resource_types: [Test::Unit::Box]
#   parameters: {properties: {most: {type: integer, default: 3}}}
package compliance.box

import data.lib.size

deny contains {"msg": $"box {input.resource.resourceId} has size {input.resource.configuration.size}", "path": "/configuration/size"} if {
	input.resource.configuration.size > size.limit(input.parameters)
}

deny contains "it has shrunk" if input.previous.configuration.size > input.resource.configuration.size

deny contains "its shelf is gone" if not data.resources["Test::Unit::Shelf"][input.resource.configuration.shelf]

deny contains "its shelf is full" if data.resources["Test::Unit::Shelf"][input.resource.configuration.shelf].configuration.full
`)},
	{Path: "all.rego", Bytes: []byte(`# METADATA
# title: There are few shelves
# custom:
#   severity: low
#   resource_types: [Test::Unit::Box]
#   reads_all: [Test::Unit::Shelf]
package compliance.shelves

deny contains $"there are {n} shelves" if {
	n := count(data.resources["Test::Unit::Shelf"])
	n > 1
}
`)},
}

type world struct {
	t *testing.T
	s *store.Store
	p *policy.Set
}

func newWorld(t *testing.T, override string) *world {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, s: s}
	w.load(files, override)
	return w
}

// load puts policies in force.
func (w *world) load(files []policy.File, override string) {
	w.t.Helper()
	o := policy.Options{Overrides: map[verdict.PolicyID]policy.Override{}}
	if override != "" {
		o.Overrides["compliance.box"] = policy.Override{Parameters: []byte(override)}
	}
	set, problems := policy.Compile(context.Background(), files, o)
	if err := problems.Err(); err != nil {
		w.t.Fatal(err)
	}
	w.p = set
	w.update(func(tx *store.Tx) error { return rerun.Keep(tx, set, files) })
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.s.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// put records a version of a resource and returns it.
func (w *world) put(typ, id, config string, at time.Duration) *store.Current {
	w.t.Helper()
	status := "OK"
	if config == "" {
		config, status = "{}", "ResourceDeleted"
	}
	body, err := record.Canonical(fmt.Appendf(nil, `{"accountId":"1","region":"eu","resourceType":%q,"resourceId":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":%q,"configuration":%s,"relationships":[],"tags":{}}`,
		typ, id, record.FormatTime(t0.Add(at)), status, config))
	if err != nil {
		w.t.Fatal(err)
	}
	it, err := record.ParseItem(body, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var c *store.Current
	w.update(func(tx *store.Tx) error {
		if _, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.a", Received: t0.Add(at)}); err != nil {
			return err
		}
		c, err = tx.Current(it.Key)
		return err
	})
	return c
}

// reader reads the store as the pipeline does.
type reader struct{ tx *store.Tx }

func foundOf(c *store.Current) (policy.Found, error) {
	if c == nil || !c.Item.Status.Recorded() {
		return policy.Found{}, nil
	}
	v, err := policy.Parse(c.Item.Body)
	return policy.Found{Key: c.Item.Key, Value: v, Hash: c.Item.Hash, OK: true}, err
}

func (r reader) Find(_ context.Context, from record.Key, typ, id string) (policy.Found, error) {
	c, err := r.tx.Find(from.AccountID, from.Region, typ, id)
	if err != nil {
		return policy.Found{}, err
	}
	return foundOf(c)
}

func (r reader) Get(_ context.Context, k record.Key) (policy.Found, error) {
	c, err := r.tx.Current(k)
	if err != nil {
		return policy.Found{}, err
	}
	return foundOf(c)
}

func (r reader) All(_ context.Context, typ string, limit int) (out []policy.Found, err error) {
	all, err := r.tx.OfType(typ, 0, limit)
	for _, c := range all {
		f, ferr := foundOf(c)
		if ferr != nil {
			return nil, ferr
		}
		if f.OK {
			out = append(out, f)
		}
	}
	return out, err
}

// judge makes a verdict as the pipeline does.
func (w *world) judge(id verdict.PolicyID, c, before *store.Current) verdict.Verdict {
	w.t.Helper()
	var v verdict.Verdict
	w.view(func(tx *store.Tx) error {
		s := policy.Subject{Key: c.Item.Key, Gone: !c.Item.Status.Recorded(), Time: c.Item.CaptureTime, ItemHash: c.Item.Hash.String()}
		var err error
		if s.Resource, err = policy.Parse(c.Item.Body); err != nil {
			return err
		}
		if before != nil {
			s.PreviousHash = before.Item.Hash.String()
			if s.Previous, err = policy.Parse(before.Item.Body); err != nil {
				return err
			}
		}
		v = w.p.Get(id).Judge(context.Background(), s, reader{tx})
		return nil
	})
	return v
}

func (w *world) view(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.s.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rerun(resource int64, v verdict.Verdict) *rerun.Result {
	w.t.Helper()
	var r *rerun.Result
	w.view(func(tx *store.Tx) (err error) {
		r, err = rerun.Verdict(context.Background(), tx, resource, v)
		return err
	})
	return r
}

func messages(v verdict.Verdict) (out []string) {
	for _, d := range v.Denials {
		out = append(out, d.Message)
	}
	slices.Sort(out)
	return out
}

// TestSame makes verdicts again after all that they were made from has changed.
func TestSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"most": 4}`)
	w.put("Test::Unit::Shelf", "s1", `{"full":true}`, 0)
	first := w.put("Test::Unit::Box", "b1", `{"size":9,"shelf":"s1"}`, time.Hour)
	second := w.put("Test::Unit::Box", "b1", `{"size":5,"shelf":"s1"}`, 2*time.Hour)
	lone := w.put("Test::Unit::Box", "b2", `{"size":1,"shelf":"nowhere"}`, 2*time.Hour)
	verdicts := []struct {
		of   *store.Current
		v    verdict.Verdict
		want []string
	}{
		{first, w.judge("compliance.box", first, nil), []string{"box b1 has size 9", "its shelf is full"}},
		{second, w.judge("compliance.box", second, first), []string{"box b1 has size 5", "it has shrunk", "its shelf is full"}},
		{lone, w.judge("compliance.box", lone, nil), []string{"its shelf is gone"}},
		{lone, w.judge("compliance.shelves", lone, nil), nil},
	}
	// The shelves are others, the boxes too, and the policy.
	w.put("Test::Unit::Shelf", "s1", `{"full":false}`, 3*time.Hour)
	w.put("Test::Unit::Shelf", "nowhere", `{"full":false}`, 3*time.Hour)
	w.put("Test::Unit::Box", "b1", `{"size":7,"shelf":"s1"}`, 3*time.Hour)
	gone := w.put("Test::Unit::Box", "b2", "", 3*time.Hour)
	verdicts = append(verdicts, struct {
		of   *store.Current
		v    verdict.Verdict
		want []string
	}{gone, w.judge("compliance.box", gone, lone), nil})
	w.load([]policy.File{{Path: "box.rego", Bytes: []byte("# METADATA\n# title: t\n# custom: {severity: low, resource_types: [Test::Unit::Box]}\npackage compliance.box\n\ndeny contains \"never\" if false\n")}}, "")
	for _, x := range verdicts {
		if diff := cmp.Diff(x.want, messages(x.v)); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		r := w.rerun(x.of.Resource, x.v)
		if r.State != rerun.Same || r.Engine != "" || r.Again == nil {
			t.Errorf("%s on %s: %+v", x.v.Policy, x.v.Subject, r)
			continue
		}
		if diff := cmp.Diff(x.v, *r.Again); diff != "" {
			t.Errorf("again (-recorded +now):\n%s", diff)
		}
	}
}

// TestDifferent alters recorded verdicts, as whoever can write the store could.
func TestDifferent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.put("Test::Unit::Shelf", "s1", `{"full":false}`, 0)
	box := w.put("Test::Unit::Box", "b1", `{"size":9,"shelf":"s1"}`, time.Hour)
	v := w.judge("compliance.box", box, nil)
	if r := w.rerun(box.Resource, v); r.State != rerun.Same {
		t.Fatalf("%+v", r)
	}
	alter := func(edit func(*verdict.Verdict)) *rerun.Result {
		x := v
		x.Denials = append([]verdict.Denial{}, v.Denials...)
		x.Evidence.Reads = append([]verdict.Read{}, v.Evidence.Reads...)
		edit(&x)
		return w.rerun(box.Resource, x)
	}
	for name, edit := range map[string]func(*verdict.Verdict){
		"outcome": func(x *verdict.Verdict) { x.Outcome, x.Denials = verdict.Compliant, nil },
		"message": func(x *verdict.Verdict) { x.Denials[0].Message = "box b1 has size 10" },
		"reason":  func(x *verdict.Verdict) { x.Reason = "because" },
		"read":    func(x *verdict.Verdict) { x.Evidence.Reads = nil },
	} {
		if r := alter(edit); r.State != rerun.Different || len(r.Differences) == 0 || r.Again == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, edit := range map[string]func(*verdict.Verdict){
		"policy":     func(x *verdict.Verdict) { x.Evidence.Policy = record.Sum([]byte("x")).String() },
		"parameters": func(x *verdict.Verdict) { x.Evidence.Parameters = record.Sum([]byte("x")).String() },
		"item":       func(x *verdict.Verdict) { x.Evidence.Item = record.Sum([]byte("x")).String() },
		"previous":   func(x *verdict.Verdict) { x.Evidence.Previous = record.Sum([]byte("x")).String() },
		"shelf":      func(x *verdict.Verdict) { x.Evidence.Reads[0].Hash = record.Sum([]byte("x")).String() },
		"not run":    func(x *verdict.Verdict) { x.Evidence.Engine = "" },
	} {
		if r := alter(edit); r.State != rerun.Unavailable || len(r.Missing) != 1 || r.Again != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := alter(func(x *verdict.Verdict) { x.Evidence.Engine = "opa 0.0.1" }); r.State != rerun.Same || r.Engine == "" {
		t.Errorf("engine: %+v", r)
	}
}

// TestRetention reports what retention has taken.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.put("Test::Unit::Shelf", "s1", `{"full":true}`, 0)
	first := w.put("Test::Unit::Box", "b1", `{"size":9,"shelf":"s1"}`, time.Hour)
	second := w.put("Test::Unit::Box", "b1", `{"size":5,"shelf":"s1"}`, 2*time.Hour)
	v := w.judge("compliance.box", second, first)
	shelves := w.judge("compliance.shelves", second, first)
	w.put("Test::Unit::Shelf", "s1", `{"full":false}`, 3*time.Hour)
	w.put("Test::Unit::Shelf", "s2", `{}`, 3*time.Hour)
	w.update(func(tx *store.Tx) error { return tx.SetDrained(table.Items, 1000) })
	if _, err := w.s.Retain(context.Background(), store.Retention{Versions: time.Minute}, t0.Add(1000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r := w.rerun(second.Resource, v)
	if r.State != rerun.Unavailable || len(r.Missing) != 2 {
		t.Errorf("%+v", r)
	}
	if r := w.rerun(second.Resource, shelves); r.State != rerun.Unavailable || len(r.Missing) != 2 {
		t.Errorf("%+v", r)
	}
}
