package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate nearest to name, "" where none is near enough to be what was meant.
func Suggest(name string, candidates []string) string {
	best, at := "", 0
	for _, c := range candidates {
		if c == name {
			continue
		}
		x, y := strings.ToLower(name), strings.ToLower(c)
		d := levenshtein.Distance(x, y, nil)
		if d == 2 && swapped(x, y) {
			d = 1
		}
		// A third of the letters may be wrong; in short names, one.
		if limit := max(1, len(name)/3); name != "" && d <= limit && (best == "" || d < at || d == at && c < best) {
			best, at = c, d
		}
	}
	return best
}

// swapped reports whether two neighbouring letters have changed places, the commonest slip of all.
func swapped(x, y string) bool {
	if len(x) != len(y) {
		return false
	}
	i := 0
	for i < len(x) && x[i] == y[i] {
		i++
	}
	return i+1 < len(x) && x[i] == y[i+1] && x[i+1] == y[i] && x[i+2:] == y[i+2:]
}

// DidYouMean returns a sentence to append to a detail, "" where there is nothing to Suggest.
func DidYouMean(name string, candidates []string) string {
	if s := Suggest(name, candidates); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}

// Listed writes names for a sentence: sorted, quoted, and cut to the first dozen.
func Listed(names []string) string {
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
