package cause

import (
	"hash/maphash"
	"math"
	"slices"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// maxWatches bounds the index; it takes about 200 bytes a resource.
const maxWatches = 200_000

// watch is a resource on which events are waited for. Times are in microseconds.
type watch struct {
	from, to, until int64
	// looked is when its causes were last looked at.
	looked int64
	keys   [3]uint64
}

// index finds the resources that an event is about among those that are waited for. Keys are hashes of
// ids, names and ARNs: one that two texts share costs a needless look.
type index struct {
	seed    maphash.Seed
	max     int
	watches map[int64]watch
	byKey   map[uint64]int64
	// more holds the further resources of a key.
	more map[uint64][]int64
}

func newIndex(limit int) *index {
	return &index{seed: maphash.MakeSeed(), max: limit, watches: map[int64]watch{}, byKey: map[uint64]int64{}, more: map[uint64][]int64{}}
}

// covers reports whether what is waited for on a resource is waited for already.
func covers(have, w store.CauseWatch) bool {
	return !w.From.Before(have.From) && !w.To.After(have.To) && !w.Until.After(have.Until)
}

// merge widens what is waited for on a resource.
func merge(have store.CauseWatch, known bool, w store.CauseWatch) store.CauseWatch {
	if !known {
		return w
	}
	out := have
	if w.From.Before(out.From) {
		out.From = w.From
	}
	if w.To.After(out.To) {
		out.To = w.To
	}
	if w.Until.After(out.Until) {
		out.Until = w.Until
	}
	return out
}

// put sets what is waited for on a resource. It reports false where there is no room.
func (x *index) put(w store.CauseWatch) bool {
	old, known := x.watches[w.Resource]
	if !known && len(x.watches) >= x.max {
		return false
	}
	next := watch{from: w.From.UnixMicro(), to: w.To.UnixMicro(), until: w.Until.UnixMicro(), looked: old.looked}
	for i, text := range [3]string{w.ID, w.Name, w.ARN} {
		if text == "" || i > 0 && text == w.ID {
			continue
		}
		next.keys[i] = maphash.String(x.seed, text)
	}
	if known && old.keys != next.keys {
		x.unlink(w.Resource, old)
		known = false
	}
	if !known {
		for _, k := range next.keys {
			x.link(k, w.Resource)
		}
	}
	x.watches[w.Resource] = next
	return true
}

func (x *index) link(key uint64, resource int64) {
	if key == 0 {
		return
	}
	if first, taken := x.byKey[key]; !taken {
		x.byKey[key] = resource
	} else if first != resource && !slices.Contains(x.more[key], resource) {
		x.more[key] = append(x.more[key], resource)
	}
}

func (x *index) unlink(resource int64, w watch) {
	for _, key := range w.keys {
		rest := slices.DeleteFunc(x.more[key], func(r int64) bool { return r == resource })
		if first, taken := x.byKey[key]; taken && first == resource {
			if len(rest) == 0 {
				delete(x.byKey, key)
			} else {
				x.byKey[key], rest = rest[0], rest[1:]
			}
		}
		if len(rest) == 0 {
			delete(x.more, key)
		} else {
			x.more[key] = rest
		}
	}
}

// expire lets go of what is waited for no longer.
func (x *index) expire(now int64) {
	for r, w := range x.watches {
		if w.until <= now {
			x.unlink(r, w)
			delete(x.watches, r)
		}
	}
}

// hits adds to found the resources that events are about. It makes nothing where there are none.
func (x *index) hits(events []record.Event, found map[int64]bool) map[int64]bool {
	if len(x.byKey) == 0 {
		return found
	}
	for i := range events {
		ev := &events[i]
		// The time is worked out for events that name a resource only.
		at := int64(math.MinInt64)
		for j := range ev.Targets {
			t := &ev.Targets[j]
			for _, text := range [2]string{t.ResourceID, t.Name} {
				if text == "" {
					continue
				}
				key := maphash.String(x.seed, text)
				first, ok := x.byKey[key]
				if !ok {
					continue
				}
				if at == math.MinInt64 {
					at = ev.Time.UnixMicro()
				}
				found = x.hit(first, at, found)
				for _, r := range x.more[key] {
					found = x.hit(r, at, found)
				}
			}
		}
	}
	return found
}

func (x *index) hit(resource, at int64, found map[int64]bool) map[int64]bool {
	if w := x.watches[resource]; at < w.from || at > w.to {
		return found
	}
	if found == nil {
		found = map[int64]bool{}
	}
	found[resource] = true
	return found
}
