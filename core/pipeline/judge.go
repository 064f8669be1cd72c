package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// version is an item with its parsed body, made when a policy first wants it.
type version struct {
	item  *record.Item
	value *policy.Value
}

func (v *version) parse() (*policy.Value, error) {
	if v == nil || v.item == nil {
		return nil, nil
	}
	if v.value == nil {
		value, err := policy.Parse(v.item.Body)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", v.item.Key, err)
		}
		v.value = value
	}
	return v.value, nil
}

func (v *version) hash() record.Digest {
	if v == nil || v.item == nil {
		return record.Digest{}
	}
	return v.item.Hash
}

// judge runs policies on one version of a resource.
func (p *Pipeline) judge(ctx context.Context, policies []*policy.Policy, now, before *version, r policy.Reader) ([]verdict.Verdict, error) {
	if len(policies) == 0 {
		return nil, nil
	}
	value, err := now.parse()
	previous, beforeErr := before.parse()
	if err = errors.Join(err, beforeErr); err != nil {
		// What intake lets through can be read. If it cannot, that must not hold up all that comes after.
		return unreadable(policies, now, err), nil
	}
	s := policy.Subject{
		Key: now.item.Key, Resource: value, Previous: previous, Gone: !now.item.Status.Recorded(),
		Time: now.item.CaptureTime, ItemHash: now.item.Hash.String(),
	}
	if previous != nil {
		s.PreviousHash = before.item.Hash.String()
	}
	out := make([]verdict.Verdict, 0, len(policies))
	for _, pol := range policies {
		if p.health.blocked(pol.ID, now.item.Key.String) {
			out = append(out, verdict.Verdict{
				Policy: pol.ID, Subject: verdict.Subject(now.item.Key), Outcome: verdict.Error, At: s.Time,
				Reason:   "the daemon went down twice while this policy was run on this resource; it is not run on it until the policy changes",
				Evidence: verdict.Evidence{Policy: pol.Digest.String(), Item: s.ItemHash},
			})
			continue
		}
		v := pol.Judge(ctx, s, r)
		if ctx.Err() != nil {
			// The evaluation was cut short by shutdown: its ERROR says nothing.
			return nil, ctx.Err()
		}
		p.metrics.judged.WithLabelValues(string(v.Outcome)).Inc()
		out = append(out, v)
	}
	return out, nil
}

// unreadable are the verdicts on an item that policies cannot be given.
func unreadable(policies []*policy.Policy, now *version, err error) []verdict.Verdict {
	out := make([]verdict.Verdict, 0, len(policies))
	for _, pol := range policies {
		out = append(out, verdict.Verdict{
			Policy: pol.ID, Subject: verdict.Subject(now.item.Key), Outcome: verdict.Error, At: now.item.CaptureTime, Reason: err.Error(),
			Evidence: verdict.Evidence{Policy: pol.Digest.String(), Item: now.item.Hash.String()},
		})
	}
	return out
}

// reader lets policies read other resources: those of the batch first, then those of the store.
type reader struct {
	tx *store.Tx
	// overlay holds the resources of the batch under way, as they will be after it.
	overlay map[record.Key]*version
	cache   *values
}

var _ policy.Reader = (*reader)(nil)

// Get implements policy.Reader.
func (r *reader) Get(_ context.Context, key record.Key) (policy.Found, error) {
	if v, ok := r.overlay[key]; ok {
		return found(v)
	}
	cur, err := r.tx.Current(key)
	if err != nil || cur == nil {
		return policy.Found{}, err
	}
	return r.stored(cur)
}

// Find implements policy.Reader.
func (r *reader) Find(_ context.Context, from record.Key, resourceType, id string) (policy.Found, error) {
	// A resource of the batch counts like a stored one; both are looked through in the order in
	// which design and documentation promise: same region, same account, anywhere if unique.
	var near, account, anywhere []*version
	for k, v := range r.overlay {
		if k.ResourceType != resourceType || k.ResourceID != id || !v.item.Status.Recorded() {
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
	all, err := r.tx.Named(resourceType, id)
	if err != nil {
		return policy.Found{}, err
	}
	var storedNear, storedAccount, storedAnywhere []*store.Current
	for _, c := range all {
		if _, shadowed := r.overlay[c.Item.Key]; shadowed || !c.Item.Status.Recorded() {
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
		batch  []*version
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
func (r *reader) All(ctx context.Context, resourceType string, limit int) ([]policy.Found, error) {
	var out []policy.Found
	for k, v := range r.overlay {
		if k.ResourceType == resourceType && v.item.Status.Recorded() {
			f, err := found(v)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
	}
	for after := int64(0); ; {
		page, err := r.tx.OfType(resourceType, after, chunk)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			after = c.Resource
			if _, shadowed := r.overlay[c.Item.Key]; shadowed || !c.Item.Status.Recorded() {
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
		if len(page) < chunk {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (r *reader) stored(c *store.Current) (policy.Found, error) {
	if !c.Item.Status.Recorded() {
		return policy.Found{}, nil
	}
	value, err := r.cache.parse(&c.Item)
	if err != nil {
		return policy.Found{}, err
	}
	return policy.Found{Key: c.Item.Key, Value: value, Hash: c.Item.Hash, OK: true}, nil
}

func found(v *version) (policy.Found, error) {
	if !v.item.Status.Recorded() {
		return policy.Found{}, nil
	}
	value, err := v.parse()
	if err != nil {
		return policy.Found{}, err
	}
	return policy.Found{Key: v.item.Key, Value: value, Hash: v.item.Hash, OK: true}, nil
}

// values remembers parsed bodies by hash for the time of one batch: an account's settings may be
// read by every resource of it.
type values struct {
	byHash map[record.Digest]*policy.Value
}

// maxValues bounds values; beyond it the bodies are parsed as they are met.
const maxValues = 1000

func newValues() *values { return &values{byHash: map[record.Digest]*policy.Value{}} }

func (c *values) parse(it *record.Item) (*policy.Value, error) {
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

// holds reports whether what verdicts rested on is still so: every look-up of another resource must
// give what it gave.
func holds(ctx context.Context, subject record.Key, verdicts []verdict.Verdict, r policy.Reader) (bool, error) {
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

// quiet says why the changes of a record are not sent one by one.
func quiet(g *Generation, recorded, now time.Time, first bool) string {
	switch {
	case g.NotifyMaxAge > 0 && now.Sub(recorded) > g.NotifyMaxAge:
		return verdict.QuietOld
	case first:
		return verdict.QuietFirst
	}
	return ""
}
