package policy

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// FuzzMetadata compiles a policy whose METADATA is anything at all. Whatever comes of it, problems
// must stand in the file, and a policy without errors must be one that can be run.
func FuzzMetadata(f *testing.F) {
	for _, custom := range []string{
		"title: T\ncustom: {severity: high, resource_types: [A::B]}",
		"title: T\ncustom:\n  severity: high\n  resource_types: [A::B]\n  requires: [/configuration/x]\n  parameters: {properties: {a: {type: integer, default: 5}}}\n  schedule: 1d\n  controls: {a: [b]}\n  reads_all: [A::C]\n  remediation: r",
		"title: &a [*a]\ncustom: *a",
		"custom: {parameters: &p {properties: {x: *p}}}",
		"title: {a: b}\nlabels: [1]\ncustom: 5",
		"scope: rule\ntitle: T",
		"title: \"\\xff\"\ncustom: {severity: !!binary aGk=, resource_types: ~}",
		"related_resources: [{ref: x}, 5, http://a/b]\nauthors: [x]\norganizations: [y]\ncustom: {window: 5, on: event}",
		"? [a]\n: b", "a: 1\n---\nb: 2", "<<: {title: x}", "\ttitle: x", "title: é😀\ncustom: {schedule: 1e400h}",
	} {
		f.Add(custom)
	}
	f.Fuzz(func(t *testing.T, metadata string) {
		text := "# METADATA\n"
		for line := range strings.SplitSeq(metadata, "\n") {
			text += "# " + strings.ReplaceAll(line, "\r", " ") + "\n"
		}
		text += "package compliance.x\n\ndeny contains $\"{input.parameters}\"\n"
		set, ps := Compile(context.Background(), []File{{Path: "p.rego", Bytes: []byte(text)}}, Options{})
		lines := strings.Count(text, "\n") + 1
		for _, p := range ps {
			if p.Where == nil || p.Where.File != "p.rego" || p.Where.Start.Line < 0 || p.Where.Start.Line > lines || p.Where.Start.Byte > len(text) || p.Where.End.Byte < p.Where.Start.Byte {
				t.Errorf("problem %v has no place in %q", p, text)
			}
			if len(strings.Fields(p.Summary)) > 8 || p.Detail == "" {
				t.Errorf("problem %v is badly worded", p)
			}
		}
		if ps.HasErrors() {
			return
		}
		for _, p := range set.Policies() {
			if p.Title == "" || p.Severity == "" || len(p.ResourceTypes) == 0 || !json.Valid(p.Parameters) {
				t.Errorf("policy is %+v", p)
			}
			v := p.Judge(context.Background(), Subject{Resource: &Value{v: ast.NewObject()}}, nil)
			if v.Outcome == "" {
				t.Errorf("verdict is %+v", v)
			}
		}
	})
}

// FuzzElements takes apart results that hold anything JSON can say.
func FuzzElements(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d), true)
		f.Add([]byte(`[{"msg":`+d+`,"path":`+d+`,"details":`+d+`,"key":`+d+`,"value":`+d+`},`+d+`]`), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, compliance bool) {
		v, err := Parse(body)
		if err != nil {
			return
		}
		p := &Policy{Kind: KindAlarm, Title: "The title"}
		if compliance {
			p.Kind = KindCompliance
		}
		result := v.v
		if a, ok := result.(*ast.Array); ok {
			set := ast.NewSet()
			a.Foreach(set.Add)
			result = set
		}
		var wrong complaints
		check := func(msg string, raw ...json.RawMessage) {
			if msg == "" || len(msg) > maxMessage || !utf8.ValidString(msg) {
				t.Errorf("%q makes the message %q", body, msg)
			}
			for _, r := range raw {
				if r != nil && !json.Valid(r) {
					t.Errorf("%q makes %q, which is not JSON", body, r)
				}
			}
		}
		if compliance {
			for _, d := range p.denials(result, v, &wrong) {
				check(d.Message, d.Value, d.Details)
				if d.Path != "" && d.Path[0] != '/' {
					t.Errorf("%q makes the path %q", body, d.Path)
				}
			}
		} else {
			for _, m := range p.matches(result, &wrong) {
				check(m.Message, m.Value, m.Details)
			}
		}
		if n := len(wrong.String()); n > maxMessage {
			t.Errorf("%q makes a complaint of %d bytes", body, n)
		}
	})
}
