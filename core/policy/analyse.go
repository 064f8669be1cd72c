package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// analyse checks what only compiled rules show.
func (b *builder) analyse(c *candidate) {
	if c.failed {
		return
	}
	b.checkElements(c)
	for _, r := range c.closure {
		own := slices.Contains(c.rules, r)
		b.checkData(c, r, own)
		b.checkReads(c, r)
	}
	b.checkClock(c)
	b.note(c)
}

// checkClock wants a schedule where the policy asks the time: without one, its verdict would be that
// of the day on which the item last changed.
func (b *builder) checkClock(c *candidate) {
	if c.policy.Kind != KindCompliance || c.policy.Schedule > 0 {
		return
	}
	for _, r := range c.closure {
		var at *ast.Location
		ast.WalkExprs(r, func(e *ast.Expr) bool {
			if at == nil && e.IsCall() && e.Operator().String() == "time.now_ns" {
				at = orLocation(e.Location, r.Location)
			}
			return at != nil
		})
		if at != nil {
			b.errorf(c, dialect.Range(at), "Policy asks the time without a schedule",
				"time.now_ns is the time of evaluation, and items are only judged when they change. Add schedule under custom, like `schedule: 24h`.")
			return
		}
	}
}

// checkData refuses references to rules and packages that are not there. OPA would look for them in
// its data, find nothing, and let the rule be silently undefined.
func (b *builder) checkData(c *candidate, r *ast.Rule, own bool) {
	ast.WalkTerms(r, func(t *ast.Term) bool {
		if ref, ok := t.Value.(ast.Ref); ok && len(ref) > 1 && ref[0].Equal(ast.DefaultRootDocument) {
			b.checkDataRef(c, t, ref, own)
		}
		return false
	})
}

func (b *builder) checkDataRef(c *candidate, t *ast.Term, ref ast.Ref, own bool) {
	root, ok := ref[1].Value.(ast.String)
	if ok && (root == "resources" || root == "resources_in") {
		return
	}
	node := b.compiler.RuleTree.Child(ast.DefaultRootDocument.Value)
	for i := 1; i < len(ref) && node != nil; i++ {
		if len(node.Values) > 0 {
			break
		}
		name, constant := stepName(ref[i])
		if !constant {
			break
		}
		child := node.Child(ref[i].Value)
		if child != nil {
			node = child
			continue
		}
		var names []string
		for _, k := range node.Sorted {
			if s, ok := k.(ast.String); ok {
				names = append(names, string(s))
			}
		}
		where := dialect.Range(orLocation(ref[i].Location, t.Location))
		if i == 1 {
			names = append(names, "resources", "resources_in")
		}
		b.errorf(c, where, "No such rule", "There is no %s. %s holds %s.%s", ref[:i+1], ref[:i], dialect.Listed(names), dialect.DidYouMean(name, names))
		return
	}
	if !own || node == nil {
		return
	}
	// A policy that leans on another one changes its meaning when that one does.
	parts := strings.Split(string(c.policy.ID), ".")
	if len(ref) > len(parts) && (root == "compliance" || root == "alarms") {
		for i, p := range parts {
			if !ref[i+1].Equal(ast.StringTerm(p)) {
				b.warnf(c, dialect.Range(orLocation(t.Location, ref[0].Location)), "Policy uses another policy",
					"%s belongs to another policy, which sees the same input but may change for reasons of its own. Move what both need to a package below lib.", ref)
				return
			}
		}
	}
}

// note gathers what of the policy is not type-checked.
func (b *builder) note(c *candidate) {
	var open []string
	for i, t := range c.policy.ResourceTypes {
		resource, _ := c.inputs[i].Member("resource")
		if v, ok := resource.Member("configuration"); ok && v.IsAny() {
			open = append(open, t)
		}
	}
	say := func(format string, args ...any) {
		c.notes = append(c.notes, string(c.policy.ID)+": "+fmt.Sprintf(format, args...))
	}
	if len(open) > 0 {
		say("no collector declares a schema of %s; below input.resource.configuration nothing is checked", dialect.Listed(open))
	}
	if c.policy.Kind == KindAlarm {
		if mentions(c.rules, "detail") {
			say("input.event.detail is the source's own record; nothing below it is checked")
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.checker.notes)) {
		say("not checked: %s", n)
	}
	var unfollowed []string
	libs := map[string]bool{}
	for _, r := range c.closure {
		key := ruleKey(r)
		if !slices.Contains(c.rules, r) {
			if readsInput(r) {
				libs[key] = true
			}
			continue
		}
		if len(r.Head.Args) == 0 {
			continue
		}
		for i := range r.Head.Args {
			if args := c.checker.args[key]; i >= len(args) || !args[i].known() {
				unfollowed = append(unfollowed, ruleNameCompiled(r))
				break
			}
		}
	}
	slices.Sort(unfollowed)
	if unfollowed = slices.Compact(unfollowed); len(unfollowed) > 0 {
		say("arguments are not followed into %s", dialect.Listed(unfollowed))
	}
	if len(libs) > 0 {
		say("what %s reads of input is not checked", dialect.Listed(slices.Collect(maps.Keys(libs))))
	}
}

// mentions reports whether some reference to the event goes through a member of this name.
func mentions(rules []*ast.Rule, name string) bool {
	found := false
	for _, r := range rules {
		ast.WalkRefs(r, func(ref ast.Ref) bool {
			for _, t := range ref[1:] {
				found = found || t.Equal(ast.StringTerm(name))
			}
			return found
		})
	}
	return found
}

func readsInput(r *ast.Rule) bool {
	found := false
	ast.WalkRefs(r, func(ref ast.Ref) bool {
		found = found || ref[0].Equal(ast.InputRootDocument)
		return found
	})
	return found
}
