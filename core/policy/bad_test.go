package policy_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
)

var update = flag.Bool("update", false, "write what was found to the .want files")

// schemas are those of the types that the policies of testdata are about.
func schemas(t testing.TB) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"Test::Volume": must(os.ReadFile("testdata/volume.json")),
		"Test::Bucket": must(os.ReadFile("testdata/bucket.json")),
	}
}

// format writes problems as the goldens have them.
func format(ps diag.Problems) string {
	var b strings.Builder
	for _, p := range ps {
		where := "-"
		if p.Where != nil {
			where = fmt.Sprintf("%s-%d", p.Where, p.Where.End.Column)
		}
		fmt.Fprintf(&b, "%s: %s: %s\n\t%s\n", where, p.Severity, p.Summary, p.Detail)
		if p.Context != "" {
			fmt.Fprintf(&b, "\tin %s\n", p.Context)
		}
	}
	return b.String()
}

// TestBadPolicies compares all that is said about a policy with the .want file beside it. Each has
// something wrong.
func TestBadPolicies(t *testing.T) {
	t.Parallel()
	paths := must(filepath.Glob("testdata/bad/*.rego"))
	if len(paths) < 30 {
		t.Fatalf("found only %d policies", len(paths))
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".rego")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := []policy.File{{Path: name + ".rego", Bytes: must(os.ReadFile(path))}}
			_, ps := policy.Compile(context.Background(), files, policy.Options{Schemas: schemas(t)})
			// Hardly any of them has a test, and that is said of every one.
			var kept diag.Problems
			for _, p := range ps {
				if p.Summary != "Policy has no test" {
					kept = append(kept, p)
				}
			}
			got := format(kept)
			want := strings.TrimSuffix(path, ".rego") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(must(os.ReadFile(want))), got); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
			if len(kept) == 0 {
				t.Error("nothing is wrong with the policy")
			}
		})
	}
}
