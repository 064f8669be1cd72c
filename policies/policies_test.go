package policies_test

import (
	"testing"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/policy/policytest"
	"github.com/regent-dev/regent/policies"
)

func load(t *testing.T) []policy.File {
	t.Helper()
	all, err := policies.Files()
	if err != nil {
		t.Fatal(err)
	}
	var out []policy.File
	for _, f := range all {
		out = append(out, policy.File{Path: f.Path, Bytes: f.Bytes})
	}
	return out
}

// TestPoliciesCompile compiles everything as the daemon does, with the property facts.
func TestPoliciesCompile(t *testing.T) {
	t.Parallel()
	schemas, err := policies.Schemas()
	if err != nil {
		t.Fatal(err)
	}
	set, problems := policy.Compile(t.Context(), load(t), policy.Options{Schemas: schemas, RequireTests: true})
	for _, p := range problems {
		t.Error(p.Error())
	}
	counts := map[policy.Kind]int{}
	for _, p := range set.Policies() {
		counts[p.Kind]++
	}
	if counts[policy.KindCompliance] < 40 || counts[policy.KindAlarm] < 20 {
		t.Errorf("policies by kind: %v", counts)
	}
}

// TestPolicyTests runs every *_test.rego.
func TestPolicyTests(t *testing.T) {
	t.Parallel()
	report, problems := policytest.Run(t.Context(), load(t), policytest.Options{})
	for _, p := range problems {
		if p.Severity == diag.Error {
			t.Error(p.Error())
		}
	}
	if report == nil {
		return
	}
	for _, r := range report.Results {
		if r.Status != policytest.Pass {
			t.Errorf("%s.%s: %s %s", r.Package, r.Name, r.Status, r.Message)
		}
	}
	if report.Passed < 120 {
		t.Errorf("%d tests passed; each policy has at least two", report.Passed)
	}
}
