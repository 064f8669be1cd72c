package policy_test

import (
	"strings"
	"testing"

	"github.com/regent-dev/regent/core/policy"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	const good = "package compliance.x\n\ndeny contains $\"a {input.resource.resourceId}\" if {\n\tinput.resource.a\n}\n"
	for text, line := range map[string]int{
		good: 0,
		strings.Replace(good, "\tinput", "  input", 1):   4,
		strings.TrimSuffix(good, "\n"):                   5,
		good + "\n\n":                                    6,
		strings.Replace(good, "\n\n", "\n", 1):           2,
		"package compliance.x\n\nthis does not parse if": 0,
	} {
		ps := policy.CheckFormat([]policy.File{file("p.rego", text)})
		if line == 0 {
			if len(ps) > 0 {
				t.Errorf("%q: %v", text, ps)
			}
			continue
		}
		if len(ps) != 1 || ps[0].Where.Start.Line != line {
			t.Errorf("%q: %v, want line %d", text, ps, line)
		}
		out := must(policy.Format(file("p.rego", text)))
		if string(out) != good {
			t.Errorf("%q becomes %q", text, out)
		}
	}
}
