package shape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a JSON Schema. What it does not understand it takes for anything: it must never
// call a path wrong that the schema allows. The one exception is that an object that declares members
// and does not say additionalProperties has no others: schemas are written down in the hope that
// misspellings are found.
func Parse(schema []byte) (View, error) {
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
	return Of(doc), nil
}

// Of reads a schema that JSON has decoded.
func Of(doc any) View {
	p := &shapeParser{root: doc, refs: map[string]*shape{}}
	return p.schema(doc, 0)
}

type shapeParser struct {
	root any
	refs map[string]*shape
}

// maxSchemaDepth bounds schemas that nest without end; deeper there is anything.
const maxSchemaDepth = 64

func (p *shapeParser) schema(x any, depth int) View {
	m, ok := x.(map[string]any)
	if !ok || depth > maxSchemaDepth {
		return View{anything}
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
			if own := p.schema(rest, depth+1); !own.IsAny() {
				return View{merge(append(slices.Clone(v), own...))}
			}
		}
		return v
	}
	base := p.plain(m, depth)
	// What must hold as well adds its members.
	parts := View{}
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
		base = merge(append(View{base}, parts...))
	}
	var alternatives View
	for _, k := range [...]string{"anyOf", "oneOf"} {
		list, _ := m[k].([]any)
		for _, e := range list {
			alternatives = append(alternatives, p.schema(e, depth+1)...)
		}
	}
	switch {
	case len(alternatives) == 0:
		return View{base}
	case base == anything:
		return alternatives
	}
	// Each alternative has the members of the base too.
	var out View
	for _, a := range alternatives.flatten() {
		out = append(out, merge(View{base, a}))
	}
	return out
}

// ref ties a reference within the document; others lead to anything.
func (p *shapeParser) ref(ref string, depth int) View {
	if s, ok := p.refs[ref]; ok {
		return View{s}
	}
	s := &shape{}
	p.refs[ref] = s
	target, ok := p.resolve(ref)
	if !ok {
		s.either = View{anything}
		return View{s}
	}
	s.either = p.schema(target, depth+1)
	if len(s.either) == 1 && s.either[0] == s {
		// A schema that is nothing but a reference to itself says nothing.
		s.either = View{anything}
	}
	return View{s}
}

func (p *shapeParser) resolve(ref string) (any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, false
	}
	tokens, err := Tokens(pointer)
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
		s.props = make(map[string]View, len(props))
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
			s.kinds = Object
		case s.items != nil:
			s.kinds = Array
		case s.open:
			return anything
		}
	}
	return s
}

// kindOf returns the kind of a value that JSON has decoded.
func kindOf(v any) Kinds {
	switch v.(type) {
	case nil:
		return Null
	case bool:
		return Boolean
	case json.Number, float64, int, int64:
		return Number
	case string:
		return String
	case []any:
		return Array
	case map[string]any:
		return Object
	}
	return 0
}

// Tokens splits a JSON pointer.
func Tokens(pointer string) ([]string, error) {
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
