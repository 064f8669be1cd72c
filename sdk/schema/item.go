package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Item returns the JSON Schema of an item whose configuration is the Go value v, by its json tags. A
// field whose tag says omitempty or omitzero may be missing; a pointer, slice or map may be null. The
// doc tag becomes the description. Below configuration no other members are allowed, so that policies
// can be checked against it.
func Item(v any) json.RawMessage {
	doc := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type":    "object",
		"properties": map[string]any{
			"configuration": typeSchema(reflect.TypeOf(v), map[reflect.Type]bool{}),
		},
		"required": []string{"configuration"},
	}
	// The map holds strings, booleans, lists and maps of those.
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func typeSchema(t reflect.Type, within map[reflect.Type]bool) map[string]any {
	nullable := false
	for t.Kind() == reflect.Pointer {
		t, nullable = t.Elem(), true
	}
	s := map[string]any{}
	typ := ""
	switch {
	case t == timeType:
		typ = "string"
		s["format"] = "date-time"
	case t == rawType || t.Kind() == reflect.Interface:
		return s
	case t.Kind() == reflect.String:
		typ = "string"
	case t.Kind() == reflect.Bool:
		typ = "boolean"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		typ = "integer"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		typ = "number"
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		typ, nullable = "array", nullable || t.Kind() == reflect.Slice
		s["items"] = typeSchema(t.Elem(), within)
	case t.Kind() == reflect.Map:
		typ, nullable = "object", true
		s["additionalProperties"] = typeSchema(t.Elem(), within)
	case t.Kind() == reflect.Struct:
		typ = "object"
		if within[t] {
			// A type within itself: below here anything goes.
			break
		}
		within[t] = true
		properties, required := map[string]any{}, []string{}
		structSchema(t, within, properties, &required)
		delete(within, t)
		s["properties"], s["additionalProperties"] = properties, false
		if len(required) > 0 {
			s["required"] = required
		}
	}
	if nullable {
		s["type"] = []string{typ, "null"}
	} else {
		s["type"] = typ
	}
	return s
}

func structSchema(t reflect.Type, within map[reflect.Type]bool, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			e := f.Type
			for e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			if e.Kind() == reflect.Struct {
				structSchema(e, within, properties, required)
				continue
			}
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		p := typeSchema(f.Type, within)
		if doc := f.Tag.Get("doc"); doc != "" {
			p["description"] = doc
		}
		properties[name] = p
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
}
