package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// suggest returns the candidate nearest to name, "" where none is near enough to be what was meant.
func suggest(name string, candidates []string) string {
	best, at := "", 0
	for _, c := range candidates {
		if c == name {
			continue
		}
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(c), nil)
		// A third of the letters may be wrong; in short names, one.
		if limit := max(1, len(name)/3); d <= limit && (best == "" || d < at || d == at && c < best) {
			best, at = c, d
		}
	}
	return best
}

// didYouMean returns a sentence to append to a detail, "" where there is nothing to suggest.
func didYouMean(name string, candidates []string) string {
	if s := suggest(name, candidates); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}

// listed writes names for a sentence: sorted, quoted, and cut to the first dozen.
func listed(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	const most = 12
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(n)
	}
	return b.String()
}
