package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// usedNames collects every text that stands in the package's rules, which holds every member that a
// reference can name.
func usedNames(c *candidate) map[string]bool {
	used := map[string]bool{}
	for _, s := range c.sources {
		for _, r := range s.module.Rules {
			ast.WalkTerms(r, func(t *ast.Term) bool {
				if v, ok := t.Value.(ast.String); ok {
					used[string(v)] = true
				}
				return false
			})
		}
	}
	return used
}

// attachSchema returns the module with its package's schema attached for OPA's checker. The parsed
// module is shared with the cache and with other generations, so it is not changed.
func attachSchema(m *ast.Module, schema ast.Ref) *ast.Module {
	cpy := *m
	var a *ast.Annotations
	for i, old := range m.Annotations {
		if old.Scope == "package" {
			a = old.Copy(m.Package)
			cpy.Annotations = slices.Clone(m.Annotations)
			cpy.Annotations[i] = a
		}
	}
	if a == nil {
		return m
	}
	a.Schemas = []*ast.SchemaAnnotation{{Path: ast.InputRootRef, Schema: schema}}
	return &cpy
}

// sound reports whether a type error of OPA's holds for items too. OPA takes every declared member
// for present, so it finds that two objects differ where one merely leaves something out; and what
// has to do with null is said better by our own checker.
func sound(e *ast.Error) bool {
	switch d := e.Details.(type) {
	case *ast.UnificationErrDetail:
		return !(holdsObject(d.Left) && holdsObject(d.Right)) && !isNull(d.Left) && !isNull(d.Right)
	case *ast.ArgErrDetail:
		for i, have := range d.Have {
			if i < len(d.Want.Args) && have != nil && holdsObject(have) && holdsObject(d.Want.Args[i]) {
				return false
			}
		}
	}
	return true
}

func isNull(t types.Type) bool {
	_, ok := t.(types.Null)
	return ok
}

func holdsObject(t types.Type) bool {
	switch t := t.(type) {
	case *types.Object:
		return true
	case *types.Array:
		for i := range t.Len() {
			if holdsObject(t.Select(i)) {
				return true
			}
		}
		return t.Dynamic() != nil && holdsObject(t.Dynamic())
	case *types.Set:
		return t.Of() != nil && holdsObject(t.Of())
	case types.Any:
		return slices.ContainsFunc(t, holdsObject)
	case *types.NamedType:
		return holdsObject(t.Type)
	}
	return false
}
