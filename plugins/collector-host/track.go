package main

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/filewatch"
)

// tracker knows the last state of every recorded file, and tells what a new look at some of them
// means. It is safe for concurrent use; looks may come in any order, and an older one changes nothing.
type tracker struct {
	mu    sync.Mutex
	known map[string]*observed
	// baseline is false until all files were looked at once: before that nothing is new.
	baseline bool
	// ghosts are names that were made, and gone before they could be looked at, with the time they were
	// made. A hint to come says whether each was removed or given another name.
	ghosts map[string]time.Time
	// max bounds known, and ghosts. What lies beyond is not followed; the look at all files says so.
	max int
}

func newTracker(max int) *tracker {
	return &tracker{known: map[string]*observed{}, ghosts: map[string]time.Time{}, max: max}
}

// change is what a look at a file means. after is nil where the file is gone, before where it is new;
// from is the path it had before a renaming.
type change struct {
	name          string
	at            time.Time
	before, after *observed
	from          string
	transient     bool
}

// compare takes a look at all files that began at a time. complete says that files that were not seen
// may be gone; again looks at one of them once more, and says whether it could tell.
func (t *tracker) compare(seen map[string]*observed, began time.Time, complete bool, again func(string) (*observed, bool)) []change {
	t.mu.Lock()
	first := !t.baseline
	t.baseline = true
	looks := make(map[string]*observed, len(seen))
	var missing []string
	for name, o := range seen {
		looks[name] = o
	}
	for name, o := range t.known {
		if seen[name] == nil && o.captured.Before(began) {
			missing = append(missing, name)
		}
	}
	t.mu.Unlock()
	for _, name := range missing {
		// Files may have left the configuration's scope, or lie where the look did not come: only what
		// is truly gone is.
		if o, ok := again(name); ok && o == nil {
			looks[name] = nil
		} else if complete {
			t.forget(name)
		}
	}
	changes := t.apply(looks, nil, time.Now())
	if first {
		return nil
	}
	return changes
}

func (t *tracker) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, name)
}

// below returns the known paths inside a folder.
func (t *tracker) below(dir string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for name := range t.known {
		if len(name) > len(dir) && name[:len(dir)] == dir && name[len(dir)] == '/' {
			out = append(out, name)
		}
	}
	return out
}

// has reports whether a path is known, and whether as a folder with the same identity.
func (t *tracker) has(name string, o *observed) (known, same bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[name]
	return k != nil, k != nil && o != nil && k.dev == o.dev && k.ino == o.ino
}

// apply takes looks at files, nil for one that is gone, and returns what changed, oldest first.
func (t *tracker) apply(looks map[string]*observed, hints map[string]filewatch.Hint, now time.Time) []change {
	t.mu.Lock()
	defer t.mu.Unlock()
	var changes []change
	gone := map[[2]uint64]*observed{}
	goneName := map[[2]uint64]string{}
	for name, o := range looks {
		k := t.known[name]
		at := now
		if h, ok := hints[name]; ok {
			at = h.First
		}
		switch {
		case o == nil && k == nil:
			if c, ok := t.ghost(name, hints[name]); ok {
				changes = append(changes, c)
			}
		case o == nil:
			delete(t.known, name)
			gone[[2]uint64{k.dev, k.ino}], goneName[[2]uint64{k.dev, k.ino}] = k, name
			changes = append(changes, change{name: name, at: at, before: k})
		case k != nil && k.captured.After(o.captured):
			// Somebody has looked since.
		case k == nil && len(t.known) >= t.max:
		default:
			t.known[name] = o
			delete(t.ghosts, name)
			if k == nil {
				changes = append(changes, change{name: name, at: at, after: o})
				continue
			}
			content, mode, owner := differences(k, o)
			if len(content)+len(mode)+len(owner) > 0 || k.ino != o.ino && hints[name].Created {
				changes = append(changes, change{name: name, at: at, before: k, after: o})
			}
		}
	}
	return renamed(changes, gone, goneName, hints)
}

// ghost takes hints about a name that is not there and was not known. It is told as made and removed
// once it is known to have been removed; one that was given another name is told under that.
func (t *tracker) ghost(name string, h filewatch.Hint) (change, bool) {
	made, waiting := t.ghosts[name]
	delete(t.ghosts, name)
	if h.Created && !waiting {
		made = h.First
	}
	switch {
	case h.Moved || !h.Created && !waiting:
		return change{}, false
	case h.Removed:
		return change{name: name, at: made, transient: true}, true
	case len(t.ghosts) < t.max:
		t.ghosts[name] = made
	}
	return change{}, false
}

// renamed joins the disappearing of one name with the appearing of another of the same file.
func renamed(changes []change, gone map[[2]uint64]*observed, goneName map[[2]uint64]string, hints map[string]filewatch.Hint) []change {
	taken := map[string]bool{}
	for i := range changes {
		c := &changes[i]
		if c.after == nil || c.before != nil && c.before.ino == c.after.ino {
			continue
		}
		id := [2]uint64{c.after.dev, c.after.ino}
		was, from := gone[id], goneName[id]
		// The number of a file that was removed may be given to the next one, so that more has to agree.
		if was == nil || taken[from] || !(hints[from].Moved || sameContent(was, c.after)) {
			continue
		}
		taken[from] = true
		c.from = from
		if h, ok := hints[from]; ok && h.First.Before(c.at) {
			c.at = h.First
		}
	}
	changes = slices.DeleteFunc(changes, func(c change) bool { return c.after == nil && taken[c.name] })
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name))
	})
	return changes
}

func sameContent(a, b *observed) bool {
	content, _, _ := differences(a, b)
	return len(content) == 0
}
