package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// metaHealth keeps which health conditions are open, so that each is told once however often it is
// met and however often the daemon restarts meanwhile.
const metaHealth = "pipeline/health"

// condition is one open health condition.
type condition struct {
	Since time.Time `json:"since"`
	Title string    `json:"title"`
	Text  string    `json:"text"`
	// Digest is that of the policy the condition is about; it ends when the policy changes.
	Digest string `json:"digest,omitempty"`
}

// health collects what is wrong with the daemon itself, and tells it through the routes.
type health struct {
	p *Pipeline

	mu      sync.Mutex
	loaded  bool
	open    map[string]condition
	pending []verdict.Change
	// failing is since when and why the store takes nothing.
	failing    time.Time
	failingErr error
	crashed    map[string]bool
	anyCrashed atomic.Bool
}

func newHealth(p *Pipeline) *health {
	return &health{p: p, open: map[string]condition{}, crashed: map[string]bool{}}
}

// Report tells a change of health, such as that of a plugin instance. It is durable when it returns.
// The class, and where they are missing the times, are filled in. What also does belongs to the same
// transaction.
func (p *Pipeline) Report(ctx context.Context, ch verdict.Change, also ...func(*store.Tx) error) error {
	ch.Class = verdict.ClassHealth
	return p.update(ctx, func(c *commit) error {
		for _, fn := range also {
			if err := fn(c.tx); err != nil {
				return err
			}
		}
		if ch.RecordedAt.IsZero() {
			ch.RecordedAt = c.now
		}
		return c.change(ch)
	})
}

// block keeps a policy from being run on a record: the pair took the daemon down before. It lasts
// until the policy changes.
func (h *health) block(id verdict.PolicyID, record string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.crashed[string(id)+" "+record] = true
	h.anyCrashed.Store(true)
}

// blockedNow tells through the routes that a policy is blocked from now on.
func (h *health) blockedNow(id verdict.PolicyID, record string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending = append(h.pending, verdict.Change{
		Class: verdict.ClassHealth, Severity: verdict.High, RecordedAt: h.p.now(), Key: "crash/" + string(id) + " " + record, Policy: id,
		Title:   "A policy takes the daemon down",
		Message: fmt.Sprintf("The daemon went down twice in a row while %s was run on %s. It is not run on that until the policy changes.", id, record),
		New:     "BLOCKED", Active: true,
	})
}

// Blocked returns the policies that are not run on a record because the pair took the daemon down.
func (p *Pipeline) Blocked() []Pair {
	p.health.mu.Lock()
	defer p.health.mu.Unlock()
	var out []Pair
	for _, key := range slices.Sorted(maps.Keys(p.health.crashed)) {
		id, record, _ := strings.Cut(key, " ")
		out = append(out, Pair{verdict.PolicyID(id), record})
	}
	return out
}

func (h *health) blocked(id verdict.PolicyID, record func() string) bool {
	if !h.anyCrashed.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.crashed[string(id)+" "+marked(record())]
}

// policyFails opens the condition that an alarm policy fails on events. Its state is left alone: a
// failure says nothing about what it watches.
func (h *health) policyFails(pol *policy.Policy, ev *record.Event, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := "policy/" + string(pol.ID)
	if _, open := h.open[key]; open {
		return
	}
	text := fmt.Sprintf("%s failed on event %s of %s: %v. Events that it fails on are recorded and not watched by it until the policy is mended.", pol.ID, ev.Ident(), ev.Source, err)
	h.open[key] = condition{Since: h.p.now(), Title: "An alarm policy fails", Text: text, Digest: pol.Digest.String()}
	h.pending = append(h.pending, verdict.Change{
		Class: verdict.ClassHealth, Severity: verdict.High, RecordedAt: h.p.now(), Key: key, Policy: pol.ID,
		Title: "An alarm policy fails", Message: text, New: "FAILING", Active: true,
	})
	h.p.log.Error("an alarm policy fails on an event", "policy", pol.ID, "err", err)
}

// policiesChanged ends the conditions of policies that are not what they were.
func (h *health) policiesChanged(g *Generation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, c := range h.open {
		if c.Digest == "" {
			continue
		}
		id := verdict.PolicyID(key[len("policy/"):])
		if pol := g.Policies.Get(id); pol != nil && pol.Digest.String() == c.Digest {
			continue
		}
		delete(h.open, key)
		h.pending = append(h.pending, verdict.Change{
			Class: verdict.ClassHealth, Severity: verdict.High, RecordedAt: h.p.now(), Key: key, Policy: id,
			Title: c.Title, Message: "The policy was changed.", Old: "FAILING", New: "CHANGED",
		})
	}
}

// storeFails remembers since when nothing can be written. It cannot be told before it is over, but
// stands in the log, in the metrics and in the status.
func (h *health) storeFails(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing.IsZero() {
		h.failing = h.p.now()
	}
	h.failingErr = err
}

func (h *health) storeWorks() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing.IsZero() {
		return
	}
	h.pending = append(h.pending, verdict.Change{
		Class: verdict.ClassHealth, Severity: verdict.Critical, RecordedAt: h.failing, Key: "store",
		Title:   "The store could not be written",
		Message: fmt.Sprintf("From %s to %s nothing could be recorded and collectors were held back: %v. Nothing was lost.", record.FormatTime(h.failing), record.FormatTime(h.p.now()), h.failingErr),
		Old:     "FAILING", New: "OK", Active: true,
	})
	h.failing, h.failingErr = time.Time{}, nil
	h.p.wake()
}

// StoreFailure returns since when the store takes nothing, and why; a zero time where it does.
func (p *Pipeline) StoreFailure() (time.Time, error) {
	p.health.mu.Lock()
	defer p.health.mu.Unlock()
	return p.health.failing, p.health.failingErr
}

// load reads the open conditions once, before any is opened.
func (h *health) load(tx *store.Tx) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.loaded {
		return nil
	}
	var open map[string]condition
	if err := getMeta(tx, metaHealth, &open); err != nil {
		return err
	}
	for key, c := range open {
		if _, known := h.open[key]; !known {
			h.open[key] = c
		}
	}
	h.loaded = true
	return nil
}

// flush writes the pending changes into the transaction under way. Where it fails they stay pending.
func (h *health) flush(c *commit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pending) == 0 {
		return nil
	}
	for _, ch := range h.pending {
		if err := c.change(ch); err != nil {
			return err
		}
	}
	if err := setMeta(c.tx, metaHealth, h.open); err != nil {
		return err
	}
	written := len(h.pending)
	c.tx.OnCommit(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pending = h.pending[written:]
	})
	return nil
}

// release lets a policy that changed be run on everything again.
func (h *health) release(id verdict.PolicyID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.crashed {
		if policy, _, _ := strings.Cut(key, " "); policy == string(id) {
			delete(h.crashed, key)
		}
	}
}
