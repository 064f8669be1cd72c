package dispatch

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What follows reads from compiled rules what an event must have for an alarm to match it. Whatever
// is not understood adds no condition, so the result errs towards running the policy.

// clause says that the text at a path of the event must be one of values.
type Clause struct {
	path   []string
	values []string
}

// conjunction is clauses that must all hold. The empty one holds for every event.
type Conjunction []Clause

// The bounds of what is worked out; beyond them conditions are dropped.
const (
	maxAlternatives = 64
	maxValues       = 512
	maxInline       = 6
)

// requirer works on one policy.
type requirer struct {
	compiler *ast.Compiler
	params   ast.Value
}

// frame is one rule's body: its variables, and what its arguments are bound to.
type frame struct {
	defs map[ast.Var][]*ast.Term
	// calls are those whose result is bound to a variable.
	calls map[ast.Var]*ast.Expr
	args  map[ast.Var]abstract
}

// Requirements returns the alternatives of which an event must meet one for some of the compiled
// rules to be true of it. No alternatives means that no event can. params are the parameters that the
// rules find under input.
func Requirements(compiler *ast.Compiler, params ast.Value, rules []*ast.Rule) []Conjunction {
	q := &requirer{compiler: compiler, params: params}
	var out []Conjunction
	for _, r := range rules {
		alts := q.body(r.Body, newFrame(r.Body), 0)
		out = append(out, alts...)
	}
	return simplify(out)
}

// simplify keeps the list short; where it is not, one condition-free alternative stands for all.
func simplify(alts []Conjunction) []Conjunction {
	for _, a := range alts {
		if len(a) == 0 {
			return []Conjunction{{}}
		}
	}
	if len(alts) > 4*maxAlternatives {
		return []Conjunction{{}}
	}
	return alts
}

// newFrame notes what must hold for the variables of a body. Only its own positive expressions
// count: what a comprehension or a negation says of a variable need not hold.
func newFrame(body ast.Body) *frame {
	f := &frame{defs: map[ast.Var][]*ast.Term{}, calls: map[ast.Var]*ast.Expr{}}
	for _, e := range body {
		terms, ok := e.Terms.([]*ast.Term)
		if !ok || e.Negated || len(e.With) > 0 || len(terms) < 3 {
			continue
		}
		if !e.IsEquality() {
			if v, ok := terms[len(terms)-1].Value.(ast.Var); ok {
				f.calls[v] = e
			}
			continue
		}
		if v, ok := terms[1].Value.(ast.Var); ok {
			f.defs[v] = append(f.defs[v], terms[2])
		}
		if v, ok := terms[2].Value.(ast.Var); ok {
			f.defs[v] = append(f.defs[v], terms[1])
		}
	}
	return f
}

// body returns the alternatives under which a body can be true.
func (q *requirer) body(body ast.Body, f *frame, depth int) []Conjunction {
	alts := []Conjunction{{}}
	for _, e := range body {
		if e.Negated || len(e.With) > 0 {
			continue
		}
		more, ok := q.expr(e, f, depth)
		if !ok {
			continue
		}
		alts = product(alts, more)
	}
	return alts
}

// product combines alternatives that must hold together; where there would be too many, the second
// ones are dropped.
func product(a, b []Conjunction) []Conjunction {
	if len(a)*len(b) > maxAlternatives {
		return a
	}
	out := make([]Conjunction, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if c, ok := x.and(y); ok {
				out = append(out, c)
			}
		}
	}
	return out
}

// and joins two conjunctions; ok is false where they contradict each other.
func (c Conjunction) and(d Conjunction) (Conjunction, bool) {
	out := slices.Clone(c)
next:
	for _, y := range d {
		for i, x := range out {
			if !slices.Equal(x.path, y.path) {
				continue
			}
			var both []string
			for _, v := range x.values {
				if slices.Contains(y.values, v) {
					both = append(both, v)
				}
			}
			if len(both) == 0 {
				return nil, false
			}
			out[i] = Clause{path: x.path, values: both}
			continue next
		}
		out = append(out, y)
	}
	return out, true
}

