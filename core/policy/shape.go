package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-dev/regent/core/record"
)

// kinds is a set of JSON's kinds of value; the empty set stands for all of them.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindNumber
	kindString
	kindArray
	kindObject
)

var kindNames = map[string]kinds{
	"null": kindNull, "boolean": kindBoolean, "number": kindNumber, "integer": kindNumber,
	"string": kindString, "array": kindArray, "object": kindObject,
}

// allows reports whether a value of kind k may stand where ks is expected.
func (ks kinds) allows(k kinds) bool { return ks == 0 || ks&k != 0 }

func (ks kinds) String() string {
	var names []string
	for _, n := range [...]struct {
		kind kinds
		text string
	}{{kindNull, "null"}, {kindBoolean, "a boolean"}, {kindNumber, "a number"}, {kindString, "a string"}, {kindArray, "an array"}, {kindObject, "an object"}} {
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
	kinds kinds
	// open says that there may be members beyond props, of any shape.
	open bool
	// extra is the shape of members beyond props, nil where there are none.
	extra view
	props map[string]view
	items view
	// either, where set, are the shapes that this one stands for; everything else is empty then. It
	// is how references are tied, recursive ones too.
	either view
}

// view is the alternatives that a place has; the empty view stands for anything.
type view []*shape

// anything is the shape of what no schema describes.
var anything = &shape{open: true}

// flatten resolves references. The result has no either, and holds anything alone where one of the
// alternatives is that.
func (v view) flatten() view {
	simple := true
	for _, s := range v {
		simple = simple && s.either == nil
	}
	if simple && len(v) > 0 {
		return v
	}
	var out view
	seen := map[*shape]bool{}
	var walk func(view)
	walk = func(v view) {
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
		return view{anything}
	}
	return out
}

// kinds returns what kinds of value can stand here, 0 for all.
func (v view) kinds() kinds {
	var ks kinds
	for _, s := range v.flatten() {
		if s.kinds == 0 {
			return 0
		}
		ks |= s.kinds
	}
	return ks
}

// isAny reports whether nothing is known.
func (v view) isAny() bool {
	for _, s := range v.flatten() {
		if s == anything {
			return true
		}
	}
	return false
}

// member returns what stands at a member or element of this name; ok is false where none can.
func (v view) member(name string) (next view, ok bool) {
	for _, s := range v.flatten() {
		if s.kinds.allows(kindObject) {
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
		if s.kinds.allows(kindArray) && s.kinds != 0 {
			if _, err := strconv.ParseUint(name, 10, 31); err == nil {
				next, ok = append(next, or(s.items)...), true
			}
		}
	}
	return next, ok
}

func or(v view) view {
	if len(v) == 0 {
		return view{anything}
	}
	return v
}

// values returns what stands at the members and elements taken together; ok is false where there can
// be none.
func (v view) values() (next view, ok bool) {
	for _, s := range v.flatten() {
		if s.kinds.allows(kindObject) {
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
		if s.kinds.allows(kindArray) && s.kinds != 0 {
			next, ok = append(next, or(s.items)...), true
		}
	}
	return next, ok
}

// names lists the members that are declared here.
func (v view) names() []string {
	set := map[string]bool{}
	for _, s := range v.flatten() {
		for name := range s.props {
			set[name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// parseShape reads a JSON Schema. What it does not understand it takes for anything: it must never
// call a path wrong that the schema allows. The one exception is that an object that declares members
// and does not say additionalProperties has no others: schemas are written down in the hope that
// misspellings are found.
func parseShape(schema []byte, cache *Cache) (view, error) {
	key := record.Sum(schema)
	if v, ok := cache.shape(key); ok {
		return v, nil
	}
	dec := json.NewDecoder(bytes.NewReader(schema))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("schema is not JSON: %w", err)
	}
	switch doc.(type) {
	case map[string]any, bool:
	default:
		return nil, fmt.Errorf("schema is neither an object nor true")
	}
	v := shapeOf(doc)
	cache.putShape(key, v)
	return v, nil
}

// shapeOf reads a schema that JSON has decoded.
func shapeOf(doc any) view {
	p := &shapeParser{root: doc, refs: map[string]*shape{}}
	return p.schema(doc, 0)
}

type shapeParser struct {
	root any
	refs map[string]*shape
}

// maxSchemaDepth bounds schemas that nest without end; deeper there is anything.
const maxSchemaDepth = 64

func (p *shapeParser) schema(x any, depth int) view {
	m, ok := x.(map[string]any)
	if !ok || depth > maxSchemaDepth {
		return view{anything}
	}
	if ref, ok := m["$ref"].(string); ok {
		// What stands beside a reference narrows it; paths are those of both.
		v := p.ref(ref, depth)
		if v[0].either == nil {
			// The reference leads back up to a schema that is being read.
			return v
		}
		if rest := maps.Clone(m); len(rest) > 1 {
			delete(rest, "$ref")
			if own := p.schema(rest, depth+1); !own.isAny() {
				return view{merge(append(slices.Clone(v), own...))}
			}
		}
		return v
	}
	base := p.plain(m, depth)
	// What must hold as well adds its members.
	parts := view{}
	for _, k := range [...]string{"allOf"} {
		list, _ := m[k].([]any)
		for _, e := range list {
			parts = append(parts, p.schema(e, depth+1)...)
		}
	}
	for _, k := range [...]string{"then", "else"} {
		if e, ok := m[k]; ok {
			parts = append(parts, p.schema(e, depth+1)...)
		}
	}
	if dependent, ok := m["dependentSchemas"].(map[string]any); ok {
		for _, k := range slices.Sorted(maps.Keys(dependent)) {
			parts = append(parts, p.schema(dependent[k], depth+1)...)
		}
	}
	if len(parts) > 0 {
		base = merge(append(view{base}, parts...))
	}
	var alternatives view
	for _, k := range [...]string{"anyOf", "oneOf"} {
		list, _ := m[k].([]any)
		for _, e := range list {
			alternatives = append(alternatives, p.schema(e, depth+1)...)
		}
	}
	switch {
	case len(alternatives) == 0:
		return view{base}
	case base == anything:
		return alternatives
	}
	// Each alternative has the members of the base too.
	var out view
	for _, a := range alternatives.flatten() {
		out = append(out, merge(view{base, a}))
	}
	return out
}

// ref ties a reference within the document; others lead to anything.
func (p *shapeParser) ref(ref string, depth int) view {
	if s, ok := p.refs[ref]; ok {
		return view{s}
	}
	s := &shape{}
	p.refs[ref] = s
	target, ok := p.resolve(ref)
	if !ok {
		s.either = view{anything}
		return view{s}
	}
	s.either = p.schema(target, depth+1)
	if len(s.either) == 1 && s.either[0] == s {
		// A schema that is nothing but a reference to itself says nothing.
		s.either = view{anything}
	}
	return view{s}
}

func (p *shapeParser) resolve(ref string) (any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, false
	}
	tokens, err := pointerTokens(pointer)
	if err != nil {
		return nil, false
	}
	at := p.root
	for _, t := range tokens {
		switch v := at.(type) {
		case map[string]any:
			if at, ok = v[t]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(t)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			at = v[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// plain reads the keywords of one schema that speak of its own value.
func (p *shapeParser) plain(m map[string]any, depth int) *shape {
	s := &shape{}
	unknown := false
	note := func(t any) {
		name, _ := t.(string)
		k, ok := kindNames[name]
		s.kinds |= k
		unknown = unknown || !ok
	}
	switch t := m["type"].(type) {
	case string:
		note(t)
	case []any:
		for _, e := range t {
			note(e)
		}
	}
	if unknown {
		s.kinds = 0
	}
	values, ok := m["enum"].([]any)
	if c, has := m["const"]; has {
		values, ok = []any{c}, true
	}
	if ok && s.kinds == 0 {
		for _, v := range values {
			s.kinds |= kindOf(v)
		}
	}
	props, _ := m["properties"].(map[string]any)
	if len(props) > 0 {
		s.props = make(map[string]view, len(props))
		for name, sub := range props {
			s.props[name] = p.schema(sub, depth+1)
		}
	}
	switch a := m["additionalProperties"].(type) {
	case bool:
		s.open = a
	case map[string]any:
		s.extra = p.schema(a, depth+1)
	default:
		// Members are neither declared nor forbidden: there may be any.
		s.open = len(props) == 0
	}
	if patterns, ok := m["patternProperties"].(map[string]any); ok && len(patterns) > 0 {
		if _, said := m["additionalProperties"]; !said {
			s.open = false
		}
		for _, k := range slices.Sorted(maps.Keys(patterns)) {
			s.extra = append(s.extra, p.schema(patterns[k], depth+1)...)
		}
	}
	if list, ok := m["prefixItems"].([]any); ok {
		for _, e := range list {
			s.items = append(s.items, p.schema(e, depth+1)...)
		}
		if items, ok := m["items"]; ok {
			s.items = append(s.items, p.schema(items, depth+1)...)
		} else {
			s.items = append(s.items, anything)
		}
	} else {
		switch items := m["items"].(type) {
		case map[string]any:
			s.items = p.schema(items, depth+1)
		case []any:
			for _, e := range items {
				s.items = append(s.items, p.schema(e, depth+1)...)
			}
			s.items = append(s.items, anything)
		}
	}
	if s.kinds == 0 {
		switch {
		case s.props != nil || s.extra != nil:
			s.kinds = kindObject
		case s.items != nil:
			s.kinds = kindArray
		case s.open:
			return anything
		}
	}
	return s
}

// merge makes one shape of several that hold together: the members of all, of kinds that all allow.
func merge(parts view) *shape {
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
				out.props = map[string]view{}
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

// kindOf returns the kind of a value that JSON has decoded.
func kindOf(v any) kinds {
	switch v.(type) {
	case nil:
		return kindNull
	case bool:
		return kindBoolean
	case json.Number, float64, int, int64:
		return kindNumber
	case string:
		return kindString
	case []any:
		return kindArray
	case map[string]any:
		return kindObject
	}
	return 0
}

// single reports whether the set has one member.
func (ks kinds) single() bool { return bits.OnesCount8(uint8(ks)) == 1 }

// pointerTokens splits a JSON pointer.
func pointerTokens(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("JSON pointer %q does not begin with a slash", pointer)
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		if strings.Contains(t, "~") {
			tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		}
	}
	return tokens, nil
}
