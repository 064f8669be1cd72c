package policy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// world is a Reader over resources in memory.
type world map[record.Key]string

func (w world) found(t testing.TB, k record.Key) policy.Found {
	return policy.Found{Key: k, Value: parse(t, w[k]), Hash: record.Sum([]byte(w[k])), OK: true}
}

type reader struct {
	testing.TB
	world
	fail error
}

func (r reader) Find(_ context.Context, from record.Key, resourceType, id string) (policy.Found, error) {
	var all, account []record.Key
	for k := range r.world {
		if k.ResourceType != resourceType || k.ResourceID != id {
			continue
		}
		if k.AccountID == from.AccountID && k.Region == from.Region {
			return r.found(r, k), r.fail
		}
		all = append(all, k)
		if k.AccountID == from.AccountID {
			account = append(account, k)
		}
	}
	for _, ks := range [][]record.Key{account, all} {
		switch len(ks) {
		case 0:
			continue
		case 1:
			return r.found(r, ks[0]), r.fail
		}
		return policy.Found{}, fmt.Errorf("%s %s: %w", resourceType, id, policy.ErrAmbiguous)
	}
	return policy.Found{}, r.fail
}

func (r reader) Get(_ context.Context, k record.Key) (policy.Found, error) {
	if _, ok := r.world[k]; !ok {
		return policy.Found{}, r.fail
	}
	return r.found(r, k), r.fail
}

func (r reader) All(_ context.Context, resourceType string, limit int) ([]policy.Found, error) {
	var out []policy.Found
	for k := range r.world {
		if k.ResourceType == resourceType && len(out) < limit {
			out = append(out, r.found(r, k))
		}
	}
	return out, r.fail
}

func node(account, region, id string) record.Key {
	return record.Key{AccountID: account, Region: region, ResourceType: "Test::Node", ResourceID: id}
}

