package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/regent-dev/regent/core/record"
)

func hour(n int) time.Time { return t0.Add(time.Duration(n) * time.Hour) }

// history returns the versions of a resource, oldest first, as "configuration@hour".
func history(t *testing.T, s *Store, resource int64) []string {
	t.Helper()
	var out []string
	view(t, s, func(tx *Tx) error {
		versions, err := tx.Versions(resource, 1000, 0)
		for _, v := range versions {
			out = append(out, fmt.Sprintf("%s@%d", configOf(v), int(v.Item.CaptureTime.Sub(t0)/time.Hour)))
		}
		return err
	})
	slices.Reverse(out)
	return out
}

func configOf(c *Current) string {
	if c == nil {
		return "none"
	}
	_, rest, _ := strings.Cut(string(c.Item.Body), `"configuration":{"a":`)
	config, _, _ := strings.Cut(rest, "}")
	return config
}

func suiteItemLife(t *testing.T, s *Store) {
	for _, step := range []struct {
		config string
		hour   int
		want   ItemKind
	}{
		{`{"a":1}`, 1, ItemNew},
		{`{"a":1}`, 2, ItemUnchanged},
		{`{"a":2}`, 5, ItemChanged},
		{`{"a":2}`, 9, ItemUnchanged},
		{`{"a":2}`, 9, ItemUnchanged},
		{`{"a":1}`, 3, ItemUnchanged}, // repeats what was in force
		{`{"a":4}`, 9, ItemChanged},   // same time: the later received wins
		{`{"a":0}`, 0, ItemLate},
		{`{"a":4}`, 9, ItemUnchanged},
	} {
		got := itemSpec{config: step.config, at: hour(step.hour)}.put(t, s)
		if got.Kind != step.want {
			t.Errorf("%s at hour %d: kind %d, want %d", step.config, step.hour, got.Kind, step.want)
		}
		if (got.Before != nil) != (step.want == ItemChanged) {
			t.Errorf("%s at hour %d: before is %v", step.config, step.hour, got.Before)
		}
	}
	if diff := cmp.Diff([]string{"0@0", "1@1", "2@5", "4@9"}, history(t, s, 1)); diff != "" {
		t.Error(diff)
	}
	gone := itemSpec{at: hour(12), status: record.StatusDeleted}.put(t, s)
	if gone.Kind != ItemChanged {
		t.Errorf("deletion: kind %d", gone.Kind)
	}
	view(t, s, func(tx *Tx) error {
		at := func(h int) string {
			v, err := tx.VersionAt(1, hour(h))
			if err != nil {
				t.Error(err)
			}
			return configOf(v)
		}
		var got []string
		for _, h := range []int{-1, 0, 1, 4, 5, 8, 9, 11} {
			got = append(got, at(h))
		}
		if diff := cmp.Diff([]string{"none", "0", "1", "1", "2", "2", "4", "4"}, got); diff != "" {
			t.Errorf("in force over time: %s", diff)
		}
		previous, err := tx.Previous(1)
		if err != nil {
			return err
		}
		if configOf(previous) != "4" || !previous.Confirmed.Equal(hour(9)) {
			t.Errorf("previous is %v", previous)
		}
		before, err := tx.Before(previous)
		if err != nil {
			return err
		}
		if configOf(before) != "2" || !before.Confirmed.Equal(hour(9)) {
			t.Errorf("before the previous is %v, confirmed %v", configOf(before), before.Confirmed)
		}
		first, err := tx.VersionAt(1, hour(0))
		if err != nil {
			return err
		}
		if none, err := tx.Before(first); none != nil || err != nil {
			t.Errorf("before the first is %v, %v", none, err)
		}
		same, err := tx.Version(first.Version)
		if diff := cmp.Diff(first, same); diff != "" {
			t.Error(diff)
		}
		page, err2 := tx.Versions(1, 2, 1)
		if len(page) != 2 || configOf(page[0]) != "4" {
			t.Errorf("second and third version: %v", page)
		}
		none, err3 := tx.Version(999)
		if none != nil {
			t.Error("a version that is not there")
		}
		return errors.Join(err, err2, err3)
	})
}

