package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/fixture"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// maxOthers is how many resources of one type a fixture takes along; nobody reads a test with more.
const maxOthers = 100

// apiReader lets a policy read the resources that a daemon recorded, as they were at a time, and keeps
// what it read.
type apiReader struct {
	client *client
	at     string
	read   []readItem
}

type readItem struct {
	key  record.Key
	text json.RawMessage
}

var _ policy.Reader = (*apiReader)(nil)

// list returns the recorded resources of a type, with an id or any.
func (r *apiReader) list(ctx context.Context, typ, id string, limit int) ([]policy.Found, []readItem, error) {
	q := query("type", typ, "id", id)
	if r.at != "" {
		// One that is gone now may have been there.
		q.Set("gone", "true")
	}
	all, err := list[api.Resource](ctx, r.client, "/v1/resources", q, limit)
	if err != nil {
		return nil, nil, err
	}
	var found []policy.Found
	var items []readItem
	for _, x := range all {
		it := itemOf(x.Item)
		if it.ResourceType != typ || id != "" && it.ResourceID != id {
			// The API takes * and ? for anything.
			continue
		}
		text := x.Item
		if r.at != "" {
			var d api.ResourceDetail
			err := r.client.call(ctx, http.MethodGet, "/v1/resource", query("type", typ, "id", it.ResourceID, "account", it.AccountID, "region", it.Region, "at", r.at), nil, &d)
			if isUnknown(err) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			text = d.Item
		}
		parsed, value, err := parseItem(text)
		if err != nil {
			return nil, nil, err
		}
		if !parsed.Status.Recorded() {
			continue
		}
		found = append(found, policy.Found{Key: parsed.Key, Value: value, Hash: parsed.Hash, OK: true})
		items = append(items, readItem{parsed.Key, text})
	}
	return found, items, nil
}

// isUnknown reports whether the daemon answered that there is no such thing.
func isUnknown(err error) bool {
	e, ok := err.(*exit)
	return ok && e.code == exitFindings
}

// Find implements policy.Reader.
func (r *apiReader) Find(ctx context.Context, from record.Key, typ, id string) (policy.Found, error) {
	found, items, err := r.list(ctx, typ, id, maxOthers)
	if err != nil {
		return policy.Found{}, err
	}
	i, err := nearest(found, from)
	if err != nil || i < 0 {
		return policy.Found{}, err
	}
	r.read = append(r.read, items[i])
	return found[i], nil
}

// nearest chooses among resources of one type and id as policies resolve them: in the same account and
// region, in the same account, anywhere. It returns -1 where there is none.
func nearest(found []policy.Found, from record.Key) (int, error) {
	for _, near := range []func(record.Key) bool{
		func(k record.Key) bool { return k.AccountID == from.AccountID && k.Region == from.Region },
		func(k record.Key) bool { return k.AccountID == from.AccountID },
		func(record.Key) bool { return true },
	} {
		at, n := -1, 0
		for i := range found {
			if near(found[i].Key) {
				at, n = i, n+1
			}
		}
		switch {
		case n == 1:
			return at, nil
		case n > 1:
			return -1, fmt.Errorf("%s %s: %w", found[at].Key.ResourceType, found[at].Key.ResourceID, policy.ErrAmbiguous)
		}
	}
	return -1, nil
}

// Get implements policy.Reader.
func (r *apiReader) Get(ctx context.Context, k record.Key) (policy.Found, error) {
	found, items, err := r.list(ctx, k.ResourceType, k.ResourceID, maxOthers)
	if err != nil {
		return policy.Found{}, err
	}
	for i := range found {
		if found[i].Key == k {
			r.read = append(r.read, items[i])
			return found[i], nil
		}
	}
	return policy.Found{}, nil
}

// All implements policy.Reader.
func (r *apiReader) All(ctx context.Context, typ string, _ int) ([]policy.Found, error) {
	found, items, err := r.list(ctx, typ, "", maxOthers+1)
	if err != nil {
		return nil, err
	}
	if len(found) > maxOthers {
		return nil, fmt.Errorf("a fixture holds at most %d resources of a type", maxOthers)
	}
	r.read = append(r.read, items...)
	return found, nil
}

// into puts what was read into a fixture, under the names by which the policy asked for it.
func (r *apiReader) into(x *fixture.Fixture, reads []verdict.Read) error {
	plain, explicit := map[string]bool{}, map[string]bool{}
	for _, read := range reads {
		if read.AccountID+read.Region != "" {
			explicit[read.ResourceType] = true
		} else {
			plain[read.ResourceType] = true
		}
		if read.ResourceID == "" {
			// Which of both trees a policy goes over is not noted.
			explicit[read.ResourceType] = true
		}
	}
	for _, it := range r.read {
		k := it.key
		if plain[k.ResourceType] {
			if x.Others == nil {
				x.Others = map[string]map[string]json.RawMessage{}
			}
			child(x.Others, k.ResourceType)[k.ResourceID] = it.text
		}
		if explicit[k.ResourceType] {
			if x.OthersIn == nil {
				x.OthersIn = map[string]map[string]map[string]map[string]json.RawMessage{}
			}
			child(child(child(x.OthersIn, k.AccountID), k.Region), k.ResourceType)[k.ResourceID] = it.text
		}
	}
	return nil
}

// child returns the map below a name, which it makes where there is none.
func child[V any](m map[string]map[string]V, name string) map[string]V {
	if m[name] == nil {
		m[name] = map[string]V{}
	}
	return m[name]
}

// fixtureReader lets a policy read the resources of a fixture.
type fixtureReader struct{ x *fixture.Fixture }

// all are the resources of a type that the fixture holds.
func (r fixtureReader) all(typ string) ([]policy.Found, error) {
	seen := map[record.Key]bool{}
	var out []policy.Found
	add := func(text json.RawMessage) error {
		it, value, err := parseItem(text)
		if err == nil && !seen[it.Key] {
			seen[it.Key] = true
			out = append(out, policy.Found{Key: it.Key, Value: value, Hash: it.Hash, OK: true})
		}
		return err
	}
	for _, text := range r.x.Others[typ] {
		if err := add(text); err != nil {
			return nil, err
		}
	}
	for _, regions := range r.x.OthersIn {
		for _, types := range regions {
			for _, text := range types[typ] {
				if err := add(text); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// Find implements policy.Reader.
func (r fixtureReader) Find(_ context.Context, from record.Key, typ, id string) (policy.Found, error) {
	all, err := r.all(typ)
	if err != nil {
		return policy.Found{}, err
	}
	var named []policy.Found
	for _, f := range all {
		if f.Key.ResourceID == id {
			named = append(named, f)
		}
	}
	i, err := nearest(named, from)
	if err != nil || i < 0 {
		return policy.Found{}, err
	}
	return named[i], nil
}

// Get implements policy.Reader.
func (r fixtureReader) Get(_ context.Context, k record.Key) (policy.Found, error) {
	all, err := r.all(k.ResourceType)
	for _, f := range all {
		if f.Key == k {
			return f, nil
		}
	}
	return policy.Found{}, err
}

// All implements policy.Reader.
func (r fixtureReader) All(_ context.Context, typ string, _ int) ([]policy.Found, error) {
	return r.all(typ)
}
