package policies_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regent-dev/regent/core/policy"
)

// TestLinuxPoliciesFitTheHostCollector compiles the Linux policies against the types that
// collector-host itself declares: a path that no item has would never match, silently.
func TestLinuxPoliciesFitTheHostCollector(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "collector-host")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../plugins/collector-host").CombinedOutput(); err != nil {
		t.Fatalf("build collector-host: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary, "describe").Output()
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		ResourceTypes []struct {
			Type   string `json:"type"`
			Schema []byte `json:"schema"`
		} `json:"resourceTypes"`
	}
	if err := json.Unmarshal(out, &described); err != nil {
		t.Fatal(err)
	}
	schemas := map[string][]byte{}
	for _, rt := range described.ResourceTypes {
		schemas[rt.Type] = rt.Schema
	}
	var files []policy.File
	for _, f := range load(t) {
		if strings.HasPrefix(f.Path, "builtin/compliance/linux/") {
			files = append(files, f)
		}
	}
	set, problems := policy.Compile(t.Context(), files, policy.Options{Schemas: schemas, RequireTests: true})
	for _, p := range problems {
		t.Error(p.Error())
	}
	if n := len(set.Policies()); n < 20 {
		t.Errorf("%d Linux policies", n)
	}
	for _, p := range set.Policies() {
		if p.Description == "" || p.Remediation == "" || len(p.Controls) == 0 {
			t.Errorf("%s lacks a description, a remediation or controls", p.ID)
		}
		for _, rt := range p.ResourceTypes {
			if schemas[rt] == nil {
				t.Errorf("%s judges %s, which collector-host does not declare", p.ID, rt)
			}
		}
	}
}
