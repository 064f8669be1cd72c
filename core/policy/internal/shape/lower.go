package shape

import "slices"

// RestOf is the member that stands in a lowered schema for all that were left out, so that going over
// an object may still give anything. It is no name that a resource has, and it is not shown.
const RestOf = "\x00rest"

// maxLowered is how many schemas are written for one policy; types that refer to each other in
// circles have no end of them.
const maxLowered = 5_000

// Lowered writes the alternatives of several types as one schema that OPA's checker understands.
// used are the names that the package mentions.
func Lowered(vs []View, used map[string]bool) map[string]any {
	l := lowerer{used: used, left: maxLowered}
	return l.schema(vs, 0, nil)
}

type lowerer struct {
	used map[string]bool
	left int
}

func (l *lowerer) schema(vs []View, depth int, above []*shape) map[string]any {
	if l.left--; l.left < 0 {
		return map[string]any{}
	}
	var all View
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
	var ks Kinds
	for _, s := range all {
		if s.kinds == 0 {
			return map[string]any{}
		}
		ks |= s.kinds
	}
	// OPA has no word for null in a schema: what may be null may be anything.
	if len(all) == 0 || ks&Null != 0 || depth > 16 {
		return map[string]any{}
	}
	above = append(slices.Clone(above), all...)
	var out []any
	for _, one := range [...]struct {
		kind Kinds
		name string
	}{{Boolean, "boolean"}, {Number, "number"}, {String, "string"}} {
		if ks&one.kind != 0 {
			out = append(out, map[string]any{"type": one.name})
		}
	}
	if ks&Array != 0 {
		a := map[string]any{"type": "array"}
		var items []View
		for _, s := range all {
			if s.kinds&Array != 0 {
				items = append(items, or(s.items))
			}
		}
		if sub := l.schema(items, depth+1, above); len(sub) > 0 {
			a["items"] = sub
		}
		out = append(out, a)
	}
	if ks&Object != 0 {
		out = append(out, l.object(all, depth, above))
	}
	if len(out) == 1 {
		return out[0].(map[string]any)
	}
	return map[string]any{"anyOf": out}
}

func (l *lowerer) object(all View, depth int, above []*shape) map[string]any {
	o := map[string]any{"type": "object"}
	members := map[string][]View{}
	for _, s := range all {
		if s.kinds&Object == 0 {
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
	props := map[string]any{RestOf: map[string]any{}}
	for name, vs := range members {
		props[name] = l.schema(vs, depth+1, above)
	}
	o["properties"] = props
	return o
}
