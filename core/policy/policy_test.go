package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// head is METADATA for a test policy on Test::Thing.
func head(pkg string, custom ...string) string {
	kind := "resource_types: [Test::Thing]"
	if strings.HasPrefix(pkg, "alarms.") {
		kind = "on: event"
	}
	return "# METADATA\n# title: The title\n# custom:\n#   severity: high\n#   " +
		strings.Join(append([]string{kind}, custom...), "\n#   ") + "\npackage " + pkg + "\n\n"
}

func file(path, text string) policy.File { return policy.File{Path: path, Bytes: []byte(text)} }

// compile compiles files of which nothing may be wrong.
func compile(t testing.TB, opt policy.Options, files ...policy.File) *policy.Set {
	t.Helper()
	set, ps := policy.Compile(context.Background(), files, opt)
	for _, p := range ps {
		if p.Severity == diag.Error {
			t.Errorf("%v", p)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return set
}

// one compiles one policy and returns it.
func one(t testing.TB, text string, opt ...func(*policy.Options)) *policy.Policy {
	t.Helper()
	var o policy.Options
	for _, f := range opt {
		f(&o)
	}
	return compile(t, o, file("policy.rego", text)).Policies()[0]
}

func parse(t testing.TB, body string) *policy.Value {
	t.Helper()
	v, err := policy.Parse([]byte(body))
	if err != nil {
		t.Fatalf("parse %s: %v", body, err)
	}
	return v
}

var (
	thing = record.Key{AccountID: "acct", Region: "here", ResourceType: "Test::Thing", ResourceID: "t1"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func subject(t testing.TB, configuration string) policy.Subject {
	t.Helper()
	return policy.Subject{
		Key: thing, Time: noon, ItemHash: "abc",
		Resource: parse(t, `{"resourceType":"Test::Thing","resourceId":"t1","configuration":`+configuration+`}`),
	}
}

// judge judges one configuration and writes the verdict in a line or two.
func judge(t testing.TB, p *policy.Policy, configuration string) string {
	t.Helper()
	return show(p.Judge(context.Background(), subject(t, configuration), nil))
}

func show(v verdict.Verdict) string {
	s := string(v.Outcome)
	for _, d := range v.Denials {
		s += fmt.Sprintf(" [%s", d.Message)
		if d.Path != "" {
			s += fmt.Sprintf(" @ %s = %s", d.Path, d.Value)
		}
		if d.Details != nil {
			s += " + " + string(d.Details)
		}
		s += "]"
	}
	if v.Reason != "" {
		s += " (" + v.Reason + ")"
	}
	return s
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, policy, configuration, want string }{{
		"clean", head("compliance.x") + `deny contains "bad" if input.resource.configuration.bad`,
		`{"bad":false}`, `COMPLIANT`,
	}, {
		"text", head("compliance.x") + `deny contains "bad" if input.resource.configuration.bad`,
		`{"bad":true}`, `NON_COMPLIANT [bad]`,
	}, {
		"object with path and details", head("compliance.x") + `deny contains {"msg": "bad", "path": "/configuration/bad", "details": {"b": {2, 1}, "a": 9007199254740993}} if input.resource.configuration.bad`,
		`{"bad":[1,2.50]}`, `NON_COMPLIANT [bad @ /configuration/bad = [1,2.50] + {"a":9007199254740993,"b":[1,2]}]`,
	}, {
		"message defaults to the title", head("compliance.x") + `deny contains {"path": "/configuration/nope"}`,
		`{}`, `NON_COMPLIANT [The title @ /configuration/nope = null]`,
	}, {
		"undefined prints", head("compliance.x") + `deny contains $"{input.resource.resourceId}: {input.resource.configuration.owner}"`,
		`{}`, `NON_COMPLIANT [t1: <undefined>]`,
	}, {
		"sorted", head("compliance.x") + `deny contains {"msg": m, "path": p} if some [m, p] in [["b", "/b"], ["a", "/b"], ["z", "/a"]]`,
		`{}`, `NON_COMPLIANT [z @ /a = null] [a @ /b = null] [b @ /b = null]`,
	}, {
		"not applicable", head("compliance.x") + "deny contains \"bad\"\nnot_applicable if input.resource.configuration.state == \"gone\"",
		`{"state":"gone"}`, `NOT_APPLICABLE (the policy says that it does not apply)`,
	}, {
		"applicable after all", head("compliance.x") + "deny contains \"bad\"\nnot_applicable if input.resource.configuration.state == \"gone\"",
		`{"state":"here"}`, `NON_COMPLIANT [bad]`,
	}, {
		"default of not_applicable", head("compliance.x") + "deny contains \"bad\"\ndefault not_applicable := false",
		`{}`, `NON_COMPLIANT [bad]`,
	}, {
		"required path is there", head("compliance.x", "requires: [/configuration/a~1b/0]") + `deny contains "bad"`,
		`{"a/b":[false]}`, `NON_COMPLIANT [bad]`,
	}, {
		"required path is null", head("compliance.x", "requires: [/configuration/a~1b/0]") + `deny contains "bad"`,
		`{"a/b":[null]}`, `INSUFFICIENT_DATA (the item has no /configuration/a~1b/0)`,
	}, {
		"required path is missing", head("compliance.x", "requires: [/configuration/a, /configuration/b]") + `deny contains "bad"`,
		`{"a":1}`, `INSUFFICIENT_DATA (the item has no /configuration/b)`,
	}, {
		"builtin fails", head("compliance.x") + "deny contains \"bad\" if to_number(input.resource.configuration.n) > 5",
		`{"n":"abc"}`, `ERROR (policy.rego:8: to_number: strconv.ParseFloat: parsing "abc": invalid syntax)`,
	}, {
		"builtin fails beside a denial", head("compliance.x") + "deny contains \"bad\" if to_number(input.resource.configuration.n) > 5\ndeny contains \"worse\"",
		`{"n":"abc"}`, `NON_COMPLIANT [worse] (policy.rego:8: to_number: strconv.ParseFloat: parsing "abc": invalid syntax)`,
	}, {
		"conflict", head("compliance.x") + "v := 1 if input.resource.configuration.a\nv := 2 if input.resource.configuration.b\ndeny contains \"bad\" if v == 1",
		`{"a":true,"b":true}`, `ERROR (policy.rego:9: rule compliance.x.v produced conflicting values: 1 at policy.rego:8 2 at policy.rego:9)`,
	}, {
		"conflict beside a denial", head("compliance.x") + "v := 1 if input.resource.configuration.a\nv := 2 if input.resource.configuration.b\ndeny contains \"bad\" if v == 1\ndeny contains {\"msg\": \"other\"} if input.resource.configuration.a",
		`{"a":true,"b":true}`, `NON_COMPLIANT [other] (policy.rego:9: rule compliance.x.v produced conflicting values: 1 at policy.rego:8 2 at policy.rego:9)`,
	}, {
		"element of a wrong kind", head("compliance.x") + "deny contains input.resource.configuration.n",
		`{"n":5}`, `ERROR (deny contains 5, whose elements are messages or objects with details, msg, path)`,
	}, {
		"element with an unknown member", head("compliance.x") + "deny contains input.resource.configuration.o",
		`{"o":{"msg":"m","colour":1}}`, `NON_COMPLIANT [m] (an element has an unknown member "colour"; the members are details, msg, path)`,
	}, {
		"message of a wrong kind", head("compliance.x") + "deny contains {\"msg\": input.resource.configuration.n}",
		`{"n":5}`, `ERROR (msg of an element is 5, not text)`,
	}, {
		"path that is no pointer", head("compliance.x") + "deny contains {\"msg\": \"m\", \"path\": input.resource.configuration.p}",
		`{"p":"configuration/x"}`, `NON_COMPLIANT [m] (path "configuration/x" of an element is not a JSON pointer: it does not begin with a slash)`,
	}, {
		"large numbers stay", head("compliance.x") + `deny contains $"{input.resource.configuration.n}" if input.resource.configuration.n == 9007199254740993`,
		`{"n":9007199254740993}`, `NON_COMPLIANT [9007199254740993]`,
	}, {
		"large numbers differ", head("compliance.x") + `deny contains "same" if input.resource.configuration.n == 9007199254740992`,
		`{"n":9007199254740993}`, `COMPLIANT`,
	}, {
		"previous is null at first", head("compliance.x") + `deny contains "first" if input.previous == null`,
		`{}`, `NON_COMPLIANT [first]`,
	}, {
		"time is that of the record", head("compliance.x", "schedule: 1d") + `deny contains time.format(time.now_ns())`,
		`{}`, `NON_COMPLIANT [2026-03-01T12:00:00Z]`,
	}, {
		"empty message", head("compliance.x") + `deny contains ""`,
		`{}`, `NON_COMPLIANT [The title]`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := judge(t, one(t, c.policy), c.configuration); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestJudgeWithoutEvaluating(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x")+`deny contains "bad"`)
	s := subject(t, `{}`)
	s.Gone = true
	if got, want := show(p.Judge(context.Background(), s, nil)), "NOT_APPLICABLE (the resource is gone)"; got != want {
		t.Errorf("gone: got %s, want %s", got, want)
	}
	s = subject(t, `{}`)
	s.Key.ResourceType = "Test::Other"
	if got, want := show(p.Judge(context.Background(), s, nil)), "NOT_APPLICABLE (the policy is not about Test::Other)"; got != want {
		t.Errorf("other type: got %s, want %s", got, want)
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x", "parameters: {properties: {n: {default: 3}}}")+`deny contains "bad" if input.parameters.n == 3`)
	s := subject(t, `{}`)
	s.Previous, s.PreviousHash = parse(t, `{}`), "def"
	v := p.Judge(context.Background(), s, nil)
	if v.Policy != "compliance.x" || v.Subject != verdict.Subject(thing) || !v.At.Equal(noon) {
		t.Errorf("verdict is about %s on %s at %s", v.Policy, v.Subject, v.At)
	}
	want := verdict.Evidence{
		Policy: p.Digest.String(), Parameters: record.Sum([]byte(`{"n":3}`)).String(),
		Item: "abc", Previous: "def", Engine: "opa/1.22.2",
	}
	if got, _ := json.Marshal(v.Evidence); string(got) != string(must(json.Marshal(want))) {
		t.Errorf("evidence %s, want %s", got, must(json.Marshal(want)))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestWholeObjectsAreCompared: to OPA's type checker two objects differ where one has a member that
// the schema declares and the other leaves out. Items may leave members out.
func TestWholeObjectsAreCompared(t *testing.T) {
	t.Parallel()
	p := one(t, strings.Replace(head("compliance.x"), "Test::Thing", "Test::Volume", 1)+
		"deny contains \"first\" if input.resource.configuration.attachments == [{\"instanceId\": \"i-1\"}]\n"+
		"deny contains \"limits\" if input.resource.configuration.limits == {\"iops\": 5}\n"+
		"deny contains \"in\" if {\"instanceId\": \"i-1\"} in input.resource.configuration.attachments\n",
		func(o *policy.Options) { o.Schemas = schemas(t) })
	s := subject(t, `{"attachments":[{"instanceId":"i-1"}],"limits":{"iops":5}}`)
	s.Key.ResourceType = "Test::Volume"
	if got, want := show(p.Judge(context.Background(), s, nil)), "NON_COMPLIANT [first] [in] [limits]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPrintIsLeftOut(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x")+"deny contains \"x\" if {\n\tprint(\"here\", input.resource.nope.never)\n\tinput.resource.configuration.a\n}", func(o *policy.Options) {
		o.Schemas = map[string][]byte{"Test::Thing": []byte(`{"properties":{"nope":{}}}`)}
	})
	if got, want := judge(t, p, `{"a":1}`), "NON_COMPLIANT [x]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
