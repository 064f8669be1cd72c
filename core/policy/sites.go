package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/policy/internal/shape"
)

// site is a place in the input (or in another resource) that a term stands for.
type site struct {
	// path is how the place is shown: input.resource.configuration.
	path string
	// views are what the policy's types have there, in the order of checker.types; nil where a type
	// has no such place.
	views []shape.View
}

func (s site) known() bool { return s.views != nil }

// same reports whether two sites are one place.
func (s site) same(o site) bool { return s.path == o.path && s.known() == o.known() }

// bind finds the sites of a rule's variables; with calls it notes what is passed to functions.
func (k *checker) bind(r *ast.Rule, calls bool) {
	vars := k.vars[r]
	set := func(t *ast.Term, s site) {
		if v, ok := t.Value.(ast.Var); ok && s.known() {
			if old, bound := vars[v]; bound && old.path != s.path {
				s = site{path: s.path} // stands for two places: unknown
			} else if bound && !old.known() {
				return
			}
			vars[v] = s
		}
	}
	if sites := k.args[ruleKey(r)]; sites != nil {
		for i, a := range r.Head.Args {
			if i < len(sites) {
				set(a, sites[i])
			}
		}
	}
	k.exprs(r, func(e *ast.Expr) {
		if every, ok := e.Terms.(*ast.Every); ok {
			if d := k.site(r, every.Domain); d.known() {
				set(every.Value, k.each(d))
			}
			return
		}
		terms, ok := e.Terms.([]*ast.Term)
		if !ok {
			return
		}
		switch op := terms[0].String(); {
		case e.IsEquality() && len(terms) == 3:
			set(terms[1], k.site(r, terms[2]))
			set(terms[2], k.site(r, terms[1]))
		case op == "object.get" && len(terms) == 5:
			if s, ok := k.objectGet(r, terms, nil); ok && !isComposite(terms[3]) {
				set(terms[4], s)
			}
		case calls && strings.HasPrefix(op, "data."):
			k.call(r, op, terms[1:])
		}
	})
}

// isComposite reports whether a default could bring members of its own.
func isComposite(t *ast.Term) bool {
	switch v := t.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		return false
	case ast.Object:
		return v.Len() > 0
	case *ast.Array:
		return v.Len() > 0
	}
	return true
}

// call notes what a call passes to a function of the package.
func (k *checker) call(r *ast.Rule, op string, args []*ast.Term) {
	if !strings.HasPrefix(op, "data."+string(k.c.policy.ID)+".") {
		return
	}
	old, called := k.passed[op]
	sites := make([]site, len(args))
	for i, a := range args {
		sites[i] = k.site(r, a)
		if called && i < len(old) && (old[i].path != sites[i].path || !old[i].known()) {
			// Two calls pass different things, or something that is not in the input.
			sites[i] = site{path: "?"}
		}
	}
	k.passed[op] = sites
}

// settle finds the site that a rule's value stands for.
func (k *checker) settle(r *ast.Rule, into map[string]site) {
	if len(r.Head.Args) > 0 {
		return
	}
	key := ruleKey(r)
	for rule := r; rule != nil; rule = rule.Else {
		var s site
		switch {
		case rule.Default:
		case rule.Head.RuleKind() == ast.MultiValue && rule.Head.Key != nil:
			s = k.site(r, rule.Head.Key)
		case rule.Head.Value != nil:
			s = k.site(r, rule.Head.Value)
		}
		if old, ok := into[key]; ok && (old.path != s.path || !s.known()) {
			s = site{path: "?"}
		}
		into[key] = s
	}
}

// ruleKey is the path of a compiled rule.
func ruleKey(r *ast.Rule) string { return r.Ref().GroundPrefix().String() }

// exprs calls fn for the expressions of a rule, nested ones included, that see the policy's own
// input.
func (k *checker) exprs(r *ast.Rule, fn func(*ast.Expr)) {
	visit := func(e *ast.Expr) bool {
		if len(e.With) > 0 {
			return true
		}
		fn(e)
		return false
	}
	ast.WalkExprs(r.Head, visit)
	ast.WalkExprs(r.Body, visit)
	if r.Else != nil {
		ast.WalkExprs(r.Else, visit)
	}
}

// site returns what a term stands for, without complaining about it.
func (k *checker) site(r *ast.Rule, t *ast.Term) site {
	switch v := t.Value.(type) {
	case ast.Var:
		return k.vars[r][v]
	case ast.Ref:
		s, rest := k.head(r, v)
		for _, step := range rest {
			if !s.known() {
				return s
			}
			s, _ = k.step(s, step)
		}
		return s
	}
	return site{}
}