func suiteRestate(t *testing.T, s *Store) {
	for _, c := range []struct {
		name string
		// said are configurations with their hours, in the order of receiving.
		said []string
		want []string
	}{
		{"late between two confirmations of the current version", []string{"1@1", "1@9", "2@5"}, []string{"1@1", "2@5", "1@9"}},
		{"late between two confirmations of an older version", []string{"1@1", "1@9", "3@10", "2@5"}, []string{"1@1", "2@5", "1@9", "3@10"}},
		{"late behind the last confirmation", []string{"1@1", "1@4", "3@10", "2@5"}, []string{"1@1", "2@5", "3@10"}},
		{"late confirmation, then late between", []string{"1@1", "3@10", "1@6", "2@5"}, []string{"1@1", "2@5", "1@6", "3@10"}},
		{"confirmed and changed at the same time", []string{"1@1", "1@9", "3@9", "2@5"}, []string{"1@1", "2@5", "3@9"}},
		{"then again", []string{"1@1", "1@9", "3@9", "2@5", "4@7"}, []string{"1@1", "2@5", "4@7", "3@9"}},
		{"late like the next version", []string{"1@1", "2@9", "2@5"}, []string{"1@1", "2@5", "2@9"}},
		{"two late at the same time", []string{"1@1", "9@9", "2@5", "3@5"}, []string{"1@1", "2@5", "3@5", "9@9"}},
		{"before all", []string{"1@5", "2@9", "0@1"}, []string{"0@1", "1@5", "2@9"}},
	} {
		id := c.name
		var res ItemResult
		for _, x := range c.said {
			var config, at int
			if _, err := fmt.Sscanf(x, "%d@%d", &config, &at); err != nil {
				t.Fatal(err)
			}
			res = itemSpec{id: id, config: fmt.Sprintf(`{"a":%d}`, config), at: hour(at)}.put(t, s)
		}
		if diff := cmp.Diff(c.want, history(t, s, res.Resource)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		view(t, s, func(tx *Tx) error {
			cur, err := tx.CurrentByID(res.Resource)
			if err != nil {
				return err
			}
			previous, err := tx.Previous(res.Resource)
			if err != nil {
				return err
			}
			if cur.Item.Hash == previous.Item.Hash {
				t.Errorf("%s: the previous version is like the current one", c.name)
			}
			return nil
		})
	}
}

// said is one statement about a resource, in hours, in the order of receiving.
type said struct{ at, order, value int }

// suiteAnyOrder holds PutItem against a model that keeps every statement and sorts.
func suiteAnyOrder(t *testing.T, s *Store) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		id := fmt.Sprint("r", seed)
		values, hours := 1+rnd.IntN(4), 2+rnd.IntN(20)
		var all []said
		var resource int64
		kinds := map[int]ItemKind{}
		update(t, s, func(tx *Tx) error {
			for order := range 25 {
				x := said{rnd.IntN(hours), order, rnd.IntN(values)}
				all = append(all, x)
				res, err := tx.PutItem(ItemWrite{Item: itemSpec{id: id, config: fmt.Sprintf(`{"a":%d}`, x.value), at: hour(x.at)}.item(t), Received: t0})
				if err != nil {
					return err
				}
				resource, kinds[order] = res.Resource, res.Kind
			}
			return nil
		})
		checkOrder(t, s, seed, resource, all, kinds)
	}
}

