package channel

import (
	"fmt"
	"slices"

	"github.com/gobwas/glob"

	"github.com/regent-dev/regent/core/record"
)

// Match says which records are written. Empty lists match anything; texts are patterns in which * stands
// for any text.
type Match struct {
	source, account, action, typ []*glob.Pattern
	outcome                      []string
}

// Patterns are the texts of a Match. Type is the type of an item, or of one of an event's targets.
type Patterns struct {
	Source, Account, Action, Type, Outcome []string
}

// NewMatch compiles patterns.
func NewMatch(p Patterns) (Match, error) {
	m := Match{outcome: p.Outcome}
	for _, l := range []struct {
		from []string
		to   *[]*glob.Pattern
	}{{p.Source, &m.source}, {p.Account, &m.account}, {p.Action, &m.action}, {p.Type, &m.typ}} {
		for _, text := range l.from {
			g, err := glob.Compile(text)
			if err != nil {
				return Match{}, fmt.Errorf("pattern %q: %w", text, err)
			}
			*l.to = append(*l.to, g)
		}
	}
	return m, nil
}

func anyOf(globs []*glob.Pattern, s string) bool {
	return len(globs) == 0 || slices.ContainsFunc(globs, func(g *glob.Pattern) bool { return g.Match(s) })
}

func (m *Match) item(it *record.Item) bool {
	return anyOf(m.account, it.AccountID) && anyOf(m.typ, it.ResourceType)
}

func (m *Match) event(ev *record.Event) bool {
	return anyOf(m.source, ev.Source) && anyOf(m.account, ev.AccountID) && anyOf(m.action, ev.Action) &&
		(len(m.outcome) == 0 || slices.Contains(m.outcome, string(ev.Outcome))) &&
		(len(m.typ) == 0 || slices.ContainsFunc(ev.Targets, func(t record.Target) bool { return anyOf(m.typ, t.ResourceType) }))
}