// expr returns the alternatives under which an expression can be true; ok is false where nothing is
// known of it.
func (q *requirer) expr(e *ast.Expr, f *frame, depth int) ([]Conjunction, bool) {
	switch terms := e.Terms.(type) {
	case *ast.Term:
		switch v := terms.Value.(type) {
		case ast.Ref:
			if c, ok := q.keyed(v, f, depth); ok {
				return []Conjunction{{c}}, true
			}
			if alts, ok := q.someOf(v, depth); ok {
				return alts, true
			}
			return q.helper(v, nil, f, depth, true)
		case ast.Var:
			return q.truth(v, f, depth)
		}
	case []*ast.Term:
		switch op := terms[0].String(); {
		case e.IsEquality() && len(terms) == 3:
			if c, ok := q.equal(terms[1], terms[2], f, depth); ok {
				return []Conjunction{{c}}, true
			}
			for _, t := range terms[1:] {
				// v := codes[input.event.error.code] holds only where there is such a key.
				if ref, ok := t.Value.(ast.Ref); ok {
					if c, ok := q.keyed(ref, f, depth); ok {
						return []Conjunction{{c}}, true
					}
					if alts, ok := q.someOf(ref, depth); ok {
						return alts, true
					}
				}
			}
			for _, pair := range [...][2]*ast.Term{{terms[1], terms[2]}, {terms[2], terms[1]}} {
				ref, isRef := pair[0].Value.(ast.Ref)
				if isRef && pair[1].Equal(ast.InternedTerm(true)) {
					return q.helper(ref, nil, f, depth, true)
				}
			}
		case op == ast.Member.Name && len(terms) == 3:
			if c, ok := q.contained(terms[1], terms[2], f, depth); ok {
				return []Conjunction{{c}}, true
			}
		case strings.HasPrefix(op, "data."):
			ref, ok := terms[0].Value.(ast.Ref)
			if !ok {
				return nil, false
			}
			arity := q.compiler.GetArity(ref)
			switch len(terms) - 1 {
			case arity:
				return q.helper(ref, terms[1:], f, depth, true)
			case arity + 1:
				return q.helper(ref, terms[1:1+arity], f, depth, false)
			}
		}
	}
	return nil, false
}

// someOf returns the alternatives under which a reference into a set that rules make, as of
// `some x in things`, can hold: the set must have an element, so one of its rules must be true.
func (q *requirer) someOf(ref ast.Ref, depth int) ([]Conjunction, bool) {
	if depth >= maxInline || !ref[0].Equal(ast.DefaultRootDocument) {
		return nil, false
	}
	for n := len(ref) - 1; n > 1; n-- {
		if !ref[:n].IsGround() {
			continue
		}
		rules := q.compiler.GetRulesExact(ref[:n])
		if len(rules) == 0 {
			continue
		}
		var out []Conjunction
		for _, r := range rules {
			if r.Head.RuleKind() != ast.MultiValue || !r.Head.Ref().IsGround() || len(r.Head.Args) > 0 || r.Default {
				return nil, false
			}
			out = append(out, q.body(r.Body, newFrame(r.Body), depth+1)...)
			if len(out) > maxAlternatives {
				return nil, false
			}
		}
		return out, true
	}
	return nil, false
}

// keyed makes a clause of codes[input.event.error.code], which holds where the set has the text or
// the object the key.
func (q *requirer) keyed(ref ast.Ref, f *frame, depth int) (Clause, bool) {
	last := ref[len(ref)-1]
	switch last.Value.(type) {
	case ast.Var, ast.Ref:
	default:
		return Clause{}, false
	}
	key := q.abstract(last, f, depth)
	if !key.isPath {
		return Clause{}, false
	}
	coll := q.abstract(ast.NewTerm(ref[:len(ref)-1]), f, depth)
	if !coll.finite {
		return Clause{}, false
	}
	var keys []ast.Value
	for _, v := range coll.values {
		switch v := v.(type) {
		case ast.Set:
			v.Foreach(func(t *ast.Term) { keys = append(keys, t.Value) })
		case ast.Object:
			v.Foreach(func(k, _ *ast.Term) { keys = append(keys, k.Value) })
		default:
			return Clause{}, false
		}
	}
	return newClause(key.path, keys)
}

