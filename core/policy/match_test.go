package policy_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/verdict"
)

func showMatches(ms []verdict.Match, err error) string {
	var out []string
	for _, m := range ms {
		s := m.Message
		if m.HasKey {
			s += fmt.Sprintf(" key %q", m.Key)
		}
		if m.Value != nil {
			s += fmt.Sprintf(" value %s", m.Value)
		}
		if m.Details != nil {
			s += fmt.Sprintf(" details %s", m.Details)
		}
		out = append(out, "["+s+"]")
	}
	if err != nil {
		out = append(out, "("+err.Error()+")")
	}
	return strings.Join(out, " ")
}

func TestMatch(t *testing.T) {
	t.Parallel()
	const event = `{"id":"e1","source":"s","action":"act","actor":{"id":"me"},"error":{},"origin":{},"targets":[],"detail":{"n":9007199254740993,"bad":"x"}}`
	for _, c := range []struct{ name, rules, want string }{
		{"text", `alarm contains "m"`, `[m]`},
		{"none", `alarm contains "m" if input.event.action == "other"`, ``},
		{"template", `alarm contains {"msg": $"{input.event.actor.id} did {input.event.action} at {input.event.region}"}`, `[me did act at <undefined>]`},
		{"key", `alarm contains {"msg": "m", "key": input.event.actor.id}`, `[m key "me"]`},
		{"empty key", `alarm contains {"msg": "m", "key": ""}`, `[m key ""]`},
		{"value", `alarm contains {"msg": "m", "value": {"b": input.event.detail.n, "a": {2, 1}}}`, `[m value {"a":[1,2],"b":9007199254740993}]`},
		{"details", `alarm contains {"msg": "m", "details": input.event.detail}`, `[m details {"bad":"x","n":9007199254740993}]`},
		{"title", `alarm contains {"key": "k"}`, `[The title key "k"]`},
		{"sorted", `alarm contains {"msg": m, "key": k} if some [k, m] in [["b", "1"], ["a", "2"], ["a", "1"]]`, `[1 key "a"] [2 key "a"] [1 key "b"]`},
		{"key that is no text", `alarm contains {"msg": "m", "key": input.event.detail.n}`, `(key of an element is 9007199254740993, not text)`},
		{"wrong beside right", "alarm contains \"m\"\nalarm contains {\"msg\": input.event.detail.n}", `[m] (msg of an element is 9007199254740993, not text)`},
		{"builtin beside right", "alarm contains \"m\"\nalarm contains \"n\" if to_number(input.event.detail.bad) == 5", `[m] (policy.rego:9: to_number: strconv.ParseFloat: parsing "x": invalid syntax)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := one(t, head("alarms.x")+c.rules)
			if got := showMatches(p.Match(context.Background(), parse(t, event), noon)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestKindsDoNotMix(t *testing.T) {
	t.Parallel()
	c, a := one(t, head("compliance.x")+`deny contains "m"`), one(t, head("alarms.x")+`alarm contains "m"`)
	if _, err := c.Match(context.Background(), parse(t, `{}`), noon); err == nil {
		t.Error("a compliance policy matches events")
	}
	if v := a.Judge(context.Background(), subject(t, `{}`), nil); v.Outcome != verdict.Error {
		t.Errorf("an alarm judges a resource: %s", show(v))
	}
}

// marks notes what it is told.
type marks struct {
	mu    sync.Mutex
	begun []string
	open  int
}

func (m *marks) Begin(policy, record string) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = append(m.begun, policy+" "+record)
	m.open++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.open--
	}
}

func TestMarker(t *testing.T) {
	t.Parallel()
	m := &marks{}
	set := compile(t, policy.Options{Marker: m},
		file("a.rego", head("compliance.x", "requires: [/configuration/a]")+`deny contains "m"`), file("b.rego", head("alarms.y")+`alarm contains "m"`))
	set.Get("compliance.x").Judge(context.Background(), subject(t, `{}`), nil) // is not evaluated
	set.Get("compliance.x").Judge(context.Background(), subject(t, `{"a":1}`), panics{})
	if _, err := set.Get("alarms.y").Match(context.Background(), parse(t, `{"source":"s","id":"e1"}`), noon); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(m.begun, ", "), "compliance.x acct/here/Test::Thing/t1, alarms.y s/e1"; got != want {
		t.Errorf("begun: %s, want %s", got, want)
	}
	if m.open != 0 {
		t.Errorf("%d evaluations were not ended", m.open)
	}
}

// panics is a Reader that breaks.
type panics struct{ policy.Reader }

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	m := &marks{}
	p := one(t, head("compliance.x")+"deny contains \"m\" if data.resources[\"Test::Node\"].a\ndeny contains \"n\"", func(o *policy.Options) { o.Marker = m })
	got := show(p.Judge(context.Background(), subject(t, `{}`), panics{}))
	want := "NON_COMPLIANT [n] (the evaluator panicked: runtime error: invalid memory address or nil pointer dereference)"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if m.open != 0 {
		t.Error("the evaluation was not ended")
	}
}
