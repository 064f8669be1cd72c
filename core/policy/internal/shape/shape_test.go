package shape

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPaths says of schemas which paths they have. A path in parentheses must not be there; "=" is
// followed by the kinds of value.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, schema, paths string }{
		{"no schema", `{}`, "a a.b.c 0.x ="},
		{"true", `true`, "a.b"},
		{"not a schema", `false`, "a.b"},
		{"closed by its properties", `{"properties":{"a":{"type":"string"}}}`, "a (b) (a.b) (0)"},
		{"open beside its properties", `{"properties":{"a":{"type":"string"}},"additionalProperties":true}`, "a b.c (a.b)"},
		{"closed", `{"type":"object","additionalProperties":false}`, "(a)"},
		{"object without properties", `{"type":"object"}`, "a.b"},
		{"map", `{"additionalProperties":{"properties":{"x":{}}}}`, "any.x.y (any.z)"},
		{"pattern", `{"patternProperties":{"^a":{"type":"number"}}}`, "anything (a.b)"},
		{"array", `{"items":{"properties":{"a":{}}}}`, "0.a 17.a (0.b) (a)"},
		{"tuple", `{"prefixItems":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`, "0.a 0.b 5.c"},
		{"tuple of old", `{"items":[{"properties":{"a":{}}}]}`, "0.a 0.b"},
		{"nullable", `{"type":["object","null"],"properties":{"a":{}}}`, "a (b)"},
		{"anyOf", `{"anyOf":[{"properties":{"a":{}}},{"properties":{"b":{}}},{"type":"null"}]}`, "a b (c)"},
		{"anyOf beside properties", `{"properties":{"x":{}},"oneOf":[{"properties":{"a":{}}},{"required":["x"]}]}`, "x a (b)"},
		{"allOf", `{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{"properties":{"c":{}}}}}]}`, "a b.c (b.d) (c)"},
		{"allOf with one open", `{"allOf":[{"properties":{"a":{}},"additionalProperties":true},{"properties":{"b":{}}}]}`, "a b c"},
		{"if then else", `{"properties":{"k":{}},"if":{},"then":{"properties":{"a":{}}},"else":{"properties":{"b":{}}}}`, "k a b (c)"},
		{"ref", `{"$ref":"#/$defs/x","$defs":{"x":{"properties":{"a":{}}}}}`, "a (b)"},
		{"ref with escapes", `{"$ref":"#/$defs/x~1y~0z","$defs":{"x/y~z":{"properties":{"a":{}}}}}`, "a (b)"},
		{"ref beside properties", `{"$ref":"#/$defs/x","properties":{"b":{}},"$defs":{"x":{"properties":{"a":{}}}}}`, "a b (c)"},
		{"recursion", `{"properties":{"next":{"$ref":"#"},"a":{}}}`, "next.next.next.a (next.next.b)"},
		{"recursion in arrays", `{"properties":{"list":{"items":{"$ref":"#"}}}}`, "list.0.list.0 (list.0.a)"},
		{"a circle of refs", `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`, "x.y"},
		{"ref to elsewhere", `{"$ref":"https://example.com/x"}`, "a"},
		{"ref to nothing", `{"$ref":"#/$defs/nope"}`, "a"},
		{"enum", `{"enum":["a",1]}`, "(a)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := Parse([]byte(c.schema))
			if err != nil {
				t.Fatal(err)
			}
			for path := range strings.FieldsSeq(strings.TrimSuffix(c.paths, "=")) {
				want := path[0] != '('
				at, ok := v, true
				for name := range strings.SplitSeq(strings.Trim(path, "()"), ".") {
					if at, ok = at.Member(name); !ok {
						break
					}
				}
				if ok != want {
					t.Errorf("%s: there is %t, want %t", path, ok, want)
				}
			}
		})
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{}`: "anything", `{"type":"integer"}`: "a number", `{"type":["string","null"]}`: "null or a string",
		`{"enum":["a",1,null]}`: "null or a number or a string", `{"const":true}`: "a boolean",
		`{"anyOf":[{"type":"string"},{"type":"array"}]}`: "a string or an array", `{"properties":{"a":{}}}`: "an object",
		`{"items":{}}`: "an array", `{"type":"colour"}`: "anything", `{"anyOf":[{"type":"string"},{}]}`: "anything",
		`{"allOf":[{"type":["string","null"]},{"type":"string"}]}`: "a string",
	} {
		v, err := Parse([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Kinds().String(); got != want {
			t.Errorf("%s: %s, want %s", schema, got, want)
		}
	}
}

func TestLowered(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"a": true, "b": true, "next": true}
	const rest = `"\u0000rest":{}`
	for _, c := range []struct {
		name, want string
		schemas    []string
	}{
		{"scalar", `{"type":"string"}`, []string{`{"type":"string"}`}},
		{"nullable is anything", `{}`, []string{`{"type":["string","null"]}`}},
		{"union", `{"anyOf":[{"type":"number"},{"type":"string"}]}`, []string{`{"type":["string","integer"]}`}},
		{"only what is used", `{"properties":{` + rest + `,"a":{"type":"string"}},"type":"object"}`, []string{`{"properties":{"a":{"type":"string"},"z":{}}}`}},
		{"open is open", `{"type":"object"}`, []string{`{"properties":{"a":{}},"additionalProperties":true}`}},
		{"array", `{"items":{"type":"number"},"type":"array"}`, []string{`{"items":{"type":"integer"}}`}},
		{"recursion ends", `{"properties":{` + rest + `,"next":{"properties":{` + rest + `,"next":{}},"type":"object"}},"type":"object"}`, []string{`{"properties":{"next":{"$ref":"#"}}}`}},
		{
			"two types", `{"properties":{` + rest + `,"a":{"anyOf":[{"type":"number"},{"type":"string"}]},"b":{"type":"boolean"}},"type":"object"}`,
			[]string{`{"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"number"},"b":{"type":"boolean"}}}`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var vs []View
			for _, s := range c.schemas {
				v, err := Parse([]byte(s))
				if err != nil {
					t.Fatal(err)
				}
				vs = append(vs, v)
			}
			got, err := json.Marshal(Lowered(vs, used))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("lowered differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLoweredIsBounded gives types that refer to each other in every order.
func TestLoweredIsBounded(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	var defs, props []string
	for i := range 12 {
		name := fmt.Sprintf("t%d", i)
		used[name] = true
		props = append(props, fmt.Sprintf(`%q:{"$ref":"#/$defs/%s"}`, name, name))
	}
	for i := range 12 {
		defs = append(defs, fmt.Sprintf(`"t%d":{"properties":{%s}}`, i, strings.Join(props, ",")))
	}
	v, err := Parse([]byte(`{"$ref":"#/$defs/t0","$defs":{` + strings.Join(defs, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(Lowered([]View{v}, used))
	if err != nil || len(b) > 1<<20 {
		t.Errorf("lowered to %d bytes, %v", len(b), err)
	}
}

func TestOver(t *testing.T) {
	t.Parallel()
	known := map[string]View{"tags": Map(Scalar(String)), "configuration": Any()}
	schema, err := Parse([]byte(`{"properties":{"configuration":{"properties":{"a":{}}},"tags":{},"more":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	v := Over(known, schema)
	if got, want := v.Names(), []string{"configuration", "more", "tags"}; !slices.Equal(got, want) {
		t.Errorf("members are %v, want %v", got, want)
	}
	tags, _ := v.Member("tags")
	if of, _ := tags.Values(); of.Kinds() != String {
		t.Errorf("tags are %s", of.Kinds())
	}
	conf, _ := v.Member("configuration")
	if _, ok := conf.Member("b"); ok {
		t.Error("the configuration is open")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for pointer, want := range map[string][]string{
		"": nil, "/": {""}, "/a/b": {"a", "b"}, "/a~1b/~0/~01": {"a/b", "~", "~1"}, "/a//b": {"a", "", "b"},
	} {
		got, err := Tokens(pointer)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", pointer, got, err, want)
		}
	}
	if _, err := Tokens("a/b"); err == nil {
		t.Error("a pointer without a slash is accepted")
	}
}

// FuzzShape reads anything as a JSON Schema and walks around in it.
func FuzzShape(f *testing.F) {
	for _, s := range []string{
		`{}`, `true`, `false`, `{"$ref":"#"}`, `{"$ref":"#/a","a":{"$ref":"#/b"},"b":{"$ref":"#/a"}}`,
		`{"properties":{"a":{"$ref":"#"}},"anyOf":[{"$ref":"#"},{"type":["object","null"]}]}`,
		`{"allOf":[{"$ref":"#"},{"properties":{"a":{"items":{"$ref":"#/properties/a"}}}}],"properties":{"a":{}}}`,
		`{"type":5,"enum":[1,null,"a",[],{}],"items":[{},true],"prefixItems":[5],"additionalProperties":{"$ref":"#/nowhere"}}`,
		`{"oneOf":[{"allOf":[{"oneOf":[{"$ref":"#"}]}]}],"patternProperties":{"(":{}},"then":{"$ref":"#"},"dependentSchemas":{"a":{"$ref":"#"}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		v, err := Parse(schema)
		if err != nil {
			return
		}
		var walk func(v View, depth int)
		walk = func(v View, depth int) {
			if depth > 3 || len(v) > 64 {
				return
			}
			for _, name := range append(v.Names(), "0", "x") {
				if next, ok := v.Member(name); ok {
					walk(next, depth+1)
				}
			}
			if next, ok := v.Values(); ok {
				walk(next, depth+1)
			}
			v.Kinds()
			v.IsAny()
		}
		walk(v, 0)
		doc := Lowered([]View{v, v}, map[string]bool{"a": true, "x": true})
		if _, err := json.Marshal(doc); err != nil {
			t.Errorf("%s is lowered to %v: %v", schema, doc, err)
		}
	})
}