// head returns what the first terms of a reference stand for, and the others.
func (k *checker) head(r *ast.Rule, ref ast.Ref) (site, ast.Ref) {
	v, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return site{}, nil
	case v == ast.InputRootDocument.Value:
		return k.root, ref[1:]
	case v == ast.DefaultRootDocument.Value:
		return k.dataHead(ref)
	}
	return k.vars[r][v], ref[1:]
}

// dataHead resolves references to rules of the package and to resources whose type has a schema.
func (k *checker) dataHead(ref ast.Ref) (site, ast.Ref) {
	if len(ref) >= 4 && ref[1].Equal(ast.InternedTerm("resources")) {
		if t, ok := ref[2].Value.(ast.String); ok && k.b.shapes[string(t)] != nil {
			return k.other(string(t), fmt.Sprintf("data.resources[%q][…]", string(t))), ref[4:]
		}
	}
	if len(ref) >= 6 && ref[1].Equal(ast.InternedTerm("resources_in")) {
		if t, ok := ref[4].Value.(ast.String); ok && k.b.shapes[string(t)] != nil {
			return k.other(string(t), fmt.Sprintf("data.resources_in[…][…][%q][…]", string(t))), ref[6:]
		}
	}
	depth := len(k.c.sources[0].pkg) + 2
	if len(ref) < depth {
		return site{}, nil
	}
	key := ref[:depth].String()
	s, ok := k.rules[key]
	if !ok || !s.known() {
		return site{}, nil
	}
	rest := ref[depth:]
	rules := k.b.compiler.GetRulesExact(ref[:depth])
	if len(rules) > 0 && rules[0].Head.RuleKind() == ast.MultiValue {
		// The next term picks an element; its members come after.
		if len(rest) == 0 {
			return site{}, nil
		}
		rest = rest[1:]
	}
	return s, rest
}

// other is the site of a resource that is not the subject.
func (k *checker) other(resourceType, path string) site {
	s := site{path: path, views: make([]shape.View, len(k.root.views))}
	item := itemShape(k.b.shapes[resourceType])
	for i := range s.views {
		s.views[i] = item
	}
	return s
}

// step goes to a member. missing are the types that have none there; where all lack it the site is
// still known, with no views, and missing is as long as the list of types.
func (k *checker) step(s site, t *ast.Term) (next site, missing []int) {
	if s.open() {
		// Nothing is known further down; the site keeps the name of where that began.
		return s, nil
	}
	name, constant := stepName(t)
	if !constant {
		next = k.each(s)
		return next, nil
	}
	next = site{path: s.path + dotted(name), views: make([]shape.View, len(s.views))}
	for i, v := range s.views {
		if v == nil {
			continue
		}
		if m, ok := v.Member(name); ok {
			next.views[i] = m
		} else {
			missing = append(missing, i)
		}
	}
	return next, missing
}

// each is what stands at any member or element.
func (k *checker) each(s site) site {
	if s.open() {
		return s
	}
	next := site{path: s.path + "[_]", views: make([]shape.View, len(s.views))}
	for i, v := range s.views {
		if m, ok := v.Values(); ok && v != nil {
			next.views[i] = m
		}
	}
	return next
}

// stepName returns the name of a constant step.
func stepName(t *ast.Term) (string, bool) {
	switch v := t.Value.(type) {
	case ast.String:
		return string(v), true
	case ast.Number:
		return string(v), true
	}
	return "", false
}

func dotted(name string) string {
	if isName(name) {
		return "." + name
	}
	if _, err := strconv.Atoi(name); err == nil {
		return "[" + name + "]"
	}
	return "[" + strconv.Quote(name) + "]"
}

// lacking reports whether no type has the site.
func (s site) lacking() bool {
	return s.known() && !slices.ContainsFunc(s.views, func(v shape.View) bool { return v != nil })
}

// open reports whether nothing is known of the site in any type that has it.
func (s site) open() bool {
	known := false
	for _, v := range s.views {
		known = known || v != nil && !v.IsAny()
	}
	return !known
}

// kinds returns what kinds of value any type has at the site, 0 where that is open.
func (s site) kinds() shape.Kinds {
	var ks shape.Kinds
	for _, v := range s.views {
		if v == nil {
			continue
		}
		one := v.Kinds()
		if one == 0 {
			return 0
		}
		ks |= one
	}
	return ks
}

// names lists the members that the types declare at the site.
func (s site) names() []string {
	var names []string
	for _, v := range s.views {
		if v != nil {
			names = append(names, v.Names()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
