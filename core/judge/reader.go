package judge

import (
	"context"
	"errors"
	"fmt"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// page is how many resources of a type are read at once.
const page = 500

// Reader lets policies read other resources: those of the batch first, then those of the store.
type Reader struct {
	Tx *store.Tx
	// Overlay holds the resources of the batch under way, as they will be after it.
	Overlay map[record.Key]*Version
	Cache   *Values
}

var _ policy.Reader = (*Reader)(nil)

// Get implements policy.Reader.
func (r *Reader) Get(_ context.Context, key record.Key) (policy.Found, error) {
	if v, ok := r.Overlay[key]; ok {
		return found(v)
	}
	cur, err := r.Tx.Current(key)
	if err != nil || cur == nil {
		return policy.Found{}, err
	}
	return r.stored(cur)
}

// Find implements policy.Reader.
func (r *Reader) Find(_ context.Context, from record.Key, resourceType, id string) (policy.Found, error) {
	// A resource of the batch counts like a stored one; both are looked through in the order in
	// which design and documentation promise: same region, same account, anywhere if unique.
	var near, account, anywhere []*Version
	for k, v := range r.Overlay {
		if k.ResourceType != resourceType || k.ResourceID != id || !v.Item.Status.Recorded() {
			continue
		}
		switch {
		case k.AccountID == from.AccountID && k.Region == from.Region:
			near = append(near, v)
		case k.AccountID == from.AccountID:
			account = append(account, v)
		default:
			anywhere = append(anywhere, v)
		}
	}
	if len(near) == 1 {
		return found(near[0])
	}
	all, err := r.Tx.Named(resourceType, id)
	if err != nil {
		return policy.Found{}, err
	}
	var storedNear, storedAccount, storedAnywhere []*store.Current
	for _, c := range all {
		if _, shadowed := r.Overlay[c.Item.Key]; shadowed || !c.Item.Status.Recorded() {
			continue
		}
		switch {
		case c.Item.AccountID == from.AccountID && c.Item.Region == from.Region:
			storedNear = append(storedNear, c)
		case c.Item.AccountID == from.AccountID:
			storedAccount = append(storedAccount, c)
		default:
			storedAnywhere = append(storedAnywhere, c)
		}
	}
	for _, level := range []struct {
		batch  []*Version
		stored []*store.Current
	}{{nil, storedNear}, {account, storedAccount}, {anywhere, storedAnywhere}} {
		switch len(level.batch) + len(level.stored) {
		case 0:
			continue
		case 1:
			if len(level.batch) == 1 {
				return found(level.batch[0])
			}
			return r.stored(level.stored[0])
		}
		return policy.Found{}, fmt.Errorf("%s %s: %w", resourceType, id, policy.ErrAmbiguous)
	}
	return policy.Found{}, nil
}

// All implements policy.Reader.
func (r *Reader) All(ctx context.Context, resourceType string, limit int) ([]policy.Found, error) {
	var out []policy.Found
	for k, v := range r.Overlay {
		if k.ResourceType == resourceType && v.Item.Status.Recorded() {
			f, err := found(v)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
	}
	for after := int64(0); ; {
		some, err := r.Tx.OfType(resourceType, after, page)
		if err != nil {
			return nil, err
		}
		for _, c := range some {
			after = c.Resource
			if _, shadowed := r.Overlay[c.Item.Key]; shadowed || !c.Item.Status.Recorded() {
				continue
			}
			f, err := r.stored(c)
			if err != nil {
				return nil, err
			}
			if out = append(out, f); len(out) > limit {
				return out, nil
			}
		}
		if len(some) < page {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (r *Reader) stored(c *store.Current) (policy.Found, error) {
	if !c.Item.Status.Recorded() {
		return policy.Found{}, nil
	}
	value, err := r.Cache.parse(&c.Item)
	if err != nil {
		return policy.Found{}, err
	}
	return policy.Found{Key: c.Item.Key, Value: value, Hash: c.Item.Hash, OK: true}, nil
}

func found(v *Version) (policy.Found, error) {
	if !v.Item.Status.Recorded() {
		return policy.Found{}, nil
	}
	value, err := v.parse()
	if err != nil {
		return policy.Found{}, err
	}
	return policy.Found{Key: v.Item.Key, Value: value, Hash: v.Item.Hash, OK: true}, nil
}

// Values remembers parsed bodies by hash for the time of one batch: an account's settings may be
// read by every resource of it.
type Values struct {
	byHash map[record.Digest]*policy.Value
}

// maxValues bounds Values; beyond it the bodies are parsed as they are met.
const maxValues = 1000

// NewValues returns an empty memory.
func NewValues() *Values { return &Values{byHash: map[record.Digest]*policy.Value{}} }

func (c *Values) parse(it *record.Item) (*policy.Value, error) {
	if v := c.byHash[it.Hash]; v != nil {
		return v, nil
	}
	v, err := policy.Parse(it.Body)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", it.Key, err)
	}
	if len(c.byHash) < maxValues {
		c.byHash[it.Hash] = v
	}
	return v, nil
}

// Holds reports whether what verdicts rested on is still so: every look-up of another resource must
// give what it gave.
func Holds(ctx context.Context, subject record.Key, verdicts []verdict.Verdict, r policy.Reader) (bool, error) {
	for _, v := range verdicts {
		for _, read := range v.Evidence.Reads {
			if read.ResourceID == "" {
				// Readers of a whole type run again at most once a minute anyway: a change of one of
				// many is work for later, never a reason to hold up a commit.
				continue
			}
			var f policy.Found
			var err error
			if read.AccountID != "" || read.Region != "" {
				f, err = r.Get(ctx, record.Key{AccountID: read.AccountID, Region: read.Region, ResourceType: read.ResourceType, ResourceID: read.ResourceID})
			} else {
				f, err = r.Find(ctx, subject, read.ResourceType, read.ResourceID)
			}
			if errors.Is(err, policy.ErrAmbiguous) {
				// An ambiguous look-up stands in the evidence as not found, behind an ERROR.
				if read.Found {
					return false, nil
				}
				continue
			}
			if err != nil {
				return false, err
			}
			if f.OK != read.Found || f.OK && f.Hash.String() != read.Hash {
				return false, nil
			}
		}
	}
	return true, nil
}
