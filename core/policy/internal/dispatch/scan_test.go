package dispatch

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzLocate compares looking for a text in the bytes with looking for it in the decoded document.
// Bytes are such as intake accepts: JSON, in which no object names a member twice.
func FuzzLocate(f *testing.F) {
	for _, d := range []string{
		`{}`, `[]`, `"a"`, `{"a":"b"}`, `{"a":{"b":"c"}}`, `{"a":1,"b":[true,false,null,{"c":"d"}]}`,
		` { "x\"" : [1, {"a":"\\"}], "a" : { "b\u0062" : {}, "bb" : "te\u0078t" } } `,
		`{"a":"\\\"","b":"\\"}`, `{"":{"":""}}`, `{"a":["b"],"b":"\ud83d\ude00"}`, `{"é":"é"}`,
	} {
		f.Add([]byte(d), "a", "b", "c")
		f.Add([]byte(d), "a", "bb", "text")
		f.Add([]byte(d), "b", "", `\`)
	}
	f.Fuzz(func(t *testing.T, body []byte, one, two, value string) {
		var doc any
		if !utf8.Valid(body) || json.Unmarshal(body, &doc) != nil || twice(body) {
			return
		}
		path := []string{one, two}
		if two == "" {
			path = path[:1]
		}
		at, ok := doc, true
		for _, name := range path {
			m, is := at.(map[string]any)
			if at, ok = m[name]; !is || !ok {
				ok = false
				break
			}
		}
		text, isText := at.(string)
		want := ok && isText && text == value
		c := check{path: path, values: []string{value}}
		if got := c.holdsAt(body, locate(body, path)); got != want {
			t.Fatalf("%q at %q in %q: %t, want %t", value, path, body, got, want)
		}
		// A set is another way through.
		c.set = map[string]struct{}{value: {}}
		if got := c.holdsAt(body, locate(body, path)); got != want {
			t.Fatalf("%q among others at %q in %q: %t, want %t", value, path, body, got, want)
		}
	})
}

// TestLocateGarbage gives what is no JSON: the answer must not be no.
func TestLocateGarbage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":"x`, `{a:1}`, `{"b":[`, `{"b":"`, `{"b" 1}`, `{"\u00"`, `{"a":"\u00"}`} {
		c := check{path: []string{"a"}, values: []string{"x"}}
		if !c.holdsAt([]byte(body), locate([]byte(body), c.path)) {
			t.Errorf("%q leaves the policy out", body)
		}
	}
}

// twice reports whether some object of a document names a member twice.
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
				var name string
				if json.Unmarshal(body[at:end], &name) != nil {
					return end
				}
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
