package route

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Route says which changes go where. Patterns use * and ?; empty lists match anything.
type Route struct {
	Name         string
	On           []verdict.Class
	Severity     []string
	Policy       []string
	ResourceType []string
	Account      []string
	Region       []string
	// Action narrows activity.
	Action []string
	Labels map[string]string
	// GroupBy names what the changes of a group have in common: policy, severity, resource,
	// resource_type, account, region, class, key or label.NAME. Without it every thing that changes is
	// a group of its own.
	GroupBy       []string
	GroupWait     time.Duration
	GroupInterval time.Duration
	// Repeat sends a group that is still active again; 0 never.
	Repeat       time.Duration
	SendResolved bool
	// WaitForActor is how long a finding is held back for who caused it to become known; FollowUp sends a
	// further notification where that becomes known only later.
	WaitForActor time.Duration
	FollowUp     bool
	Notify       []record.Instance
}

// Table is a compiled set of routes. It is not changed once made.
type Table struct{ routes []compiled }

type compiled struct {
	Route
	policy, resourceType, account, region, action []*glob.Pattern
}

// NewTable compiles routes.
func NewTable(routes []Route) (*Table, error) {
	t := &Table{}
	for _, r := range routes {
		c := compiled{Route: r}
		for _, p := range []struct {
			to       *[]*glob.Pattern
			patterns []string
		}{{&c.policy, r.Policy}, {&c.resourceType, r.ResourceType}, {&c.account, r.Account}, {&c.region, r.Region}, {&c.action, r.Action}} {
			for _, s := range p.patterns {
				g, err := glob.Compile(s)
				if err != nil {
					return nil, fmt.Errorf("route %q: pattern %q: %w", r.Name, s, err)
				}
				*p.to = append(*p.to, g)
			}
		}
		t.routes = append(t.routes, c)
	}
	return t, nil
}

// Activity returns what package pipeline asks of each event, nil where no route wants any.
func (t *Table) Activity() func(*record.Event) bool {
	var wanting []*compiled
	for i := range t.routes {
		if slices.Contains(t.routes[i].On, verdict.ClassActivity) {
			wanting = append(wanting, &t.routes[i])
		}
	}
	if len(wanting) == 0 {
		return nil
	}
	return func(ev *record.Event) bool {
		for _, r := range wanting {
			if any(r.action, ev.Action) && any(r.account, ev.AccountID) && any(r.region, ev.Region) {
				return true
			}
		}
		return false
	}
}

// Configuration returns what package pipeline asks of each new version, nil where no route wants any.
func (t *Table) Configuration() func(*record.Item) bool {
	var wanting []*compiled
	for i := range t.routes {
		if slices.Contains(t.routes[i].On, verdict.ClassConfiguration) {
			wanting = append(wanting, &t.routes[i])
		}
	}
	if len(wanting) == 0 {
		return nil
	}
	return func(it *record.Item) bool {
		for _, r := range wanting {
			if any(r.resourceType, it.ResourceType) && any(r.account, it.AccountID) && any(r.region, it.Region) {
				return true
			}
		}
		return false
	}
}

// any reports whether one of the patterns matches, or there is none.
func any(patterns []*glob.Pattern, s string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p *glob.Pattern) bool { return p.Match(s) })
}

func (r *compiled) matches(c *verdict.Change) bool {
	if !slices.Contains(r.On, c.Class) {
		return false
	}
	var typ, region string
	if c.Resource != nil {
		typ, region = c.Resource.ResourceType, c.Resource.Region
	}
	if len(r.Severity) > 0 && !slices.Contains(r.Severity, string(c.Severity)) ||
		!any(r.policy, string(c.Policy)) || !any(r.resourceType, typ) || !any(r.account, c.Account) || !any(r.region, region) {
		return false
	}
	if c.Class == verdict.ClassActivity && !any(r.action, c.Title) {
		return false
	}
	for k, v := range r.Labels {
		if c.Labels[k] != v {
			return false
		}
	}
	return true
}

// group returns what the change has in common with others of its group, and the group's key.
func (r *compiled) group(c *verdict.Change) (map[string]string, string) {
	by := r.GroupBy
	if len(by) == 0 {
		by = []string{"class", "key"}
	}
	values := make(map[string]string, len(by))
	for _, name := range by {
		var v string
		switch name {
		case "policy":
			v = string(c.Policy)
		case "severity":
			v = string(c.Severity)
		case "class":
			v = string(c.Class)
		case "key":
			v = c.Key
		case "account":
			v = c.Account
		case "resource":
			if c.Resource != nil {
				v = c.Resource.ResourceID
			}
		case "resource_type":
			if c.Resource != nil {
				v = c.Resource.ResourceType
			}
		case "region":
			if c.Resource != nil {
				v = c.Resource.Region
			}
		default:
			v = c.Labels[strings.TrimPrefix(name, "label.")]
		}
		values[name] = v
	}
	// Maps are written with sorted keys.
	key, err := json.Marshal(values)
	if err != nil {
		panic(fmt.Sprintf("route: %v", err))
	}
	return values, string(key)
}
