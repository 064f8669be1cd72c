package policytest

import (
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"

	"github.com/regent-dev/regent/core/policy"
)

// FileCoverage is what the tests reached of one file. Lines count from 1, and only those with
// something to evaluate.
type FileCoverage struct {
	Path string `json:"path"`
	// Covered and NotCovered are numbers of lines.
	Covered    int     `json:"covered"`
	NotCovered int     `json:"notCovered"`
	Percent    float64 `json:"percent"`
	// Missing are the stretches of lines that were not reached, first and last.
	Missing [][2]int `json:"missing,omitempty"`
}

// coverage reports on the policies; that tests reach themselves is no news.
func coverage(c *cover.Cover, modules map[string]*ast.Module, files []policy.File) (out []FileCoverage, percent float64) {
	report := c.Report(modules)
	var covered, all int
	for _, f := range files {
		if strings.HasSuffix(path.Base(f.Path), "_test.rego") {
			continue
		}
		fr := report.Files[f.Path]
		if fr == nil {
			continue
		}
		fc := FileCoverage{Path: f.Path, Covered: fr.CoveredLines, NotCovered: fr.NotCoveredLines}
		if n := fc.Covered + fc.NotCovered; n > 0 {
			fc.Percent = 100 * float64(fc.Covered) / float64(n)
		}
		lines := map[int]bool{}
		for _, r := range fr.NotCovered {
			for line := r.Start.Row; line <= r.End.Row; line++ {
				lines[line] = true
			}
		}
		fc.Missing = stretches(lines)
		covered, all = covered+fc.Covered, all+fc.Covered+fc.NotCovered
		out = append(out, fc)
	}
	if all > 0 {
		percent = 100 * float64(covered) / float64(all)
	}
	return out, percent
}

// stretches joins neighbouring lines.
func stretches(lines map[int]bool) (out [][2]int) {
	sorted := make([]int, 0, len(lines))
	for l := range lines {
		sorted = append(sorted, l)
	}
	slices.Sort(sorted)
	for _, l := range sorted {
		if n := len(out); n > 0 && out[n-1][1] == l-1 {
			out[n-1][1] = l
			continue
		}
		out = append(out, [2]int{l, l})
	}
	return out
}