func TestReads(t *testing.T) {
	t.Parallel()
	body := func(name string) string {
		return fmt.Sprintf(`{"configuration":{"name":%q,"list":["x",{"y":1}]},"resourceId":"n"}`, name)
	}
	nodes := world{
		node("acct", "here", "near"):     body("near"),
		node("acct", "there", "near"):    body("same account"),
		node("other", "here", "near"):    body("other account"),
		node("acct", "there", "mid"):     body("mid"),
		node("other", "there", "mid"):    body("mid elsewhere"),
		node("other", "there", "far"):    body("far"),
		node("other", "a", "many"):       body("many a"),
		node("other", "b", "many"):       body("many b"),
		node("acct", "here", "id/slash"): body("slash"),
		node("acct", "here", ""):         body("empty id"),
	}
	hash := func(k record.Key) string { return record.Sum([]byte(nodes[k])).String() }
	const all = "reads_all: [Test::Node]"
	for _, c := range []struct {
		name, custom, rule, want string
		reads                    []verdict.Read
	}{{
		name: "own region first", rule: `deny contains data.resources["Test::Node"].near.configuration.name`,
		want:  "NON_COMPLIANT [near]",
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "near", Found: true, Hash: hash(node("acct", "here", "near"))}},
	}, {
		name: "then the account", rule: `deny contains data.resources["Test::Node"].mid.configuration.name`,
		want:  "NON_COMPLIANT [mid]",
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "mid", Found: true, Hash: hash(node("acct", "there", "mid"))}},
	}, {
		name: "then anywhere", rule: `deny contains data.resources["Test::Node"].far.configuration.name`,
		want:  "NON_COMPLIANT [far]",
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "far", Found: true, Hash: hash(node("other", "there", "far"))}},
	}, {
		name: "ambiguous", rule: `deny contains data.resources["Test::Node"].many.configuration.name`,
		want:  `ERROR (data.resources["Test::Node"]["many"] is ambiguous: several accounts or regions have it; say which with data.resources_in[account][region][type][id])`,
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "many"}},
	}, {
		name: "explicit", rule: `deny contains data.resources_in.other.b["Test::Node"].many.configuration.name`,
		want:  "NON_COMPLIANT [many b]",
		reads: []verdict.Read{{AccountID: "other", Region: "b", ResourceType: "Test::Node", ResourceID: "many", Found: true, Hash: hash(node("other", "b", "many"))}},
	}, {
		name: "absence is noted", rule: "deny contains \"missing\" if not data.resources[\"Test::Node\"][input.resource.configuration.node]",
		want:  "NON_COMPLIANT [missing]",
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "nowhere"}},
	}, {
		name: "explicit absence is noted", rule: "deny contains \"missing\" if not data.resources_in.acct.here[\"Test::Node\"].far",
		want:  "NON_COMPLIANT [missing]",
		reads: []verdict.Read{{AccountID: "acct", Region: "here", ResourceType: "Test::Node", ResourceID: "far"}},
	}, {
		name: "once, however often", rule: "deny contains \"a\" if not data.resources[\"Test::Node\"].nope.x\ndeny contains data.resources[\"Test::Node\"].near.configuration.list[i].y if some i\ndeny contains data.resources[\"Test::Node\"].near.configuration.list[0]\ndeny contains \"b\" if not data.resources[\"Test::Node\"].nope.z",
		want: "NON_COMPLIANT [a] [b] [x] (deny contains 1, whose elements are messages or objects with details, msg, path)",
		reads: []verdict.Read{
			{ResourceType: "Test::Node", ResourceID: "nope"},
			{ResourceType: "Test::Node", ResourceID: "near", Found: true, Hash: hash(node("acct", "here", "near"))},
		},
	}, {
		name: "type and id from the item", rule: "deny contains r.configuration.name if {\n\tsome rel in input.resource.relationships\n\tr := data.resources[rel.resourceType][rel.resourceId]\n}",
		want: "NON_COMPLIANT [far]",
		reads: []verdict.Read{
			{ResourceType: "Test::None", ResourceID: "x"},
			{ResourceType: "Test::Node", ResourceID: "far", Found: true, Hash: hash(node("other", "there", "far"))},
		},
	}, {
		name: "ids with slashes", rule: `deny contains data.resources["Test::Node"]["id/slash"].configuration.name`,
		want:  "NON_COMPLIANT [slash]",
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "id/slash", Found: true, Hash: hash(node("acct", "here", "id/slash"))}},
	}, {
		name: "in a helper of a library", rule: "deny contains data.lib.nodes.name(\"near\")",
		want:  "NON_COMPLIANT [near]",
		reads: []verdict.Read{{ResourceType: "Test::Node", ResourceID: "near", Found: true, Hash: hash(node("acct", "here", "near"))}},
	}, {
		name: "object.get of a whole type", custom: all, rule: `deny contains object.get(data.resources["Test::Node"], "near", {}).resourceId`,
		want: `ERROR (data.resources["Test::Node"] has "many" several times in other accounts or regions; go over data.resources_in instead)`,
	}, {
		name: "all in one region", custom: all, rule: "deny contains $\"{id}: {n.configuration.name}\" if some id, n in data.resources_in.other.there[\"Test::Node\"]",
		want: "NON_COMPLIANT [far: far] [mid: mid elsewhere]",
	}, {
		name: "in any account", custom: all, rule: "deny contains account if {\n\tsome account\n\tdata.resources_in[account].there[\"Test::Node\"].mid\n}",
		want: "NON_COMPLIANT [acct] [other]",
	}, {
		name: "a type that is only known at evaluation", rule: "deny contains \"x\" if {\n\tt := input.resource.configuration.type\n\tall := data.resources[t]\n\tcount(all) > 0\n}",
		want: `ERROR (the policy goes over every Test::Node, which its METADATA does not say: add it to custom.reads_all, or look one up by its id)`,
	}, {
		name: "hidden from the loader", rule: "ids(t) := {id | some id, _ in data.resources[t]}\ndeny contains \"x\" if count(ids(input.resource.configuration.type)) > 0",
		want: `ERROR (the policy goes over every Test::Node, which its METADATA does not say: add it to custom.reads_all, or look one up by its id)`,
	}, {
		name: "hidden in the path of walk", rule: "deny contains \"x\" if {\n\twalk(data.resources, [p, v])\n\tcount(p) > 5\n\tv == 1\n}",
		want: `LOAD Policy reads resources of all types`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			custom := []string{}
			if c.custom != "" {
				custom = append(custom, c.custom)
			}
			files := []policy.File{
				file("policy.rego", head("compliance.x", custom...)+c.rule),
				file("nodes.rego", "package lib.nodes\n\nname(id) := data.resources[\"Test::Node\"][id].configuration.name"),
			}
			set, ps := policy.Compile(context.Background(), files, policy.Options{})
			if want, load := strings.CutPrefix(c.want, "LOAD "); load {
				if !ps.HasErrors() || ps[0].Summary != want {
					t.Fatalf("got %v, want %q", ps, want)
				}
				return
			}
			if err := ps.Err(); err != nil {
				t.Fatal(err)
			}
			s := subject(t, `{"node":"nowhere","type":"Test::Node"}`)
			s.Resource = parse(t, `{"configuration":{"node":"nowhere","type":"Test::Node"},"relationships":[{"resourceType":"Test::None","resourceId":"x"},{"resourceType":"Test::Node","resourceId":"far"}]}`)
			v := set.Policies()[0].Judge(context.Background(), s, reader{TB: t, world: nodes})
			if got := show(v); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if c.reads == nil {
				return
			}
			// The order of evaluation is OPA's.
			order := func(a, b verdict.Read) int { return cmp.Compare(a.ResourceID, b.ResourceID) }
			slices.SortFunc(c.reads, order)
			slices.SortFunc(v.Evidence.Reads, order)
			if diff := gocmp.Diff(c.reads, v.Evidence.Reads); diff != "" {
				t.Errorf("reads differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadsOfAll(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x", "reads_all: [Test::Node]")+"deny contains $\"{count(data.resources[\"Test::Node\"])} nodes\"")
	nodes := world{}
	judge := func() verdict.Verdict {
		return p.Judge(context.Background(), subject(t, `{}`), reader{TB: t, world: nodes})
	}
	v := judge()
	if got, want := show(v), "NON_COMPLIANT [0 nodes]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if diff := gocmp.Diff([]verdict.Read{{ResourceType: "Test::Node"}}, v.Evidence.Reads); diff != "" {
		t.Errorf("reads of none differ (-want +got):\n%s", diff)
	}
	for i := range 3 {
		nodes[node("acct", "here", fmt.Sprint(i))] = `{"i":1}`
	}
	v = judge()
	if got, want := show(v), "NON_COMPLIANT [3 nodes]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(v.Evidence.Reads) != 1 || !v.Evidence.Reads[0].Found || len(v.Evidence.Reads[0].Hash) != 64 {
		t.Fatalf("reads are %+v", v.Evidence.Reads)
	}
	before := v.Evidence.Reads[0].Hash
	if again := judge().Evidence.Reads[0].Hash; again != before {
		t.Errorf("the same resources have hash %s and then %s", before, again)
	}
	nodes[node("acct", "here", "1")] = `{"i":2}`
	if after := judge().Evidence.Reads[0].Hash; after == before {
		t.Error("a changed resource does not change the hash of all")
	}
}

