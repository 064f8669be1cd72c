package policy

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// checkReads finds references that go over all resources of a type and wants custom.reads_all to say
// so. What depends on values is found at evaluation instead.
func (b *builder) checkReads(c *candidate, r *ast.Rule) {
	bound := ast.NewVarSet()
	for _, a := range r.Head.Args {
		addVars(bound, a)
	}
	b.readsIn(c, r.Body, bound)
	for rule := r; rule != nil; rule = rule.Else {
		if rule != r {
			b.readsIn(c, rule.Body, bound.Copy())
		}
		for _, t := range []*ast.Term{rule.Head.Key, rule.Head.Value} {
			if t != nil {
				b.readsTerm(c, t, bound)
			}
		}
	}
}

// readsIn walks a body in the order in which it is evaluated, so that a variable without a value is
// one that a reference iterates over.
func (b *builder) readsIn(c *candidate, body ast.Body, bound ast.VarSet) {
	for _, e := range body {
		ast.WalkTerms(e, func(t *ast.Term) bool {
			switch t.Value.(type) {
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				return true
			case ast.Ref:
				b.readsTerm(c, t, bound)
			}
			return false
		})
		ast.WalkClosures(e, func(x any) bool {
			inner := bound.Copy()
			switch x := x.(type) {
			case *ast.ArrayComprehension:
				b.readsIn(c, x.Body, inner)
			case *ast.SetComprehension:
				b.readsIn(c, x.Body, inner)
			case *ast.ObjectComprehension:
				b.readsIn(c, x.Body, inner)
			case *ast.Every:
				addVars(inner, x.Value)
				if x.Key != nil {
					addVars(inner, x.Key)
				}
				b.readsIn(c, x.Body, inner)
			}
			return true
		})
		if !e.Negated {
			addVars(bound, e)
		}
	}
}

func addVars(to ast.VarSet, x any) {
	ast.WalkVars(x, func(v ast.Var) bool {
		to.Add(v)
		return false
	})
}

// readsTerm judges one reference to data.resources or data.resources_in.
func (b *builder) readsTerm(c *candidate, t *ast.Term, bound ast.VarSet) {
	ref, ok := t.Value.(ast.Ref)
	if !ok || len(ref) < 2 || !ref[0].Equal(ast.DefaultRootDocument) {
		return
	}
	root, _ := ref[1].Value.(ast.String)
	at, shown := 2, ""
	switch root {
	case "resources":
		shown = "data.resources[type][id]"
	case "resources_in":
		at, shown = 4, "data.resources_in[account][region][type][id]"
	default:
		return
	}
	where := dialect.Range(orLocation(t.Location, ref[0].Location))
	all := len(ref) <= at+1
	for i := 2; i < len(ref) && i <= at+1; i++ {
		all = all || iterates(ref[i], bound)
	}
	if !all {
		return
	}
	typeName := ""
	if len(ref) > at {
		s, ok := ref[at].Value.(ast.String)
		if !ok && !iterates(ref[at], bound) && root == "resources" {
			// The type is only known at evaluation, and then it is looked at.
			return
		}
		typeName = string(s)
	}
	if typeName == "" {
		b.errorf(c, where, "Policy reads resources of all types",
			"%s goes over every resource there is. Look one up as %s, or name the type and list it under custom.reads_all.", "data."+string(root), shown)
		return
	}
	if slices.Contains(c.policy.ReadsAll, typeName) {
		return
	}
	b.errorf(c, where, "Policy reads all resources of a type",
		"This goes over every %s. Look one up by its id as %s; or add reads_all: [%[1]s] under custom, and the policy runs again whenever any of them changes, at most once a minute.", typeName, fmt.Sprintf("data.resources[%q][id]", typeName))
}

// iterates reports whether a term of a reference has no value before the reference is evaluated.
func iterates(t *ast.Term, bound ast.VarSet) bool {
	v, ok := t.Value.(ast.Var)
	return ok && !bound.Contains(v)
}
