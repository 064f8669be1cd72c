package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What follows reads from compiled rules what an event must have for an alarm to match it. Whatever
// is not understood adds no condition, so the result errs towards running the policy.

// clause says that the text at a path of the event must be one of values.
type clause struct {
	path   []string
	values []string
}

// conjunction is clauses that must all hold. The empty one holds for every event.
type conjunction []clause

// The bounds of what is worked out; beyond them conditions are dropped.
const (
	maxAlternatives = 64
	maxValues       = 512
	maxInline       = 6
)

// abstract is what is known of a term: that it stands for a path of the event, that it is one of a
// few values, both, or neither.
type abstract struct {
	path   []string
	isPath bool
	values []ast.Value
	finite bool
}

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

// requirements returns the alternatives of which an event must meet one. A nil slice means that no
// event can match.
func (q *requirer) requirements(rules []*ast.Rule) []conjunction {
	var out []conjunction
	for _, r := range rules {
		alts := q.body(r.Body, newFrame(r.Body), 0)
		out = append(out, alts...)
	}
	return simplify(out)
}

// simplify keeps the list short; where it is not, one condition-free alternative stands for all.
func simplify(alts []conjunction) []conjunction {
	for _, a := range alts {
		if len(a) == 0 {
			return []conjunction{{}}
		}
	}
	if len(alts) > 4*maxAlternatives {
		return []conjunction{{}}
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
func (q *requirer) body(body ast.Body, f *frame, depth int) []conjunction {
	alts := []conjunction{{}}
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
func product(a, b []conjunction) []conjunction {
	if len(a)*len(b) > maxAlternatives {
		return a
	}
	out := make([]conjunction, 0, len(a)*len(b))
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
func (c conjunction) and(d conjunction) (conjunction, bool) {
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
			out[i] = clause{path: x.path, values: both}
			continue next
		}
		out = append(out, y)
	}
	return out, true
}

// expr returns the alternatives under which an expression can be true; ok is false where nothing is
// known of it.
func (q *requirer) expr(e *ast.Expr, f *frame, depth int) ([]conjunction, bool) {
	switch terms := e.Terms.(type) {
	case *ast.Term:
		switch v := terms.Value.(type) {
		case ast.Ref:
			if c, ok := q.keyed(v, f, depth); ok {
				return []conjunction{{c}}, true
			}
			return q.helper(v, nil, f, depth, true)
		case ast.Var:
			return q.truth(v, f, depth)
		}
	case []*ast.Term:
		switch op := terms[0].String(); {
		case e.IsEquality() && len(terms) == 3:
			if c, ok := q.equal(terms[1], terms[2], f, depth); ok {
				return []conjunction{{c}}, true
			}
			for _, t := range terms[1:] {
				// v := codes[input.event.error.code] holds only where there is such a key.
				if ref, ok := t.Value.(ast.Ref); ok {
					if c, ok := q.keyed(ref, f, depth); ok {
						return []conjunction{{c}}, true
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
				return []conjunction{{c}}, true
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

// keyed makes a clause of codes[input.event.error.code], which holds where the set has the text or
// the object the key.
func (q *requirer) keyed(ref ast.Ref, f *frame, depth int) (clause, bool) {
	last := ref[len(ref)-1]
	switch last.Value.(type) {
	case ast.Var, ast.Ref:
	default:
		return clause{}, false
	}
	key := q.abstract(last, f, depth)
	if !key.isPath {
		return clause{}, false
	}
	coll := q.abstract(ast.NewTerm(ref[:len(ref)-1]), f, depth)
	if !coll.finite {
		return clause{}, false
	}
	var keys []ast.Value
	for _, v := range coll.values {
		switch v := v.(type) {
		case ast.Set:
			v.Foreach(func(t *ast.Term) { keys = append(keys, t.Value) })
		case ast.Object:
			v.Foreach(func(k, _ *ast.Term) { keys = append(keys, k.Value) })
		default:
			return clause{}, false
		}
	}
	return newClause(key.path, keys)
}

// truth returns the alternatives under which a variable is true that holds the result of a
// comparison.
func (q *requirer) truth(v ast.Var, f *frame, depth int) ([]conjunction, bool) {
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
			return []conjunction{{c}}, true
		}
	case ast.Member.Name:
		if c, ok := q.contained(terms[1], terms[2], f, depth); ok {
			return []conjunction{{c}}, true
		}
	}
	return nil, false
}

// contained makes a clause of `path in {constants}`.
func (q *requirer) contained(elem, coll *ast.Term, f *frame, depth int) (clause, bool) {
	x, y := q.abstract(elem, f, depth), q.abstract(coll, f, depth)
	if !x.isPath || !y.finite {
		return clause{}, false
	}
	return newClause(x.path, members(y.values))
}

// equal makes a clause of an equality between a path and a constant.
func (q *requirer) equal(a, b *ast.Term, f *frame, depth int) (clause, bool) {
	x, y := q.abstract(a, f, depth), q.abstract(b, f, depth)
	if x.isPath && y.finite {
		return newClause(x.path, y.values)
	}
	if y.isPath && x.finite {
		return newClause(y.path, x.values)
	}
	return clause{}, false
}

// newClause makes a clause where all values are texts. One that is not could stand in the event as
// well, and the index compares texts only.
func newClause(path []string, values []ast.Value) (clause, bool) {
	if len(values) == 0 || len(values) > maxValues || len(path) == 0 {
		return clause{}, false
	}
	c := clause{path: path}
	for _, v := range values {
		s, ok := v.(ast.String)
		if !ok {
			return clause{}, false
		}
		c.values = append(c.values, string(s))
	}
	slices.Sort(c.values)
	c.values = slices.Compact(c.values)
	return c, true
}

// helper returns the alternatives under which a rule or function of the policies has a value, and,
// with truth, one that is not false.
func (q *requirer) helper(ref ast.Ref, args []*ast.Term, f *frame, depth int, truth bool) ([]conjunction, bool) {
	if depth >= maxInline || !ref[0].Equal(ast.DefaultRootDocument) || !ref.IsGround() {
		return nil, false
	}
	rules := q.compiler.GetRulesExact(ref)
	if len(rules) == 0 {
		return nil, false
	}
	var out []conjunction
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
			alts := []conjunction{{}}
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
						alts = product(alts, []conjunction{{{path: passed.path, values: []string{string(v)}}}})
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

// abstract works out what a term stands for.
func (q *requirer) abstract(t *ast.Term, f *frame, depth int) abstract {
	if depth > 2*maxInline {
		return abstract{}
	}
	switch v := t.Value.(type) {
	case ast.Var:
		a := f.args[v]
		for _, d := range f.defs[v] {
			if d.Value.Compare(v) == 0 {
				continue
			}
			b := q.abstract(d, f, depth+2)
			if b.isPath && !a.isPath {
				a.path, a.isPath = b.path, true
			}
			if b.finite && !a.finite {
				a.values, a.finite = b.values, true
			}
		}
		return a
	case ast.Ref:
		return q.ref(v, f, depth)
	}
	if ast.IsConstant(t.Value) {
		return abstract{values: []ast.Value{t.Value}, finite: true}
	}
	return abstract{}
}

// ref works out a reference: from the input, from a variable, or from a rule.
func (q *requirer) ref(ref ast.Ref, f *frame, depth int) abstract {
	var a abstract
	rest := ref[1:]
	switch head, isVar := ref[0].Value.(ast.Var); {
	case !isVar:
		return abstract{}
	case head == ast.InputRootDocument.Value:
		if len(rest) == 0 {
			return abstract{}
		}
		switch {
		case rest[0].Equal(ast.StringTerm("event")):
			a = abstract{isPath: true, path: []string{}}
		case rest[0].Equal(ast.StringTerm("parameters")) && q.params != nil:
			a = abstract{finite: true, values: []ast.Value{q.params}}
		}
		rest = rest[1:]
	case head == ast.DefaultRootDocument.Value:
		a, rest = q.rule(ref, depth)
	default:
		a = q.abstract(ref[0], f, depth+2)
	}
	for _, t := range rest {
		a = a.step(t)
	}
	return a
}

// step goes to a member. A variable may be any key.
func (a abstract) step(t *ast.Term) abstract {
	var next abstract
	if name, ok := t.Value.(ast.String); ok && a.isPath {
		next.isPath = true
		next.path = append(slices.Clone(a.path), string(name))
	}
	if a.finite {
		next.finite = true
		if ast.IsConstant(t.Value) {
			for _, v := range a.values {
				if m, err := v.Find(ast.Ref{t}); err == nil {
					next.values = append(next.values, m)
				}
			}
		} else {
			next.values = members(a.values)
		}
	}
	return next
}

// members are the elements of collections taken together.
func members(values []ast.Value) []ast.Value {
	var out []ast.Value
	for _, v := range values {
		switch v := v.(type) {
		case *ast.Array:
			v.Foreach(func(t *ast.Term) { out = append(out, t.Value) })
		case ast.Set:
			v.Foreach(func(t *ast.Term) { out = append(out, t.Value) })
		case ast.Object:
			v.Foreach(func(_, t *ast.Term) { out = append(out, t.Value) })
		}
	}
	return out
}

// rule works out a reference to a rule: one that stands for a path, or one whose values are all
// constants. rest are the terms after the rule's name.
func (q *requirer) rule(ref ast.Ref, depth int) (a abstract, rest ast.Ref) {
	n := 1
	var rules []*ast.Rule
	for n < len(ref) && len(rules) == 0 {
		n++
		rules = q.compiler.GetRulesExact(ref[:n])
	}
	if len(rules) == 0 || depth >= maxInline {
		return abstract{}, nil
	}
	rest = ref[n:]
	set := ast.NewSet()
	constant, isSet := true, rules[0].Head.RuleKind() == ast.MultiValue
	var values []ast.Value
	for _, r := range rules {
		if len(r.Head.Args) > 0 || len(r.Head.Ref()) != len(rules[0].Head.Ref()) || !r.Head.Ref().IsGround() {
			return abstract{}, nil
		}
		for ; r != nil; r = r.Else {
			v := r.Head.Value
			if isSet {
				v = r.Head.Key
			}
			switch {
			case v == nil:
				constant = false
			case ast.IsConstant(v.Value):
				values = append(values, v.Value)
				set.Add(v)
			default:
				constant = false
				if !isSet && len(rules) == 1 && r.Else == nil && rules[0] == r && !r.Default {
					if b := q.abstract(v, newFrame(r.Body), depth+2); b.isPath || b.finite {
						return b, rest
					}
				}
				one := q.abstract(v, newFrame(r.Body), depth+2)
				if !one.finite {
					return abstract{}, nil
				}
				values = append(values, one.values...)
				for _, x := range one.values {
					set.Add(ast.NewTerm(x))
				}
				constant = true
			}
			if !constant {
				return abstract{}, nil
			}
		}
	}
	if isSet {
		return abstract{finite: true, values: []ast.Value{set}}, rest
	}
	return abstract{finite: true, values: values}, rest
}

// valueVar returns the variable that a rule's value is, where it is one.
func valueVar(r *ast.Rule) (ast.Var, bool) {
	if r.Head.Value == nil {
		return "", false
	}
	v, ok := r.Head.Value.Value.(ast.Var)
	return v, ok
}
