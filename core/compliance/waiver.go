package compliance

import (
	"fmt"
	"time"

	"github.com/gobwas/glob"

	"github.com/regent-dev/regent/core/verdict"
)

// Waiver accepts the findings that it matches until it expires. Empty patterns match anything.
type Waiver struct {
	Name         string    `json:"name"`
	Policy       string    `json:"policy,omitempty"`
	Resource     string    `json:"resource,omitempty"`
	ResourceType string    `json:"resourceType,omitempty"`
	Account      string    `json:"accountId,omitempty"`
	Expires      time.Time `json:"expires"`
}

// Waivers are compiled waivers. The nil *Waivers covers nothing. They are not changed once made.
type Waivers struct{ all []waiver }

type waiver struct {
	Waiver
	policy, resource, resourceType, account *glob.Pattern
}

// NewWaivers compiles waivers.
func NewWaivers(ws []Waiver) (*Waivers, error) {
	out := &Waivers{}
	for _, w := range ws {
		c := waiver{Waiver: w}
		for _, p := range []struct {
			to      **glob.Pattern
			pattern string
		}{{&c.policy, w.Policy}, {&c.resource, w.Resource}, {&c.resourceType, w.ResourceType}, {&c.account, w.Account}} {
			if p.pattern == "" {
				continue
			}
			g, err := glob.Compile(p.pattern)
			if err != nil {
				return nil, fmt.Errorf("waiver %q: pattern %q: %w", w.Name, p.pattern, err)
			}
			*p.to = g
		}
		out.all = append(out.all, c)
	}
	return out, nil
}

// Cover returns the name of the first waiver in force at now that covers the pair, "" where none does.
func (ws *Waivers) Cover(policy verdict.PolicyID, s verdict.Subject, now time.Time) string {
	if ws == nil {
		return ""
	}
	match := func(g *glob.Pattern, s string) bool { return g == nil || g.Match(s) }
	for _, w := range ws.all {
		if now.Before(w.Expires) && match(w.policy, string(policy)) && match(w.resource, s.ResourceID) &&
			match(w.resourceType, s.ResourceType) && match(w.account, s.AccountID) {
			return w.Name
		}
	}
	return ""
}

// NextExpiry returns when the next waiver ends after now, and false where none does.
func (ws *Waivers) NextExpiry(now time.Time) (time.Time, bool) {
	var next time.Time
	if ws != nil {
		for _, w := range ws.all {
			if w.Expires.After(now) && (next.IsZero() || w.Expires.Before(next)) {
				next = w.Expires
			}
		}
	}
	return next, !next.IsZero()
}
