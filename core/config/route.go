package config

import (
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// item is one text of a list, with its place.
type item struct {
	s   string
	rng hcl.Range
}

// texts reads a list of texts. A literal list gives each its own place.
func (l *loader) texts(e hcl.Expression) []item {
	if e == nil {
		return nil
	}
	if exprs, diags := hcl.ExprList(e); !diags.HasErrors() {
		var out []item
		for _, x := range exprs {
			if s, rng, ok := l.text(x); ok {
				out = append(out, item{s, rng})
			}
		}
		return out
	}
	v, diags := e.Value(l.eval)
	l.add(diags)
	if diags.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		// A value that is not known comes of a variable without one, which was reported there.
		return nil
	}
	if v.ContainsMarked() || !v.CanIterateElements() {
		l.errorf(e.Range(), "List expected", "A list of texts is wanted here, such as [\"a\", \"b\"].")
		return nil
	}
	var out []item
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		if x.Type() != cty.String || x.IsNull() {
			l.errorf(e.Range(), "List expected", "A list of texts is wanted here, such as [\"a\", \"b\"].")
			return out
		}
		out = append(out, item{x.AsString(), e.Range()})
	}
	return out
}

// pattern checks a pattern.
func (l *loader) pattern(s string, rng hcl.Range) bool {
	if _, err := glob.Compile(s); err != nil {
		l.errorf(rng, "Invalid pattern", "%q: %v. In patterns * stands for any text and ? for one character.", s, err)
		return false
	}
	return true
}

// oneOf reads a list whose elements must be among a few.
func (l *loader) oneOf(e hcl.Expression, what string, choices []string) []string {
	var out []string
	for _, t := range l.texts(e) {
		if !slices.Contains(choices, t.s) {
			l.errorf(t.rng, "Unknown "+what, "%q is none of %s.%s", t.s, strings.Join(choices, ", "), didYouMean(t.s, choices))
			continue
		}
		out = append(out, t.s)
	}
	return out
}

func (l *loader) patterns(e hcl.Expression) []string {
	var out []string
	for _, t := range l.texts(e) {
		if l.pattern(t.s, t.rng) {
			out = append(out, t.s)
		}
	}
	return out
}

var (
	classes = []string{"compliance", "alarm", "configuration", "activity", "health", "gap"}
	groups  = []string{"policy", "severity", "resource", "resource_type", "account", "region", "class", "key"}
)

func (l *loader) route(b *hcl.Block) {
	var raw struct {
		On    hcl.Expression `hcl:"on"`
		Match *struct {
			Severity     hcl.Expression    `hcl:"severity,optional"`
			Policy       hcl.Expression    `hcl:"policy,optional"`
			ResourceType hcl.Expression    `hcl:"resource_type,optional"`
			Account      hcl.Expression    `hcl:"account,optional"`
			Region       hcl.Expression    `hcl:"region,optional"`
			Action       hcl.Expression    `hcl:"action,optional"`
			Labels       map[string]string `hcl:"labels,optional"`
		} `hcl:"match,block"`
		GroupBy       hcl.Expression `hcl:"group_by,optional"`
		GroupWait     hcl.Expression `hcl:"group_wait,optional"`
		GroupInterval hcl.Expression `hcl:"group_interval,optional"`
		Repeat        hcl.Expression `hcl:"repeat,optional"`
		SendResolved  *bool          `hcl:"send_resolved,optional"`
		WaitForActor  hcl.Expression `hcl:"wait_for_actor,optional"`
		FollowUp      bool           `hcl:"follow_up,optional"`
		Notify        hcl.Expression `hcl:"notify"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	r := &Route{Name: b.Labels[0], SendResolved: raw.SendResolved == nil || *raw.SendResolved, Where: Range(b.DefRange)}
	for _, c := range l.oneOf(raw.On, "class", classes) {
		r.On = append(r.On, verdict.Class(c))
	}
	if len(r.On) == 0 && !l.problems.HasErrors() {
		l.errorf(b.DefRange, "Route without classes", "on names what is routed: some of %s.", strings.Join(classes, ", "))
	}
	if m := raw.Match; m != nil {
		r.Match = Match{
			Severity: l.oneOf(m.Severity, "severity", severities()), Policy: l.patterns(m.Policy), ResourceType: l.patterns(m.ResourceType),
			Account: l.patterns(m.Account), Region: l.patterns(m.Region), Action: l.patterns(m.Action), Labels: m.Labels,
		}
	}
	for _, t := range l.texts(raw.GroupBy) {
		if !slices.Contains(groups, t.s) && !strings.HasPrefix(t.s, "label.") {
			l.errorf(t.rng, "Unknown group", "%q is none of %s, nor label.NAME.%s", t.s, strings.Join(groups, ", "), didYouMean(t.s, groups))
			continue
		}
		r.GroupBy = append(r.GroupBy, t.s)
	}
	l.duration(raw.GroupWait, "group_wait", &r.GroupWait)
	l.duration(raw.GroupInterval, "group_interval", &r.GroupInterval)
	l.duration(raw.Repeat, "repeat", &r.Repeat)
	l.actor(raw.WaitForActor, r)
	if r.FollowUp = raw.FollowUp; r.FollowUp && !slices.Contains(r.On, verdict.ClassCompliance) {
		l.errorf(b.DefRange, "Nothing to follow up", "follow_up tells who caused findings, and this route has none: add \"compliance\" to on, or leave it out.")
	}
	r.Notify = l.notifiers(raw.Notify, "notify")
	l.c.Routes = append(l.c.Routes, r)
}

// notifiers resolves references such as notifier.webhook.ops, without evaluating them. name is the
// attribute's.
func (l *loader) notifiers(e hcl.Expression, name string) []record.Instance {
	exprs, diags := hcl.ExprList(e)
	if diags.HasErrors() {
		l.errorf(e.Range(), "List expected", "%s is a list of notifiers: [notifier.webhook.ops].", name)
		return nil
	}
	var known []string
	for _, n := range l.c.Notifiers {
		known = append(known, string(n.ID))
	}
	var out []record.Instance
	for _, x := range exprs {
		t, diags := hcl.AbsTraversalForExpr(x)
		ref := traversal(t)
		if diags.HasErrors() || !strings.HasPrefix(ref, "notifier.") || len(t) != 3 {
			l.errorf(x.Range(), "Reference expected", "A notifier is named without quotes, as notifier.PLUGIN.NAME.")
			continue
		}
		if !slices.Contains(known, ref) {
			l.errorf(x.Range(), "Unknown notifier", "There is no %s.%s", ref, didYouMean(ref, known))
			continue
		}
		out = append(out, record.Instance(ref))
	}
	if len(exprs) == 0 {
		l.errorf(e.Range(), "Empty "+name, "%s names at least one notifier.", name)
	}
	return out
}

func traversal(t hcl.Traversal) string {
	var parts []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			parts = append(parts, s.Name)
		case hcl.TraverseAttr:
			parts = append(parts, s.Name)
		}
	}
	return strings.Join(parts, ".")
}
