package policy

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// FuzzLocate compares looking for a text in the bytes with looking for it in the parsed document. It
// may err only towards finding it, and where no member stands twice not at all.
func FuzzLocate(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d), "a", "b", "d")
	}
	f.Add([]byte(` { "x\"" : [1, {"a":"\\"}], "a" : { "b\u0062" : {}, "bb" : "te\u0078t" } } `), "a", "bb", "text")
	f.Add([]byte(`{"a":"\\\"","b":"\\"}`), "b", "", `\`)
	f.Fuzz(func(t *testing.T, body []byte, one, two, value string) {
		v, err := Parse(body)
		if err != nil {
			return
		}
		path := []string{one, two}
		if two == "" {
			path = path[:1]
		}
		c := check{path: path, values: []string{value}}
		got := c.holdsAt(body, locate(body, path))
		at, ok := v.at(path)
		if ok && len(path) == 2 {
			// Elements of arrays are no members.
			if parent, _ := v.at(path[:1]); parent != nil {
				_, ok = parent.(ast.Object)
			}
		}
		if _, object := v.v.(ast.Object); !object {
			ok = false
		}
		s, isText := at.(ast.String)
		want := ok && isText && string(s) == value
		if want && !got && !twice(body) {
			t.Fatalf("%q does not find %q at %q", body, value, path)
		}
		if got && !want && !twice(body) {
			t.Fatalf("%q finds %q at %q", body, value, path)
		}
	})
}

// twice reports whether some object of a document names a member twice, which intake refuses.
func twice(body []byte) bool {
	found := false
	var walk func(at int) int
	walk = func(at int) int {
		at = skipSpace(body, at)
		if body[at] != '{' && body[at] != '[' {
			return skipValue(body, at)
		}
		names := map[string]bool{}
		closing := map[byte]byte{'{': '}', '[': ']'}[body[at]]
		object := body[at] == '{'
		for at = skipSpace(body, at+1); body[at] != closing; at = skipSpace(body, at) {
			if body[at] == ',' {
				at = skipSpace(body, at+1)
			}
			if object {
				end := skipText(body, at)
				v, err := Parse(body[at:end])
				if err != nil {
					return end
				}
				name := string(v.v.(ast.String))
				found = found || names[name]
				names[name] = true
				at = skipSpace(body, skipSpace(body, end)+1)
			}
			at = walk(at)
		}
		return at + 1
	}
	walk(0)
	return found
}