func TestReadsAreCapped(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x", "reads_all: [Test::Node]")+"deny contains \"x\" if count(data.resources[\"Test::Node\"]) > 5")
	v := p.Judge(context.Background(), subject(t, `{}`), endless{t})
	want := "ERROR (there are more than 50000 of Test::Node; a policy may go over at most that many)"
	if got := show(v); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// endless has as many resources as one asks for.
type endless struct{ testing.TB }

func (endless) Find(context.Context, record.Key, string, string) (policy.Found, error) {
	return policy.Found{}, nil
}
func (endless) Get(context.Context, record.Key) (policy.Found, error) { return policy.Found{}, nil }
func (e endless) All(_ context.Context, _ string, limit int) ([]policy.Found, error) {
	out := make([]policy.Found, limit)
	v := parse(e, `{}`)
	for i := range out {
		out[i] = policy.Found{Key: node("a", "r", fmt.Sprint(i)), Value: v, OK: true}
	}
	return out, nil
}

func TestReaderFails(t *testing.T) {
	t.Parallel()
	r := reader{TB: t, world: world{}, fail: errors.New("disk is on fire")}
	p := one(t, head("compliance.x")+"deny contains \"x\" if not data.resources[\"Test::Node\"].a")
	if got, want := show(p.Judge(context.Background(), subject(t, `{}`), r)), "ERROR (look up Test::Node a: disk is on fire)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := show(p.Judge(context.Background(), subject(t, `{}`), nil)), "ERROR (the policy looks up other resources, and there are none to look at here)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