func checkOrder(t *testing.T, s *Store, seed uint64, resource int64, all []said, kinds map[int]ItemKind) {
	t.Helper()
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b said) int { return (a.at*1000 + a.order) - (b.at*1000 + b.order) })
	last := sorted[len(sorted)-1]
	got := history(t, s, resource)
	view(t, s, func(tx *Tx) error {
		cur, err := tx.CurrentByID(resource)
		if err != nil {
			return err
		}
		// What is in force is what was said last of the greatest time, however it came.
		if configOf(cur) != fmt.Sprint(last.value) || !cur.Confirmed.Equal(hour(last.at)) {
			t.Errorf("seed %d: current is %s, confirmed %v; want %d at hour %d", seed, configOf(cur), cur.Confirmed, last.value, last.at)
		}
		newest, err := tx.VersionAt(resource, hour(1000))
		if err != nil {
			return err
		}
		if newest.Version != cur.Version {
			t.Errorf("seed %d: version %d is current and %d the newest of %v", seed, cur.Version, newest.Version, got)
		}
		// Whatever made a version is in force at its time, unless something was said after it of the
		// same time.
		for _, x := range all {
			if kinds[x.order] == ItemUnchanged || slices.ContainsFunc(all, func(y said) bool { return y.at == x.at && y.order > x.order }) {
				continue
			}
			v, err := tx.VersionAt(resource, hour(x.at))
			if err != nil {
				return err
			}
			if configOf(v) != fmt.Sprint(x.value) {
				t.Errorf("seed %d: at hour %d %s is in force, want %d; history %v", seed, x.at, configOf(v), x.value, got)
			}
		}
		return nil
	})
	// Nothing stands in history that nobody said.
	for _, h := range got {
		if !slices.ContainsFunc(all, func(x said) bool { return fmt.Sprintf("%d@%d", x.value, x.at) == h }) {
			t.Errorf("seed %d: %s stands in history and was never said", seed, h)
		}
	}
}

func suiteMany(t *testing.T, s *Store) {
	fillItems(t, s, 100)
	var keys []record.Key
	for i := range 120 {
		keys = append(keys, typicalItem(t, i, 0).Key)
	}
	view(t, s, func(tx *Tx) error {
		all, err := tx.CurrentMany(keys)
		if err != nil {
			return err
		}
		heads, err := tx.Heads(keys)
		if err != nil {
			return err
		}
		if len(all) != 100 || len(heads) != 100 {
			t.Fatalf("%d items and %d heads, want 100", len(all), len(heads))
		}
		for _, k := range keys[:100] {
			one, err := tx.Current(k)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(one, all[k]); diff != "" {
				t.Errorf("%s: %s", k, diff)
			}
			if h := heads[k]; h != (Head{one.Resource, one.Version, one.Item.Hash, one.Confirmed}) {
				t.Errorf("head of %s is %v", k, h)
			}
		}
		return nil
	})
	// Everything of an item comes back.
	want := itemSpec{
		account: "2", region: "us", typ: "A::B::C", id: "i/1", name: "n", arn: "arn:x", at: hour(3).Add(123 * time.Microsecond),
		config: `{"n":9007199254740993,"f":1.0,"s":"<é>"}`, relationships: `[{"resourceType":"T","resourceId":"1","name":"a"},{"resourceType":"T","resourceName":"m"}]`, tags: `{"k":"v"}`,
	}.item(t)
	update(t, s, func(tx *Tx) error {
		_, err := tx.PutItem(ItemWrite{Item: want, Instance: "i", Received: hour(4)})
		return err
	})
	view(t, s, func(tx *Tx) error {
		got, err := tx.Current(want.Key)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got.Item); diff != "" {
			t.Error(diff)
		}
		if !got.Received.Equal(hour(4)) || got.Instance != "i" {
			t.Errorf("received %v by %s", got.Received, got.Instance)
		}
		return nil
	})
}

