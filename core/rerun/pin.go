package rerun

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// pinned answers look-ups as they were answered, by what the verdict noted of them.
type pinned struct {
	one map[verdict.Read]policy.Found
	all map[string][]policy.Found
	// ambiguous says that the verdict ended on an ambiguous look-up, which is noted as an absent one.
	ambiguous string
}

var _ policy.Reader = (*pinned)(nil)

// errUnread is met where an evaluation asks for what the recorded one did not: the verdict then differs.
type errUnread struct{ what string }

func (e errUnread) Error() string { return e.what + " was not read when the verdict was recorded" }

// pin finds again what a verdict read.
func pin(tx *store.Tx, r *Result) (*pinned, error) {
	p := &pinned{one: map[verdict.Read]policy.Found{}, all: map[string][]policy.Found{}}
	if strings.Contains(r.Recorded.Reason, "is ambiguous") {
		p.ambiguous = r.Recorded.Reason
	}
	for _, read := range r.Recorded.Evidence.Reads {
		key := verdict.Read{AccountID: read.AccountID, Region: read.Region, ResourceType: read.ResourceType, ResourceID: read.ResourceID}
		switch {
		case read.ResourceID == "":
			if err := p.pinAll(tx, r, read); err != nil {
				return nil, err
			}
		case !read.Found:
			p.one[key] = policy.Found{}
		default:
			f, err := pinOne(tx, read)
			if err != nil {
				return nil, err
			}
			if !f.OK {
				r.missing("%s %s, which it read with content %s, is not kept any more", read.ResourceType, read.ResourceID, read.Hash)
			}
			p.one[key] = f
		}
	}
	return p, nil
}

// pinOne finds the version that was read among those of the resources of that name.
func pinOne(tx *store.Tx, read verdict.Read) (policy.Found, error) {
	var hash record.Digest
	if err := hash.UnmarshalText([]byte(read.Hash)); err != nil {
		return policy.Found{}, fmt.Errorf("evidence: %w", err)
	}
	candidates, err := tx.Named(read.ResourceType, read.ResourceID)
	if err != nil {
		return policy.Found{}, err
	}
	for _, c := range candidates {
		if (read.AccountID != "" || read.Region != "") && (c.Item.AccountID != read.AccountID || c.Item.Region != read.Region) {
			continue
		}
		versions, err := tx.VersionsWith(c.Resource, hash)
		if err != nil {
			return policy.Found{}, err
		}
		if len(versions) > 0 {
			return found(versions[len(versions)-1])
		}
	}
	return policy.Found{}, nil
}

func found(c *store.Current) (policy.Found, error) {
	value, err := policy.Parse(c.Item.Body)
	if err != nil {
		return policy.Found{}, fmt.Errorf("parse %s: %w", c.Item.Key, err)
	}
	return policy.Found{Key: c.Item.Key, Value: value, Hash: c.Item.Hash, OK: true}, nil
}

// pinAll finds again all resources of a type. The verdict pins them by one digest, so the state of now and
// that at the time of the evaluation are tried; the evaluation itself then notes the digest, by which the
// wrong one shows.
func (p *pinned) pinAll(tx *store.Tx, r *Result, read verdict.Read) error {
	if !read.Found {
		p.all[read.ResourceType] = nil
		return nil
	}
	for _, at := range []time.Time{{}, r.Recorded.At} {
		all, err := allAt(tx, read.ResourceType, at)
		if err != nil {
			return err
		}
		if policy.DigestOfAll(all) == read.Hash {
			p.all[read.ResourceType] = all
			return nil
		}
	}
	r.missing("it went over all %s, and which these were with which content is not known any more", read.ResourceType)
	return nil
}

// allAt returns the resources of a type as they are, or as they were captured up to a time.
func allAt(tx *store.Tx, resourceType string, at time.Time) ([]policy.Found, error) {
	const page = 500
	var out []policy.Found
	for after := int64(0); ; {
		list, err := tx.OfType(resourceType, after, page)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			after = c.Resource
			if !at.IsZero() {
				if c, err = tx.VersionAt(c.Resource, at); err != nil {
					return nil, err
				}
			}
			if c == nil || !c.Item.Status.Recorded() {
				continue
			}
			f, err := found(c)
			if err != nil {
				return nil, err
			}
			if out = append(out, f); len(out) > policy.MaxAll {
				return out, nil
			}
		}
		if len(list) < page {
			return out, nil
		}
	}
}

// Find implements policy.Reader.
func (p *pinned) Find(_ context.Context, _ record.Key, resourceType, id string) (policy.Found, error) {
	return p.look(verdict.Read{ResourceType: resourceType, ResourceID: id})
}

// Get implements policy.Reader.
func (p *pinned) Get(_ context.Context, k record.Key) (policy.Found, error) {
	return p.look(verdict.Read{AccountID: k.AccountID, Region: k.Region, ResourceType: k.ResourceType, ResourceID: k.ResourceID})
}

func (p *pinned) look(key verdict.Read) (policy.Found, error) {
	f, ok := p.one[key]
	switch {
	case !ok:
		return policy.Found{}, errUnread{key.ResourceType + " " + key.ResourceID}
	case !f.OK && strings.Contains(p.ambiguous, fmt.Sprintf("[%q][%q] is ambiguous", key.ResourceType, key.ResourceID)):
		return policy.Found{}, policy.ErrAmbiguous
	}
	return f, nil
}

// All implements policy.Reader.
func (p *pinned) All(_ context.Context, resourceType string, _ int) ([]policy.Found, error) {
	all, ok := p.all[resourceType]
	if !ok {
		return nil, errUnread{"all of " + resourceType}
	}
	return all, nil
}
