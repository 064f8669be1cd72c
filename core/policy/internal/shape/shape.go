package shape

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kinds is a set of JSON's kinds of value; the empty set stands for all of them.
type Kinds uint8

// The kinds of JSON value.
const (
	Null Kinds = 1 << iota
	Boolean
	Number
	String
	Array
	Object
)

var kindNames = map[string]Kinds{
	"null": Null, "boolean": Boolean, "number": Number, "integer": Number,
	"string": String, "array": Array, "object": Object,
}

// Allows reports whether a value of kind k may stand where ks is expected.
func (ks Kinds) Allows(k Kinds) bool { return ks == 0 || ks&k != 0 }

// String words the set for a sentence: "a number or null".
func (ks Kinds) String() string {
	var names []string
	for _, n := range [...]struct {
		kind Kinds
		text string
	}{{Null, "null"}, {Boolean, "a boolean"}, {Number, "a number"}, {String, "a string"}, {Array, "an array"}, {Object, "an object"}} {
		if ks&n.kind != 0 {
			names = append(names, n.text)
		}
	}
	if len(names) == 0 {
		return "anything"
	}
	return strings.Join(names, " or ")
}

// shape is what a JSON Schema says about the values at one place, as far as paths go: which members
// and elements there can be. It is immutable once its schema is parsed.
type shape struct {
	kinds Kinds
	// open says that there may be members beyond props, of any shape.
	open bool
	// extra is the shape of members beyond props, nil where there are none.
	extra View
	props map[string]View
	items View
	// either, where set, are the shapes that this one stands for; everything else is empty then. It
	// is how references are tied, recursive ones too.
	either View
}

// View is the alternatives that a place has; the empty View stands for anything.
type View []*shape

// anything is the shape of what no schema describes.
var anything = &shape{open: true}

// flatten resolves references. The result has no either, and holds anything alone where one of the
// alternatives is that.
func (v View) flatten() View {
	simple := true
	for _, s := range v {
		simple = simple && s.either == nil
	}
	if simple && len(v) > 0 {
		return v
	}
	var out View
	seen := map[*shape]bool{}
	var walk func(View)
	walk = func(v View) {
		for _, s := range v {
			if seen[s] {
				continue
			}
			seen[s] = true
			if s.either != nil {
				walk(s.either)
			} else {
				out = append(out, s)
			}
		}
	}
	walk(v)
	if len(out) == 0 {
		return View{anything}
	}
	return out
}

// Kinds returns what kinds of value can stand here, 0 for all.
func (v View) Kinds() Kinds {
	var ks Kinds
	for _, s := range v.flatten() {
		if s.kinds == 0 {
			return 0
		}
		ks |= s.kinds
	}
	return ks
}

// IsAny reports whether nothing is known.
func (v View) IsAny() bool {
	for _, s := range v.flatten() {
		if s == anything {
			return true
		}
	}
	return false
}

// Member returns what stands at a member or element of this name; ok is false where none can.
func (v View) Member(name string) (next View, ok bool) {
	for _, s := range v.flatten() {
		if s.kinds.Allows(Object) {
			if p, is := s.props[name]; is {
				next, ok = append(next, or(p)...), true
				continue
			}
			if s.extra != nil {
				next, ok = append(next, s.extra...), true
			}
			if s.open {
				next, ok = append(next, anything), true
			}
		}
		if s.kinds.Allows(Array) && s.kinds != 0 {
			if _, err := strconv.ParseUint(name, 10, 31); err == nil {
				next, ok = append(next, or(s.items)...), true
			}
		}
	}
	return next, ok
}

func or(v View) View {
	if len(v) == 0 {
		return View{anything}
	}
	return v
}

// Values returns what stands at the members and elements taken together; ok is false where there can
// be none.
func (v View) Values() (next View, ok bool) {
	for _, s := range v.flatten() {
		if s.kinds.Allows(Object) {
			for _, name := range slices.Sorted(maps.Keys(s.props)) {
				next = append(next, or(s.props[name])...)
				ok = true
			}
			if s.extra != nil {
				next, ok = append(next, s.extra...), true
			}
			if s.open {
				next, ok = append(next, anything), true
			}
		}
		if s.kinds.Allows(Array) && s.kinds != 0 {
			next, ok = append(next, or(s.items)...), true
		}
	}
	return next, ok
}

// Names lists the members that are declared here.
func (v View) Names() []string {
	set := map[string]bool{}
	for _, s := range v.flatten() {
		for name := range s.props {
			set[name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// merge makes one shape of several that hold together: the members of all, of kinds that all allow.
func merge(parts View) *shape {
	out := &shape{kinds: 0, open: true}
	members := false
	for _, s := range parts.flatten() {
		if s == anything {
			continue
		}
		switch {
		case out.kinds == 0:
			out.kinds = s.kinds
		case s.kinds != 0 && out.kinds&s.kinds != 0:
			out.kinds &= s.kinds
		case s.kinds != 0:
			// They contradict each other; whatever comes is not for us to judge.
			out.kinds |= s.kinds
		}
		if len(s.props) > 0 || s.extra != nil || !s.open {
			members = true
		}
		for name, v := range s.props {
			if out.props == nil {
				out.props = map[string]View{}
			}
			out.props[name] = append(slices.Clone(out.props[name]), v...)
		}
		out.extra = append(out.extra, s.extra...)
		out.items = append(out.items, s.items...)
	}
	if out.kinds == 0 && !members && out.items == nil {
		return anything
	}
	// An allOf of closed parts allows, to the letter, no member at all; what is meant are the members
	// of all parts.
	out.open = !members
	for _, s := range parts.flatten() {
		if s != anything && s.open && (len(s.props) > 0 || s.extra != nil) {
			out.open = true
		}
	}
	return out
}

// Scalar is the shape of a value without members.
func Scalar(ks Kinds) View { return View{{kinds: ks}} }

// Obj is the shape of an object with exactly these members.
func Obj(props map[string]View) View { return View{{kinds: Object, props: props}} }

// Map is the shape of an object whose members all have one shape.
func Map(of View) View { return View{{kinds: Object, extra: of}} }

// List is the shape of an array of elements of one shape.
func List(of View) View { return View{{kinds: Array, items: of}} }

// Any is the shape of what no schema describes.
func Any() View { return View{anything} }

// Nullable is v or null.
func Nullable(v View) View { return append(slices.Clone(v), &shape{kinds: Null}) }

// Over lays what a schema says of an object's members over what is known of them anyway. A schema
// that says nothing of a member does not take away what is known.
func Over(props map[string]View, schema View) View {
	props = maps.Clone(props)
	open := false
	for _, s := range schema.flatten() {
		if len(schema) == 0 || s == anything {
			break
		}
		for _, name := range slices.Sorted(maps.Keys(s.props)) {
			v := s.props[name]
			if _, known := props[name]; !known || !v.IsAny() {
				props[name] = v
			}
		}
		open = open || s.open && len(s.props) > 0
	}
	return View{{kinds: Object, props: props, open: open}}
}
