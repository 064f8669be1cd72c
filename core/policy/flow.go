package policy

import "github.com/open-policy-agent/opa/v1/ast"

// flow knows what the variables of one compiled rule are made of. The compiler has given every local
// variable of a rule a name of its own by then, so scopes need not be told apart.
type flow struct {
	rule *ast.Rule
	defs map[ast.Var][]definition
}

// definition is one way in which a variable gets its value: from a term, or as the result of a call.
type definition struct {
	term *ast.Term
	call *ast.Expr
	args []*ast.Term
}

func newFlow(r *ast.Rule) *flow {
	f := &flow{rule: r, defs: map[ast.Var][]definition{}}
	ast.WalkExprs(r.Body, func(e *ast.Expr) bool {
		f.note(e)
		return false
	})
	// Comprehensions may stand in the head as well.
	ast.WalkExprs(r.Head, func(e *ast.Expr) bool {
		f.note(e)
		return false
	})
	return f
}

func (f *flow) note(e *ast.Expr) {
	if e.Negated || len(e.With) > 0 {
		return
	}
	terms, ok := e.Terms.([]*ast.Term)
	if !ok || len(terms) < 3 {
		return
	}
	if e.IsEquality() {
		if v, ok := terms[1].Value.(ast.Var); ok {
			f.defs[v] = append(f.defs[v], definition{term: terms[2]})
		}
		if v, ok := terms[2].Value.(ast.Var); ok {
			f.defs[v] = append(f.defs[v], definition{term: terms[1]})
		}
		return
	}
	// The compiler has made every result of a call the last of its terms.
	if v, ok := terms[len(terms)-1].Value.(ast.Var); ok {
		f.defs[v] = append(f.defs[v], definition{call: e, args: terms[1 : len(terms)-1]})
	}
}

// values follows variables that stand for other terms; a term that is no such variable stands for
// itself.
func (f *flow) values(t *ast.Term) []*ast.Term { return f.follow(t, 0) }

func (f *flow) follow(t *ast.Term, depth int) []*ast.Term {
	v, ok := t.Value.(ast.Var)
	if !ok || depth > 8 {
		return []*ast.Term{t}
	}
	var out []*ast.Term
	for _, d := range f.defs[v] {
		if d.term != nil {
			if w, ok := d.term.Value.(ast.Var); ok && w == v {
				continue
			}
			out = append(out, f.follow(d.term, depth+1)...)
		}
	}
	if len(out) == 0 {
		return []*ast.Term{t}
	}
	return out
}

// start returns the constant text that a template string begins with.
func (f *flow) start(t *ast.Term) (string, bool) { return f.startOf(t, 0) }

func (f *flow) startOf(t *ast.Term, depth int) (string, bool) {
	v, ok := t.Value.(ast.Var)
	if !ok || depth > 8 {
		return "", false
	}
	for _, d := range f.defs[v] {
		if d.term != nil {
			if text, ok := f.startOf(d.term, depth+1); ok {
				return text, true
			}
			continue
		}
		if d.call.Operator().String() != ast.InternalTemplateString.Name || len(d.args) == 0 {
			continue
		}
		for _, parts := range f.values(d.args[0]) {
			if list, ok := parts.Value.(*ast.Array); ok && list.Len() > 0 {
				if text, ok := list.Elem(0).Value.(ast.String); ok {
					return string(text), true
				}
			}
		}
	}
	return "", false
}
