package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// OPA's type checker is given what the policy can use of its types' schemas and no more: the members
// that the package names somewhere. Its cost grows with the schema, and a resource type of AWS easily
// has a thousand members.

// maxLowered is how many schemas are written for one policy; types that refer to each other in
// circles have no end of them.
const maxLowered = 5_000

// lowered writes the alternatives of several types as one schema that OPA's checker understands.
// used are the names that the package mentions.
func lowered(vs []view, used map[string]bool) map[string]any {
	l := lowerer{used: used, left: maxLowered}
	return l.schema(vs, 0, nil)
}

type lowerer struct {
	used map[string]bool
	left int
}

func (l *lowerer) schema(vs []view, depth int, above []*shape) map[string]any {
	if l.left--; l.left < 0 {
		return map[string]any{}
	}
	var all view
	for _, v := range vs {
		if v == nil {
			continue
		}
		for _, s := range v.flatten() {
			if s == anything || slices.Contains(above, s) {
				return map[string]any{}
			}
			all = append(all, s)
		}
	}
	var ks kinds
	for _, s := range all {
		if s.kinds == 0 {
			return map[string]any{}
		}
		ks |= s.kinds
	}
	// OPA has no word for null in a schema: what may be null may be anything.
	if len(all) == 0 || ks&kindNull != 0 || depth > 16 {
		return map[string]any{}
	}
	above = append(slices.Clone(above), all...)
	var out []any
	for _, one := range [...]struct {
		kind kinds
		name string
	}{{kindBoolean, "boolean"}, {kindNumber, "number"}, {kindString, "string"}} {
		if ks&one.kind != 0 {
			out = append(out, map[string]any{"type": one.name})
		}
	}
	if ks&kindArray != 0 {
		a := map[string]any{"type": "array"}
		var items []view
		for _, s := range all {
			if s.kinds&kindArray != 0 {
				items = append(items, or(s.items))
			}
		}
		if sub := l.schema(items, depth+1, above); len(sub) > 0 {
			a["items"] = sub
		}
		out = append(out, a)
	}
	if ks&kindObject != 0 {
		out = append(out, l.object(all, depth, above))
	}
	if len(out) == 1 {
		return out[0].(map[string]any)
	}
	return map[string]any{"anyOf": out}
}

func (l *lowerer) object(all view, depth int, above []*shape) map[string]any {
	o := map[string]any{"type": "object"}
	members := map[string][]view{}
	for _, s := range all {
		if s.kinds&kindObject == 0 {
			continue
		}
		if s.open || s.extra != nil {
			// OPA cannot mix declared members with others.
			return o
		}
		for name, v := range s.props {
			if l.used[name] {
				members[name] = append(members[name], or(v))
			}
		}
	}
	props := map[string]any{dialect.RestOf: map[string]any{}}
	for name, vs := range members {
		props[name] = l.schema(vs, depth+1, above)
	}
	o["properties"] = props
	return o
}

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
