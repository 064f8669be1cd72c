package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// compile runs OPA's compiler over all packages at once. It returns false where the rules are not in
// a state to be looked at further.
func (b *builder) compile() bool {
	schemas := ast.NewSchemaSet()
	modules := make(map[string]*ast.Module, len(b.sources))
	bySource := map[*source]ast.Ref{}
	for i, c := range b.candidates {
		ref := ast.Ref{ast.VarTerm("schema"), ast.StringTerm(fmt.Sprint("p", i))}
		// What is wrong with a path is said by our own checker, so a package whose METADATA is
		// wrong needs no schema.
		if c.failed {
			continue
		}
		schemas.Put(ref, any(c.lowered))
		for _, s := range c.sources {
			bySource[s] = ref
		}
	}
	for _, s := range b.sources {
		modules[s.path] = s.module
		if ref, ok := bySource[s]; ok {
			modules[s.path] = attachSchema(s.module, ref)
		}
	}
	b.compiler = ast.NewCompiler().
		WithStrict(true).
		WithCapabilities(dialect.Capabilities()).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true).
		WithPathConflictsCheck(func(path []string) (bool, error) {
			return len(path) == 1 && (path[0] == "resources" || path[0] == "resources_in"), nil
		}).
		SetErrorLimit(0)
	b.compiler.Compile(modules)

	ok := true
	kept := b.compiler.Errors[:0:0]
	for _, e := range b.compiler.Errors {
		switch {
		case e.Code == ast.TypeErr && !sound(e):
			continue
		case e.Code != ast.TypeErr:
			ok = false
		}
		kept = append(kept, e)
	}
	// Evaluation refuses a compiler with errors, those included that are none.
	b.compiler.Errors = nil
	if !ok {
		for _, e := range kept {
			b.compileProblem(e)
		}
		return false
	}
	b.relate()
	// Our own checker goes first, and OPA's errors on lines of which it has spoken are left out.
	b.each(func(c *candidate) {
		if !c.failed {
			c.checker = newChecker(b, c)
			c.checker.check()
		}
	})
	spoken := map[string]bool{}
	for _, c := range b.candidates {
		if c.checker != nil {
			maps.Copy(spoken, c.checker.reported)
		}
	}
	for _, e := range kept {
		e.Location = b.relocate(e)
		if e.Location == nil || !spoken[lineKey(e.Location.File, e.Location.Row)] {
			b.compileProblem(e)
		}
	}
	return true
}

// relocate returns where an error stands. For a reference to a rule, OPA names whatever place the
// rule's name was last used in; so the reference is looked for.
func (b *builder) relocate(e *ast.Error) *ast.Location {
	d, ok := e.Details.(*ast.RefErrInvalidDetail)
	if !ok || !d.Ref[0].Equal(ast.DefaultRootDocument) {
		return e.Location
	}
	at := e.Location
	for _, s := range b.sources {
		ast.WalkTerms(b.compiler.Modules[s.path], func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && len(ref) == len(d.Ref) && ref.Equal(d.Ref) && ref[d.Pos].Location != nil {
				at = ref[d.Pos].Location
				return true
			}
			return false
		})
	}
	return at
}

// relate finds each package's compiled rules and all that they lead to.
func (b *builder) relate() {
	for _, c := range b.candidates {
		c.rules, c.closure = nil, nil
		for _, s := range c.sources {
			c.rules = append(c.rules, b.compiler.Modules[s.path].Rules...)
		}
		seen := map[*ast.Rule]bool{}
		var visit func(r *ast.Rule)
		visit = func(r *ast.Rule) {
			if seen[r] {
				return
			}
			seen[r] = true
			c.closure = append(c.closure, r)
			for d := range b.compiler.Graph.Dependencies(r) {
				if dep, ok := d.(*ast.Rule); ok {
					visit(dep)
				}
			}
		}
		for _, r := range c.rules {
			visit(r)
		}
		slices.SortFunc(c.closure, func(x, y *ast.Rule) int { return x.Location.Compare(y.Location) })
	}
}

// compileProblem shows an error of OPA's compiler.
func (b *builder) compileProblem(e *ast.Error) {
	where := dialect.Range(e.Location)
	summary, detail := dialect.CompileProblem(e, b.functions)
	b.errorf(b.owner(where), where, summary, "%s", detail)
}

// functions lists the functions that policies define, for suggestions.
func (b *builder) functions() []string {
	var names []string
	for _, s := range b.sources {
		for _, r := range s.module.Rules {
			if len(r.Head.Args) > 0 {
				names = append(names, "data."+s.id()+"."+r.Head.Ref().String())
			}
		}
	}
	return names
}

// owner returns the policy in whose file a place is.
func (b *builder) owner(where *diag.Range) *candidate {
	if where == nil {
		return nil
	}
	for _, s := range b.sources {
		if s.path == where.File {
			return b.byPackage[s.id()]
		}
	}
	return nil
}
