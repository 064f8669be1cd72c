package policy

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// filesOf returns the files that a policy needs to compile again by itself. That is more than what its
// rules lead to: the other rules of the same files must compile too.
func (b *builder) filesOf(c *candidate, byModule map[*ast.Module]string) []string {
	seen := map[string]bool{}
	var left []string
	need := func(path string) {
		if path != "" && !seen[path] {
			seen[path] = true
			left = append(left, path)
		}
	}
	for _, s := range c.sources {
		need(s.path)
	}
	for _, r := range c.closure {
		need(byModule[r.Module])
	}
	for len(left) > 0 {
		path := left[len(left)-1]
		left = left[:len(left)-1]
		for _, r := range b.compiler.Modules[path].Rules {
			for d := range b.compiler.Graph.Dependencies(r) {
				if dep, ok := d.(*ast.Rule); ok {
					need(byModule[dep.Module])
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
