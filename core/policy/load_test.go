package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

const documented = `# METADATA
# title: Volumes are encrypted
# description: >
#   An unencrypted volume exposes its data
#   to whoever gets at the disk.
# related_resources:
#   - https://example.com/why
#   - ref: https://example.com/how
#     description: How to
# labels: {team: storage, tier: 1}
# custom:
#   severity: high
#   resource_types: [Test::Volume, Test::Bucket]
#   requires: [/configuration]
#   parameters:
#     properties:
#       days: {type: integer, minimum: 1, default: 90}
#       mode: {type: object, properties: {strict: {type: boolean, default: true}, level: {type: string}}}
#       names: {type: array, items: {type: string}}
#   controls: {cis-aws-3.0.0: ["2.2.1"], pci-dss-4.0: [3.5.1, "3.5.2"]}
#   remediation: Encrypt it.
#   schedule: 1d
#   reads_all: [Test::Key]
package compliance.test.volume

deny contains "x" if input.parameters.days > 5
`

func TestMetadata(t *testing.T) {
	t.Parallel()
	p := compile(t, policy.Options{},
		file("a.rego", documented),
		file("b.rego", "# METADATA\n# scope: subpackages\n# labels: {team: everyone, area: test}\npackage compliance.test\n"),
		file("c.rego", "# METADATA\n# scope: subpackages\n# labels: {team: nobody, tier: 9, top: 'yes'}\npackage compliance\n"),
		file("a_test.rego", "package compliance.test.volume_test\n\nimport data.compliance.test.volume\n\ntest_x if volume"),
	).Policies()[0]
	type fields struct {
		ID                        verdict.PolicyID
		Kind                      policy.Kind
		Title, Description        string
		Severity                  verdict.Severity
		Types, Requires, ReadsAll []string
		Parameters                string
		Controls                  map[string][]string
		Remediation               string
		Related                   []policy.RelatedResource
		Labels                    map[string]string
		Schedule                  time.Duration
		Where                     string
		HasTest                   bool
	}
	got := fields{
		p.ID, p.Kind, p.Title, p.Description, p.Severity, p.ResourceTypes, p.Requires, p.ReadsAll, string(p.Parameters),
		p.Controls, p.Remediation, p.RelatedResources, p.Labels, p.Schedule, p.Where.String(), p.HasTest,
	}
	want := fields{
		"compliance.test.volume", policy.KindCompliance, "Volumes are encrypted",
		"An unencrypted volume exposes its data to whoever gets at the disk.", verdict.High,
		[]string{"Test::Volume", "Test::Bucket"},
		[]string{"/configuration"},
		[]string{"Test::Key"},
		`{"days":90,"mode":{"strict":true}}`,
		map[string][]string{"cis-aws-3.0.0": {"2.2.1"}, "pci-dss-4.0": {"3.5.1", "3.5.2"}},
		"Encrypt it.",
		[]policy.RelatedResource{{URL: "https://example.com/why"}, {URL: "https://example.com/how", Description: "How to"}},
		map[string]string{"team": "storage", "tier": "1", "area": "test", "top": "yes"},
		24 * time.Hour, "a.rego:24:1", true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy differs (-want +got):\n%s", diff)
	}
}

func TestAlarmMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		custom          string
		window          *policy.Window
		lateness, clear time.Duration
	}{
		{"severity: low", nil, 15 * time.Minute, time.Hour},
		{"window: {count: 5, within: 10m}", &policy.Window{Count: 5, Within: 10 * time.Minute}, 15 * time.Minute, 10 * time.Minute},
		{"window: {count: 5, within: 2d, distinct: true}", &policy.Window{Count: 5, Within: 48 * time.Hour, Distinct: true}, 15 * time.Minute, 48 * time.Hour},
		{"window: {count: 5, within: 1m}\n#   clear_after: 1w\n#   lateness: 0s", &policy.Window{Count: 5, Within: time.Minute}, 0, 7 * 24 * time.Hour},
	} {
		text := "# METADATA\n# title: T\n# custom:\n#   on: event\n#   " + c.custom
		if !strings.Contains(c.custom, "severity") {
			text += "\n#   severity: low"
		}
		p := one(t, text+"\npackage alarms.x\n\nalarm contains {\"msg\": \"m\", \"value\": 1} if input.event.action == \"a\"\n")
		if diff := cmp.Diff(c.window, p.Window); diff != "" {
			t.Errorf("%s: window differs (-want +got):\n%s", c.custom, diff)
		}
		if p.Lateness != c.lateness || p.ClearAfter != c.clear || p.On != "event" || p.Kind != policy.KindAlarm {
			t.Errorf("%s: lateness %s, clear after %s, on %s, kind %s", c.custom, p.Lateness, p.ClearAfter, p.On, p.Kind)
		}
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	where := &diag.Range{File: "regent.hcl", Start: diag.Pos{Line: 3, Column: 5}}
	params := &diag.Range{File: "regent.hcl", Start: diag.Pos{Line: 5, Column: 3}}
	override := func(o policy.Override) policy.Options {
		o.Where, o.ParametersWhere = where, params
		return policy.Options{Overrides: map[verdict.PolicyID]policy.Override{"compliance.test.volume": o}}
	}
	p := compile(t, override(policy.Override{
		Severity: verdict.Critical, Labels: map[string]string{"team": "ops", "new": "1"},
		Parameters: json.RawMessage(`{"days": 9007199254740993, "mode": {"level": "x"}}`),
	}), file("a.rego", documented)).Policies()[0]
	if p.Severity != verdict.Critical || p.Labels["team"] != "ops" || p.Labels["new"] != "1" || p.Labels["tier"] != "1" {
		t.Errorf("severity %s, labels %v", p.Severity, p.Labels)
	}
	if got, want := string(p.Parameters), `{"days":9007199254740993,"mode":{"level":"x","strict":true}}`; got != want {
		t.Errorf("parameters are %s, want %s", got, want)
	}
	if set := compile(t, override(policy.Override{Disabled: true}), file("a.rego", documented)); len(set.Policies()) != 0 {
		t.Error("a disabled policy is in the set")
	}

	for _, c := range []struct {
		name string
		opt  policy.Options
		want string
	}{
		{
			"not an object", override(policy.Override{Parameters: json.RawMessage(`[]`)}),
			"regent.hcl:5:3: Parameter does not fit: Parameters of compliance.test.volume: The parameters must be an object.",
		},
		{
			"wrong kind", override(policy.Override{Parameters: json.RawMessage(`{"days":"ten"}`)}),
			"regent.hcl:5:3: Parameter does not fit: Parameters of compliance.test.volume: days: got string, want integer.",
		},
		{
			"out of range", override(policy.Override{Parameters: json.RawMessage(`{"days":0}`)}),
			"regent.hcl:5:3: Parameter does not fit: Parameters of compliance.test.volume: days: minimum: got 0, want 1.",
		},
		{
			"in a list", override(policy.Override{Parameters: json.RawMessage(`{"names":["a",5]}`)}),
			"regent.hcl:5:3: Parameter does not fit: Parameters of compliance.test.volume: names.1: got number, want string.",
		},
		{
			"misspelt", override(policy.Override{Parameters: json.RawMessage(`{"dasy":5}`)}),
			`regent.hcl:5:3: Parameter does not fit: Parameters of compliance.test.volume: There is no parameter "dasy". Did you mean "days"? The parameters are days, mode, names.`,
		},
		{
			"no such policy",
			policy.Options{Overrides: map[verdict.PolicyID]policy.Override{"compliance.test.volumes": {Where: where}}},
			`regent.hcl:3:5: No such policy: There is no policy "compliance.test.volumes". Did you mean "compliance.test.volume"?`,
		},
		{
			"unknown severity", override(policy.Override{Severity: "urgent"}),
			`regent.hcl:3:5: Unknown severity: "urgent" is not a severity: it is one of critical, high, medium, low, info.`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, ps := policy.Compile(context.Background(), []policy.File{file("a.rego", documented)}, c.opt)
			if !ps.HasErrors() {
				t.Fatal("no error")
			}
			if got := ps[0].Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRequiredParameter(t *testing.T) {
	t.Parallel()
	text := head("compliance.x", "parameters: {properties: {key: {type: string}}, required: [key]}") +
		"deny contains \"x\" if input.parameters.key == \"a\""
	if got, want := judge(t, one(t, text), `{}`), `ERROR (the policy's parameters do not fit: "key" is not set)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	set := func(params string) func(*policy.Options) {
		return func(o *policy.Options) {
			o.Overrides = map[verdict.PolicyID]policy.Override{"compliance.x": {Parameters: json.RawMessage(params)}}
		}
	}
	if got, want := judge(t, one(t, text, set(`{"key":"a"}`)), `{}`), `NON_COMPLIANT [x]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestDigest lists edits and says which of the two digests they change.
func TestDigest(t *testing.T) {
	t.Parallel()
	base := map[string]string{
		"a.rego":     documented + "\ndeny contains \"lib\" if data.lib.a.x(input.resource)\n",
		"lib_a.rego": "package lib.a\n\nx(r) if data.lib.b.y == r.resourceId\n",
		"lib_b.rego": "package lib.b\n\ny := \"id\"\n",
		"lib_c.rego": "package lib.c\n\nz := 1\n",
	}
	build := func(edit map[string]string, opt policy.Options) *policy.Policy {
		var files []policy.File
		for path, text := range base {
			if e, ok := edit[path]; ok {
				text = e
			}
			files = append(files, file(path, text))
		}
		return compile(t, opt, files...).Policies()[0]
	}
	replace := func(path, old, new string) map[string]string {
		if !strings.Contains(base[path], old) {
			t.Fatalf("%s does not contain %q", path, old)
		}
		return map[string]string{path: strings.Replace(base[path], old, new, 1)}
	}
	before := build(nil, policy.Options{})
	for _, c := range []struct {
		name         string
		edit         map[string]string
		opt          policy.Options
		digest, text bool
	}{
		{name: "nothing"},
		{name: "a comment", edit: replace("a.rego", "\ndeny", "\n# why\ndeny")},
		{name: "layout", edit: replace("a.rego", "input.parameters.days > 5", "{\n\tinput.parameters.days   >   5\n}")},
		{name: "title", edit: replace("a.rego", "Volumes are", "All volumes are"), text: true},
		{name: "description", edit: replace("a.rego", "whoever", "anybody who"), text: true},
		{name: "severity", edit: replace("a.rego", "high", "low"), text: true},
		{name: "label", edit: replace("a.rego", "storage", "disks"), text: true},
		{name: "control", edit: replace("a.rego", "2.2.1", "2.2.2"), text: true},
		{name: "remediation", edit: replace("a.rego", "Encrypt it", "Do encrypt it"), text: true},
		{name: "a rule", edit: replace("a.rego", "> 5", "> 6"), digest: true},
		{name: "a message", edit: replace("a.rego", `"x"`, `"y"`), digest: true},
		{name: "resource types", edit: replace("a.rego", ", Test::Bucket", ""), digest: true},
		{name: "requires", edit: replace("a.rego", "[/configuration]", "[/tags]"), digest: true},
		{name: "a default", edit: replace("a.rego", "90", "91"), digest: true},
		{name: "the schema of parameters only", edit: replace("a.rego", "minimum: 1", "minimum: 2")},
		{name: "a library", edit: replace("lib_a.rego", "==", "!="), digest: true},
		{name: "a library's library", edit: replace("lib_b.rego", "id", "other"), digest: true},
		{name: "a library that is not used", edit: replace("lib_c.rego", "1", "2")},
		{name: "a comment in a library", edit: replace("lib_b.rego", "y :=", "# y\ny :=")},
		{name: "severity overridden", opt: policy.Options{Overrides: map[verdict.PolicyID]policy.Override{before.ID: {Severity: verdict.Info}}}, text: true},
		{name: "parameters overridden", opt: policy.Options{Overrides: map[verdict.PolicyID]policy.Override{before.ID: {Parameters: json.RawMessage(`{"days":5}`)}}}, digest: true},
		{name: "parameters overridden with their defaults", opt: policy.Options{Overrides: map[verdict.PolicyID]policy.Override{before.ID: {Parameters: json.RawMessage(`{"days":90}`)}}}},
	} {
		after := build(c.edit, c.opt)
		if got := after.Digest != before.Digest; got != c.digest {
			t.Errorf("%s: digest changes: %t, want %t", c.name, got, c.digest)
		}
		if got := after.TextDigest != before.TextDigest; got != c.text {
			t.Errorf("%s: text digest changes: %t, want %t", c.name, got, c.text)
		}
	}
}

func TestDigestOfPolicyThatReadsItsMetadata(t *testing.T) {
	t.Parallel()
	const text = "# METADATA\n# title: %s\n# custom: {severity: low, resource_types: [Test::Thing]}\npackage compliance.x\n\ndeny contains rego.metadata.chain()[1].annotations.title\n"
	a, b := one(t, fmt.Sprintf(text, "One")), one(t, fmt.Sprintf(text, "Two"))
	if a.Digest == b.Digest {
		t.Error("the digest does not change with what the policy prints")
	}
	if got, want := judge(t, a, `{}`), "NON_COMPLIANT [One]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Options{},
		file("b.rego", head("compliance.b")+`deny contains "b"`),
		file("a.rego", head("compliance.a")+`deny contains "a"`),
		file("a2.rego", "package compliance.a\n\ndeny contains \"a2\"\n"),
		file("c.rego", head("alarms.c")+`alarm contains "c"`),
		file("d.rego", strings.Replace(head("compliance.d"), "Test::Thing", "Test::Other", 1)+`deny contains "d"`))
	ids := func(ps []*policy.Policy) string {
		var out []string
		for _, p := range ps {
			out = append(out, string(p.ID))
		}
		return strings.Join(out, " ")
	}
	if got, want := ids(set.Policies()), "alarms.c compliance.a compliance.b compliance.d"; got != want {
		t.Errorf("policies are %s, want %s", got, want)
	}
	if got, want := ids(set.ForType("Test::Thing")), "compliance.a compliance.b"; got != want {
		t.Errorf("policies for the type are %s, want %s", got, want)
	}
	if got := set.ForType("Test::Nothing"); len(got) != 0 {
		t.Errorf("policies for an unknown type are %s", ids(got))
	}
	if set.Get("compliance.a") != set.Policies()[1] || set.Get("compliance.nope") != nil {
		t.Error("Get finds the wrong policy")
	}
	if got, want := judge(t, set.Get("compliance.a"), `{}`), "NON_COMPLIANT [a] [a2]"; got != want {
		t.Errorf("a package in two files says %s, want %s", got, want)
	}
	ev := must(record.ParseEvent([]byte(`{"source":"s"}`), record.Digest{}))
	if got, want := ids(set.ForEvent(&ev, nil)), "alarms.c"; got != want {
		t.Errorf("policies for an event are %s, want %s", got, want)
	}
}

func TestRefusedSetIsEmpty(t *testing.T) {
	t.Parallel()
	set, ps := policy.Compile(context.Background(), []policy.File{
		file("a.rego", head("compliance.a")+`deny contains "a"`), file("b.rego", "package compliance.b\n\ndeny if"),
	}, policy.Options{})
	if !ps.HasErrors() {
		t.Fatal("no error")
	}
	ev := record.Event{Source: "s"}
	if len(set.Policies()) != 0 || set.Get("compliance.a") != nil || len(set.ForEvent(&ev, nil)) != 0 || len(set.ForType("x")) != 0 {
		t.Error("a refused set has policies")
	}
}

func TestRequireTests(t *testing.T) {
	t.Parallel()
	opt := policy.Options{RequireTests: true}
	p := file("p.rego", head("compliance.x")+`deny contains "a"`)
	for tests, want := range map[string]bool{
		"": true,
		"package compliance.x_test\n\ntest_a if true\n":                                         true,
		"package compliance.x_test\n\ntest_a if true\n\ntest_b if true\n":                       false,
		"package compliance.x\n\ntest_a if true\n\ntest_b if true\n":                            false,
		"package lib.tests\n\nimport data.compliance.x\n\ntest_a if x.deny\n\ntest_b if x.deny": false,
		"package compliance.y_test\n\ntest_a if true\n\ntest_b if true\n":                       true,
	} {
		files := []policy.File{p}
		if tests != "" {
			files = append(files, file("p_test.rego", tests))
		}
		if _, ps := policy.Compile(context.Background(), files, opt); ps.HasErrors() != want {
			t.Errorf("%q: problems are %v, want errors %t", tests, ps, want)
		}
	}
}

func TestBrokenTestFileRefusesNothing(t *testing.T) {
	t.Parallel()
	_, ps := policy.Compile(context.Background(), []policy.File{
		file("p.rego", head("compliance.x")+`deny contains "a"`), file("p_test.rego", "package compliance.x_test\n\ntest_a if {"),
	}, policy.Options{})
	if ps.HasErrors() || len(ps) < 1 || ps[1].Summary != "Test file does not parse" {
		t.Errorf("problems are %v", ps)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Options{Schemas: schemas(t)},
		file("a.rego", `# METADATA
# title: T
# custom: {severity: low, resource_types: [Test::Volume, Test::Nobody]}
package compliance.a

deny contains "a" if {
	about(input.resource.configuration.limits, 5)
	about(input.resource.configuration.source, 5)
	data.lib.l.ready
}

about(x, n) if x.iops == n
`),
		file("l.rego", "package lib.l\n\nready if input.resource.anything\n"),
		file("b.rego", head("alarms.b")+`alarm contains "b" if input.event.detail.userIdentity`),
		file("c.rego", strings.Replace(head("compliance.c"), "Test::Thing", "Test::Volume", 1)+"deny contains \"c\" if {\n\tsome key\n\tinput.resource.configuration[key] == 5\n}\n"),
	)
	want := []string{
		"alarms.b: input.event.detail is the source's own record; nothing below it is checked",
		"compliance.a: arguments are not followed into about",
		"compliance.a: no collector declares a schema of Test::Nobody; below input.resource.configuration nothing is checked",
		"compliance.a: what data.lib.l.ready reads of input is not checked",
		"compliance.c: not checked: keys of input.resource.configuration that are only known at evaluation",
	}
	if diff := cmp.Diff(want, set.Notes()); diff != "" {
		t.Errorf("notes differ (-want +got):\n%s", diff)
	}
}

// TestCache compiles generation after generation with one cache, and compares each with what comes
// out without one.
func TestCache(t *testing.T) {
	t.Parallel()
	cache := policy.NewCache()
	files := []policy.File{file("a.rego", documented), file("l.rego", "package lib.l\n\nx := 1\n")}
	for i := range 5 {
		edit := []string{documented, documented + "\n# comment\n", documented + "\ndeny contains \"y\"\n", "package compliance.test.volume\n\ndeny if", documented}[i]
		files[0].Bytes = []byte(edit)
		with, ps1 := policy.Compile(context.Background(), files, policy.Options{Cache: cache, Schemas: schemas(t)})
		without, ps2 := policy.Compile(context.Background(), files, policy.Options{Schemas: schemas(t)})
		if with.Digest() != without.Digest() {
			t.Errorf("generation %d: digest differs with the cache", i)
		}
		if diff := cmp.Diff(format(ps2), format(ps1)); diff != "" {
			t.Errorf("generation %d: problems differ with the cache (-without +with):\n%s", i, diff)
		}
	}
}

func TestCompileIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, ps := policy.Compile(ctx, []policy.File{file("a.rego", documented)}, policy.Options{})
	if !ps.HasErrors() || ps[0].Summary != "Policies were not compiled" {
		t.Errorf("problems are %v", ps)
	}
}
