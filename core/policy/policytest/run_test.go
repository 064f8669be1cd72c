package policytest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/policy/policytest"
)

const volume = `package compliance.test.volume

deny contains {"msg": $"volume {input.resource.resourceId} is not encrypted"} if {
	not input.resource.configuration.encrypted
}

deny contains "attached to a public instance" if {
	some a in input.resource.configuration.attachments
	data.resources["Test::Instance"][a.instanceId].configuration.public
}

not_applicable if input.resource.configuration.state == "deleting"
`

func file(path, text string) policy.File { return policy.File{Path: path, Bytes: []byte(text)} }

func run(t *testing.T, opt policytest.Options, tests string) *policytest.Report {
	t.Helper()
	report, ps := policytest.Run(context.Background(), []policy.File{
		file("volume.rego", volume),
		file("volume_test.rego", "package compliance.test.volume_test\n\nimport data.compliance.test.volume\n\n"+tests),
	}, opt)
	for _, p := range ps {
		if p.Severity == diag.Error {
			t.Fatal(p)
		}
	}
	return report
}

// show writes a report without its times.
func show(r *policytest.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d passed, %d failed, %d errors, %d skipped\n", r.Passed, r.Failed, r.Errors, r.Skipped)
	var write func(indent string, rs []policytest.Result)
	write = func(indent string, rs []policytest.Result) {
		for _, res := range rs {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, res.Name, res.Status)
			for _, extra := range []string{res.Message, res.Output} {
				if extra != "" {
					b.WriteString(indent + "  " + strings.ReplaceAll(strings.TrimSpace(extra), "\n", "\n"+indent+"  ") + "\n")
				}
			}
			write(indent+"  ", res.Cases)
		}
	}
	write("", r.Results)
	return b.String()
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, tests, want string }{{
		"pass and fail", `
test_hit if count(volume.deny) == 1 with input as {"resource": {"configuration": {"encrypted": false}}}

test_wrong if {
	found := volume.deny with input as {"resource": {"resourceId": "vol-1", "configuration": {"encrypted": false}}}
	count(found) == 2
}
`, `1 passed, 1 failed, 0 errors, 0 skipped
test_hit: pass
test_wrong: fail
  volume_test.rego:10: not true, or undefined:
    count(found) == 2
    |     |
    |     {{"msg": "volume vol-1 is not encrypted"}}
    1
`,
	}, {
		"other resources", `
test_public if {
	volume.deny == {"attached to a public instance"} with input as {"resource": {"configuration": {"encrypted": true, "attachments": [{"instanceId": "i-1"}]}}}
		with data.resources as {"Test::Instance": {"i-1": {"configuration": {"public": true}}}}
}

test_no_instances if count(volume.deny) == 0 with input as {"resource": {"configuration": {"encrypted": true, "attachments": [{"instanceId": "i-1"}]}}}
`, `2 passed, 0 failed, 0 errors, 0 skipped
test_public: pass
test_no_instances: pass
`,
	}, {
		"cases", `
test_states[state] if {
	some state, want in {"deleting": true, "available": false, "in-use": true}
	got := object.get(volume, "not_applicable", false) with input as {"resource": {"configuration": {"state": state}}}
	got == want
}
`, `0 passed, 1 failed, 0 errors, 0 skipped
test_states: fail
  available: pass
  deleting: pass
  in-use: fail
    volume_test.rego:9: not true, or undefined:
      got == want
      |      |
      |      true
      false
`,
	}, {
		"error, skip and output", `
v := 1 if input.a

v := 2 if input.b

test_conflict if v == 1 with input as {"a": true, "b": true}

todo_test_later if false

test_print if {
	print("the input is", 5)
}
`, `1 passed, 0 failed, 1 errors, 1 skipped
test_conflict: error
  volume_test.rego:8: rule compliance.test.volume_test.v produced conflicting values: 1 at volume_test.rego:6 2 at volume_test.rego:8
todo_test_later: skip
test_print: pass
  the input is 5
`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, show(run(t, policytest.Options{}, c.tests))); diff != "" {
				t.Errorf("report differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	r := run(t, policytest.Options{Coverage: true}, `
test_hit if count(volume.deny) == 1 with input as {"resource": {"configuration": {"encrypted": false}}}
`)
	want := []policytest.FileCoverage{{Path: "volume.rego", Covered: 3, NotCovered: 3, Percent: 50, Missing: [][2]int{{7, 7}, {9, 9}, {12, 12}}}}
	if diff := cmp.Diff(want, r.Coverage); diff != "" {
		t.Errorf("coverage differs (-want +got):\n%s", diff)
	}
	if r.Percent != 50 {
		t.Errorf("%v percent in all", r.Percent)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	const tests = "test_one if true\n\ntest_two if true\n"
	for re, want := range map[string]int{"": 2, "^compliance.*one$": 1, "^one": 0, "volume_test.test_": 2} {
		if r := run(t, policytest.Options{Run: re}, tests); r.Passed != want {
			t.Errorf("%q runs %d tests, want %d", re, r.Passed, want)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	r := run(t, policytest.Options{Timeout: 100 * time.Millisecond}, `
test_long if count([1 | some a in numbers.range(1, 10000); some b in numbers.range(1, 10000); a == b]) == 5

test_short if true
`)
	want := `1 passed, 0 failed, 1 errors, 0 skipped
test_long: error
  the test took longer than 100ms and was stopped
test_short: pass
`
	if diff := cmp.Diff(want, show(r)); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, tests, want string }{
		{"syntax", "test_x if {", "File does not parse"},
		{"barred function", `test_x if http.send({"method": "get", "url": "http://localhost/"})`, "Function is not available"},
		{"unsafe", "test_x if y", "Variable has no value"},
		{"no tests", "x := 1", "No tests"},
		{"one name twice", "test_x if true\n\ntest_x if false", "Two tests have one name"},
		{"a regular expression", "", "Not a regular expression"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opt := policytest.Options{}
			if c.tests == "" {
				opt.Run = "("
			}
			_, ps := policytest.Run(context.Background(), []policy.File{
				file("x.rego", "package lib.x\n\nok := true"), file("x_test.rego", "package lib.x_test\n\n"+c.tests),
			}, opt)
			if len(ps) == 0 || ps[0].Summary != c.want {
				t.Errorf("got %v, want %q", ps, c.want)
			}
		})
	}
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, ps := policytest.Run(ctx, []policy.File{file("x_test.rego", "package lib.x_test\n\ntest_x if true")}, policytest.Options{})
	if len(ps) == 0 || ps[0].Summary != "Tests were given up" {
		t.Errorf("got %v", ps)
	}
}
