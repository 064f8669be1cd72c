package policy

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reference is the way by encoding/json.
func reference(body []byte) (ast.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var x any
	if err := dec.Decode(&x); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errTrailing
	}
	return ast.InterfaceToValue(x)
}

var documents = []string{
	`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `-1.50e+10`, `9007199254740993`, `""`, `"a"`,
	`{"a":1,"b":[true,false,null,{"c":"d"}],"a":2}`, ` [ 1 , 2 ] `, `"\u00e9\ud83d\ude00\n\"\\\/"`,
	`"\ud800"`, `"\ud800\u0041"`, `"\ud800\ud83d\ude00"`, "\"\xff\"", "\"\xc3\x28\"", `"é😀"`,
	`{"":{"":[]}}`, `[[[[]]]]`, `1e400`,
	``, ` `, `{`, `[`, `"`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `{1:2}`,
	`01`, `1.`, `.5`, `-`, `+1`, `1e`, `1e+`, `tru`, `nul`, `truex`, `1 2`, `{} {}`, `"\x"`, `"\u12"`, `"\u12zz"`,
	`"\u+123"`, "\"\n\"", "\"\x00\"", `nan`, `'a'`, `{"a" 1}`, `{"a":1 "b":2}`, `[1 2]`, `"\`, `"\ud800\u00zz"`,
}

func checkParse(t *testing.T, body []byte) {
	t.Helper()
	want, wantErr := reference(body)
	got, err := Parse(body)
	if (err != nil) != (wantErr != nil) {
		// encoding/json nests deeper.
		if err != nil && strings.Contains(err.Error(), "nested deeper") {
			return
		}
		t.Fatalf("%q: error %v, encoding/json says %v", body, err, wantErr)
	}
	if err != nil {
		return
	}
	if ast.Compare(got.v, want) != 0 || got.v.Hash() != want.Hash() {
		t.Fatalf("%q: got %v, want %v", body, got.v, want)
	}
	// Numbers are equal by value; their literals must be the same too.
	if a, b := got.v.String(), want.String(); a != b {
		t.Fatalf("%q: got %s, want %s", body, a, b)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		checkParse(t, []byte(d))
	}
	if _, err := Parse([]byte(strings.Repeat("[", 1_000_000))); err == nil {
		t.Error("a million brackets parse")
	}
}

func TestParseDoesNotKeepItsInput(t *testing.T) {
	t.Parallel()
	body := []byte(`{"name":["value",12]}`)
	v, err := Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 'x'
	}
	if got := v.String(); got != `{"name":["value",12]}` {
		t.Errorf("value is %s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(checkParse)
}

// FuzzAppendJSON writes what was parsed and reads it again.
func FuzzAppendJSON(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := Parse(body)
		if err != nil {
			return
		}
		text, err := appendJSON(nil, v.v, 1<<20)
		if err != nil {
			return
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q became %q: %v", body, text, err)
		}
		if ast.Compare(v.v, again.v) != 0 {
			t.Fatalf("%q became %q", body, text)
		}
	})
}
