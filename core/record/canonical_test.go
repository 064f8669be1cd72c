package record

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"members are sorted", `{"b":1,"a":{"d":[],"c":{}}}`, `{"a":{"c":{},"d":[]},"b":1}`},
		{"a name sorts before its extensions", `{"ab":1,"a":2}`, `{"a":2,"ab":1}`},
		{"white space goes", " {\n\t\"a\" : [ 1 , 2 ] }\r\n", `{"a":[1,2]}`},
		{"numbers keep their literal", `[9007199254740993,1.0,1e2,-0,0.10]`, `[9007199254740993,1.0,1e2,-0,0.10]`},
		{"escapes are the shortest", `"\u0041\/\u00e9\u001f\n\u2028\ud83d\ude00"`, "\"A/é\\u001f\\n\u2028😀\""},
		{"escaped quotes stay escaped", `"a\"b\\c\u0022"`, `"a\"b\\c\""`},
		{"many members", `{"z":1,"y":2,"x":{"q":1,"p":[{"b":0,"a":0}]},"w":4}`, `{"w":4,"x":{"p":[{"a":0,"b":0}],"q":1},"y":2,"z":1}`},
		{"literals", `[true,false,null]`, `[true,false,null]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Canonical([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"nothing", ``, "byte 0: ends in the middle of a value"},
		{"half an object", `{"a":`, "byte 5: ends in the middle of a value"},
		{"two values", `{} {}`, "byte 3: more than one JSON value"},
		{"a member twice", `{"a":1,"a":2}`, `member "a" stands twice in one object`},
		{"a member twice, escaped", `{"a":1,"b":3,"\u0061":2}`, `member "a" stands twice in one object`},
		{"deep nesting", strings.Repeat("[", 65) + strings.Repeat("]", 65), "nested deeper than 64 levels"},
		{"not UTF-8", "\"\xff\"", "string is not UTF-8"},
		{"a lone surrogate", `"\ud800"`, "lone surrogate in a string"},
		{"a leading zero", `01`, "more than one JSON value"},
		{"a control character", "\"a\nb\"", "control character in a string"},
		{"a trailing comma", `[1,]`, "does not begin a value"},
		{"NaN", `NaN`, "does not begin a value"},
		{"a number that nobody can calculate with", `1e70000`, "number has more than 8192 digits, or a larger exponent"},
		{"an exponent that is no number itself", `1e-99999999999999999999`, "or a larger exponent"},
		{"a number that is too long", strings.Repeat("1", 8193), "number has more than 8192 digits"},
		{"a bare point", `1.`, "expected a digit after the decimal point"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Canonical([]byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestPlainSpan puts every byte at every place of two words and compares with a look at each byte.
func TestPlainSpan(t *testing.T) {
	t.Parallel()
	for size := range 18 {
		for at := range size {
			for b := range 256 {
				for _, fill := range []byte{'a', 0x7f, 0x20, '!', '#', '[', ']', 0xe9} {
					src := bytes.Repeat([]byte{fill}, size)
					src[at] = byte(b)
					want, wide := 0, false
					for want < size && plain[src[want]] {
						wide = wide || src[want] >= 0x80
						want++
					}
					if got, gotWide := plainSpan(src, 0); got != want || gotWide != wide {
						t.Fatalf("%q: %d %t, want %d %t", src, got, gotWide, want, wide)
					}
				}
			}
		}
	}
}

// FuzzCanonical compares with encoding/json, which accepts more (members named twice, bytes that are
// not UTF-8, lone surrogates) but never less, and which sorts the members of a map.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{"b":1,"a":[true,null,{"x":"\u00e9"}]}`, `[1.50e+3,"\ud83d\ude00"]`, `"\\\""`, `{"a":{"a":{}}}`, `-0.0`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := Canonical(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Fatalf("accepted what is not JSON: %q", in)
		}
		again, err := Canonical(got)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("canonical form is not stable: %q then %q (%v)", got, again, err)
		}
		dec := json.NewDecoder(bytes.NewReader(in))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		ref := bytes.TrimSuffix(want.Bytes(), []byte("\n"))
		// encoding/json sorts by the decoded name and escapes U+2028 and DEL differently; only inputs
		// without escapes can be compared byte by byte.
		if !bytes.ContainsAny(ref, `\`) && !bytes.Equal(got, ref) {
			t.Fatalf("got %s, encoding/json says %s", got, ref)
		}
		// The walkers must survive whatever Canonical accepted.
		members(in, func(name, value []byte) bool { text(name); text(value); return true })
		elements(in, func(value []byte) { text(value) })
		p, _ := NewPaths("/a/*/b", "/*")
		if out := p.Rewrite(nil, in, func([]byte) []byte { return []byte(`"x"`) }); !json.Valid(out) {
			t.Fatalf("rewrite of %s made %s", in, out)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	for _, c := range []struct{ name, in string }{
		{"sorted", `{"action":"iam:CreateUser","actor":{"id":"a","type":"IAMUser"},"detail":{"a":1,"b":"some text of ordinary length that stands for a field","c":[1,2,3]}}`},
		{"unsorted", `{"detail":{"b":"some text of ordinary length that stands for a field","a":1,"c":[1,2,3]},"action":"iam:CreateUser","actor":{"type":"IAMUser","id":"a"}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			in := []byte(c.in)
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var canon Canon
			var buf []byte
			for b.Loop() {
				buf, _ = canon.Append(buf[:0], in)
			}
		})
	}
}