func suiteFind(t *testing.T, s *Store) {
	for _, p := range []struct{ account, region, id string }{
		{"1", "eu", "a"},
		{"1", "us", "a"},
		{"2", "eu", "a"},
		{"1", "us", "b"},
		{"2", "us", "b"},
		{"3", "us", "c"},
		{"3", "us", "d"},
		{"3", "eu", "d"},
	} {
		itemSpec{account: p.account, region: p.region, id: p.id}.put(t, s)
	}
	itemSpec{account: "1", region: "eu", id: "gone"}.put(t, s)
	itemSpec{account: "1", region: "eu", id: "gone", at: hour(1), status: record.StatusDeleted}.put(t, s)
	for _, c := range []struct {
		name, id string
		want     string
		err      error
	}{
		{"in its own region", "a", "1/eu/A::B::C/a", nil},
		{"in its own account", "b", "1/us/A::B::C/b", nil},
		{"anywhere", "c", "3/us/A::B::C/c", nil},
		{"anywhere, several", "d", "", ErrAmbiguous},
		{"unknown", "z", "", nil},
		{"gone", "gone", "", nil},
	} {
		view(t, s, func(tx *Tx) error {
			got, err := tx.Find("1", "eu", "A::B::C", c.id)
			if !errors.Is(err, c.err) {
				t.Errorf("%s: error %v, want %v", c.name, err, c.err)
			}
			if found := got != nil; found != (c.want != "") || found && got.Item.Key.String() != c.want {
				t.Errorf("%s: found %v, want %q", c.name, got, c.want)
			}
			return nil
		})
	}
}

func suiteResources(t *testing.T, s *Store) {
	for i := range 30 {
		itemSpec{
			account: fmt.Sprint(i % 2), region: []string{"eu", "us", "ap"}[i%3], typ: []string{"A::B::C", "A::B::D"}[i%2], id: fmt.Sprintf("i_%02d", i),
			name: fmt.Sprintf("name-%d", i), arn: fmt.Sprintf("arn:%d", i), config: fmt.Sprintf(`{"a":%d,"Text":"Needle%d"}`, i, i%5), tags: fmt.Sprintf(`{"n":"%d"}`, i%4),
		}.put(t, s)
	}
	itemSpec{account: "1", region: "eu", typ: "A::B::D", id: "i_03", at: hour(1), status: record.StatusDeleted}.put(t, s)
	for _, c := range []struct {
		name string
		f    ResourceFilter
		want int
	}{
		{"all but the gone one", ResourceFilter{}, 29},
		{"the gone one too", ResourceFilter{Gone: true}, 30},
		{"by type", ResourceFilter{Type: "A::B::C"}, 15},
		{"by type glob", ResourceFilter{Type: "A::*::?"}, 29},
		{"by type, minding the case", ResourceFilter{Type: "a::b::*"}, 0},
		{"by id glob, in which _ is itself", ResourceFilter{ID: "i_1*"}, 10},
		{"by account and region", ResourceFilter{Account: "0", Region: "eu"}, 5},
		{"by name", ResourceFilter{Name: "name-7"}, 1},
		{"by ARN", ResourceFilter{Name: "arn:7"}, 1},
		{"by tag", ResourceFilter{Tag: "n"}, 29},
		{"by tag and value", ResourceFilter{Tag: "n=2"}, 7},
		{"by text, whatever the case", ResourceFilter{Text: "needle3"}, 5},
	} {
		view(t, s, func(tx *Tx) error {
			seen := map[int64]bool{}
			last := int64(1 << 62)
			f := c.f
			f.Limit = 4
			for {
				page, err := tx.Resources(f)
				if err != nil {
					return err
				}
				for _, r := range page {
					if seen[r.Resource] || r.Version > last {
						t.Errorf("%s: %s again or out of order", c.name, r.Item.Key)
					}
					seen[r.Resource], last = true, r.Version
				}
				if len(page) < 4 {
					break
				}
				f.After = last
			}
			if len(seen) != c.want {
				t.Errorf("%s: %d resources, want %d", c.name, len(seen), c.want)
			}
			return nil
		})
	}
	view(t, s, func(tx *Tx) error {
		counts, err := tx.CountResources()
		if diff := cmp.Diff(map[string]int64{"A::B::C": 15, "A::B::D": 14}, counts); diff != "" {
			t.Error(diff)
		}
		of, err2 := tx.OfType("A::B::D", 4, 3)
		if len(of) != 3 || of[0].Resource <= 4 || of[0].Resource >= of[1].Resource {
			t.Errorf("of a type: %v", of)
		}
		named, err3 := tx.Named("A::B::D", "i_03")
		if len(named) != 1 {
			t.Errorf("named: %v", named)
		}
		return errors.Join(err, err2, err3)
	})
}

