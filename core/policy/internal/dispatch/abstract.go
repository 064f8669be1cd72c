package dispatch

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// abstract is what is known of a term: that it stands for a path of the event, that it is one of a
// few values, both, or neither.
type abstract struct {
	path   []string
	isPath bool
	values []ast.Value
	finite bool
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
