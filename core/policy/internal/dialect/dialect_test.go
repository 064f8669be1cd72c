package dialect

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestSuggest(t *testing.T) {
	t.Parallel()
	names := []string{"encrypted", "size", "state", "msg", "iops", "resource_types", "title", "a"}
	for name, want := range map[string]string{
		"encrytped": "encrypted", "Encrypted": "encrypted", "sise": "size", "stat": "state", "mgs": "msg", "ipos": "iops",
		"resource_type": "resource_types", "titel": "title", "colour": "", "x": "a", "": "", "encrypted": "",
		"zzzzzz": "", "pty": "", "sizé": "size",
	} {
		if got := Suggest(name, names); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestListed(t *testing.T) {
	t.Parallel()
	if got, want := Listed([]string{"b", "a"}), "a, b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Listed(strings.Split("abcdefghijklmnop", "")); !strings.HasSuffix(got, "k, l and 4 more") {
		t.Errorf("got %q", got)
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"unexpected } token": "Unexpected } token.", "var x is unsafe": "Var x is unsafe.", "`if` is required": "`if` is required.",
		"data.x.y conflicts": "data.x.y conflicts.", "what?": "What?", "": "", " done. ": "done.",
	} {
		if got := Sentence(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestBarred makes sure that what is barred is known to OPA by that name, and that nothing else that
// reaches out of the evaluation is let in by a new version of OPA.
func TestBarred(t *testing.T) {
	t.Parallel()
	known := map[string]*ast.Builtin{}
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		known[b.Name] = b
	}
	for name := range Barred {
		if known[name] == nil {
			t.Errorf("OPA has no function %s to bar", name)
		}
		if Capabilities().ContainsBuiltin(name) {
			t.Errorf("%s is there", name)
		}
	}
	// These go by the time of the evaluation, which is that of the record.
	recordTime := map[string]bool{"time.now_ns": true, "io.jwt.decode_verify": true}
	for _, b := range Capabilities().Builtins {
		if b.IsNondeterministic() && !recordTime[b.Name] {
			t.Errorf("%s is not deterministic", b.Name)
		}
	}
	if c := Capabilities(); c.AllowNet == nil || len(c.AllowNet) != 0 {
		t.Error("schemas may be fetched from the network")
	}
}

// TestRange has places in columns of letters, not bytes.
func TestRange(t *testing.T) {
	t.Parallel()
	m, err := ast.ParseModuleWithOpts("p.rego", "package x\n\np := {\"é\": nope}\n", ParserOptions())
	if err != nil {
		t.Fatal(err)
	}
	where := Range(m.Rules[0].Head.Value.Value.(ast.Object).Get(ast.StringTerm("é")).Location)
	if got, want := where.String(), "p.rego:3:12"; got != want {
		t.Errorf("place is %s, want %s", got, want)
	}
	if where.Start.Byte != 23 {
		t.Errorf("byte is %d, want 23", where.Start.Byte)
	}
	if Range(nil) != nil {
		t.Error("no location has a place")
	}
}