func suiteRelationships(t *testing.T, s *Store) {
	itemSpec{typ: "T::Net", id: "net-1", name: "main"}.put(t, s)
	itemSpec{typ: "T::Host", id: "h1", relationships: `[{"resourceType":"T::Net","resourceId":"net-1","name":"Is in"},{"resourceType":"T::Disk","resourceId":"d","name":"Has"}]`}.put(t, s)
	itemSpec{typ: "T::Host", id: "h2", relationships: `[{"resourceType":"T::Net","resourceName":"main","name":"Is in"}]`}.put(t, s)
	itemSpec{typ: "T::Host", id: "h3", relationships: `[{"resourceType":"T::Net","resourceId":"net-1","resourceName":"main","name":"Is in"}]`}.put(t, s)
	itemSpec{typ: "T::Host", id: "h4", relationships: `[{"resourceType":"T::Other","resourceId":"net-1","name":"Is in"}]`}.put(t, s)
	incoming := func() []string {
		var out []string
		view(t, s, func(tx *Tx) error {
			c, err := tx.Find("1", "eu", "T::Net", "net-1")
			if err != nil {
				return err
			}
			_, in, err := tx.Relationships(c)
			for _, r := range in {
				out = append(out, r.From.ResourceID+" "+r.Name)
			}
			return err
		})
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff([]string{"h1 Is in", "h2 Is in", "h3 Is in"}, incoming()); diff != "" {
		t.Error(diff)
	}
	view(t, s, func(tx *Tx) error {
		c, err := tx.Find("1", "eu", "T::Host", "h1")
		if err != nil {
			return err
		}
		out, in, err := tx.Relationships(c)
		want := []Related{
			{Relationship: record.Relationship{ResourceType: "T::Net", ResourceID: "net-1", Name: "Is in"}},
			{Relationship: record.Relationship{ResourceType: "T::Disk", ResourceID: "d", Name: "Has"}},
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Error(diff)
		}
		if len(in) != 0 {
			t.Errorf("incoming %v", in)
		}
		return err
	})
	// Only what is current counts: a late item changes no relationship.
	itemSpec{typ: "T::Host", id: "h1", at: hour(1), relationships: `[]`}.put(t, s)
	itemSpec{typ: "T::Host", id: "h5", at: hour(5)}.put(t, s)
	itemSpec{typ: "T::Host", id: "h5", at: hour(1), relationships: `[{"resourceType":"T::Net","resourceId":"net-1","name":"Is in"}]`}.put(t, s)
	itemSpec{typ: "T::Host", id: "h3", at: hour(1), status: record.StatusDeleted}.put(t, s)
	if diff := cmp.Diff([]string{"h2 Is in"}, incoming()); diff != "" {
		t.Error(diff)
	}
}

func suiteBodies(t *testing.T, s *Store) {
	rnd := rand.New(rand.NewPCG(5, 6))
	want := map[record.Key]record.Item{}
	for i, size := range []int{0, 1, 60, 64, 200, 256, 300, 511, 512, 600, 5000, 33_000, 65_000, 66_000, 400_000} {
		for _, random := range []bool{false, true} {
			text := strings.Repeat("abc ", size/4+1)
			if random {
				b := make([]byte, size)
				for j := range b {
					b[j] = byte('!' + rnd.IntN(90))
				}
				text = strings.NewReplacer(`"`, "", `\`, "").Replace(string(b))
			}
			// Some share a type, and so a dictionary.
			it := itemSpec{typ: fmt.Sprint("T::", i%3), id: fmt.Sprint(size, random), config: fmt.Sprintf(`{"x":%q}`, text)}.item(t)
			want[it.Key] = it
			update(t, s, func(tx *Tx) error { _, err := tx.PutItem(ItemWrite{Item: it, Received: t0}); return err })
		}
	}
	check := func(s *Store) {
		view(t, s, func(tx *Tx) error {
			for k, it := range want {
				c, err := tx.Current(k)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(it, c.Item, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: %s", k, diff)
				}
			}
			return nil
		})
	}
	check(s)
	check(reopen(t, s))
}