// truth returns the alternatives under which a variable is true that holds the result of a
// comparison.
func (q *requirer) truth(v ast.Var, f *frame, depth int) ([]Conjunction, bool) {
	call := f.calls[v]
	if call == nil {
		return nil, false
	}
	terms := call.Terms.([]*ast.Term)
	if len(terms) != 4 {
		return nil, false
	}
	switch terms[0].String() {
	case ast.Equal.Name:
		if c, ok := q.equal(terms[1], terms[2], f, depth); ok {
			return []Conjunction{{c}}, true
		}
	case ast.Member.Name:
		if c, ok := q.contained(terms[1], terms[2], f, depth); ok {
			return []Conjunction{{c}}, true
		}
	}
	return nil, false
}

// contained makes a clause of `path in {constants}`.
func (q *requirer) contained(elem, coll *ast.Term, f *frame, depth int) (Clause, bool) {
	x, y := q.abstract(elem, f, depth), q.abstract(coll, f, depth)
	if !x.isPath || !y.finite {
		return Clause{}, false
	}
	return newClause(x.path, members(y.values))
}

// equal makes a clause of an equality between a path and a constant.
func (q *requirer) equal(a, b *ast.Term, f *frame, depth int) (Clause, bool) {
	x, y := q.abstract(a, f, depth), q.abstract(b, f, depth)
	if x.isPath && y.finite {
		return newClause(x.path, y.values)
	}
	if y.isPath && x.finite {
		return newClause(y.path, x.values)
	}
	return Clause{}, false
}

// newClause makes a clause where all values are texts. One that is not could stand in the event as
// well, and the index compares texts only.
func newClause(path []string, values []ast.Value) (Clause, bool) {
	if len(values) == 0 || len(values) > maxValues || len(path) == 0 {
		return Clause{}, false
	}
	c := Clause{path: path}
	for _, v := range values {
		s, ok := v.(ast.String)
		if !ok {
			return Clause{}, false
		}
		c.values = append(c.values, string(s))
	}
	slices.Sort(c.values)
	c.values = slices.Compact(c.values)
	return c, true
}

// helper returns the alternatives under which a rule or function of the policies has a value, and,
// with truth, one that is not false.
func (q *requirer) helper(ref ast.Ref, args []*ast.Term, f *frame, depth int, truth bool) ([]Conjunction, bool) {
	if depth >= maxInline || !ref[0].Equal(ast.DefaultRootDocument) || !ref.IsGround() {
		return nil, false
	}
	rules := q.compiler.GetRulesExact(ref)
	if len(rules) == 0 {
		return nil, false
	}
	var out []Conjunction
	for _, r := range rules {
		if r.Head.RuleKind() != ast.SingleValue || len(r.Head.Args) != len(args) || !r.Head.Ref().IsGround() {
			return nil, false
		}
		for ; r != nil; r = r.Else {
			isFalse := r.Head.Value != nil && r.Head.Value.Equal(ast.InternedTerm(false))
			if truth && isFalse {
				continue
			}
			if r.Default {
				return nil, false
			}
			inner := newFrame(r.Body)
			alts := []Conjunction{{}}
			possible := true
			for i, a := range r.Head.Args {
				passed := q.abstract(args[i], f, depth)
				switch v := a.Value.(type) {
				case ast.Var:
					if inner.args == nil {
						inner.args = map[ast.Var]abstract{}
					}
					inner.args[v] = passed
				case ast.String:
					if passed.isPath {
						alts = product(alts, []Conjunction{{{path: passed.path, values: []string{string(v)}}}})
					} else if passed.finite && !slices.ContainsFunc(passed.values, func(x ast.Value) bool { return ast.Compare(x, v) == 0 }) {
						possible = false
					}
				}
			}
			if !possible {
				continue
			}
			alts = product(alts, q.body(r.Body, inner, depth+1))
			if v, ok := valueVar(r); truth && ok {
				if more, ok := q.truth(v, inner, depth+1); ok {
					alts = product(alts, more)
				}
			}
			out = append(out, alts...)
			if len(out) > maxAlternatives {
				return nil, false
			}
		}
	}
	return out, true
}

// valueVar returns the variable that a rule's value is, where it is one.
func valueVar(r *ast.Rule) (ast.Var, bool) {
	if r.Head.Value == nil {
		return "", false
	}
	v, ok := r.Head.Value.Value.(ast.Var)
	return v, ok
}
