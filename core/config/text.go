package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/diag"
)

// ParseDuration reads a duration as Go writes them, with d for days and w for weeks besides. It must
// be greater than zero.
func ParseDuration(s string) (time.Duration, error) {
	rest := durationUnits.ReplaceAllStringFunc(s, func(m string) string {
		n, err := strconv.ParseFloat(m[:len(m)-1], 64)
		if err != nil {
			return m
		}
		hours := n * 24
		if strings.HasSuffix(m, "w") {
			hours *= 7
		}
		return strconv.FormatFloat(hours, 'f', -1, 64) + "h"
	})
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as \"90s\", \"5m\", \"12h\" or \"30d\"", s)
	}
	if d <= 0 {
		return 0, fmt.Errorf("%q is not greater than zero", s)
	}
	return d, nil
}

var durationUnits = regexp.MustCompile(`[0-9.]+[dw]`)

// didYouMean returns a sentence with the nearest of the known names, or nothing.
func didYouMean(name string, known []string) string {
	best, distance := "", 4
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil); d < distance && d <= len(k)/2 {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// Range converts a place.
func Range(r hcl.Range) diag.Range {
	return diag.Range{
		File:  r.Filename,
		Start: diag.Pos{Line: r.Start.Line, Column: r.Start.Column, Byte: r.Start.Byte},
		End:   diag.Pos{Line: r.End.Line, Column: r.End.Column, Byte: r.End.Byte},
	}
}

// FromHCL converts diagnostics. The expressions' values stay behind: they may be secrets.
func FromHCL(diags hcl.Diagnostics) diag.Problems {
	var out diag.Problems
	for _, d := range diags {
		p := diag.Problem{Severity: diag.Error, Summary: strings.TrimSuffix(d.Summary, "."), Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			p.Severity = diag.Warning
		}
		if d.Subject != nil {
			r := Range(*d.Subject)
			p.Where = &r
		}
		if c, ok := d.Extra.(context); ok {
			p.Context = string(c)
		}
		out = append(out, p)
	}
	return out
}

// context carries the enclosing block through a diagnostic.
type context string

// inContext adds the enclosing block to diagnostics.
func inContext(diags hcl.Diagnostics, b *hcl.Block) hcl.Diagnostics {
	name := b.Type
	for _, l := range b.Labels {
		name += " " + strconv.Quote(l)
	}
	for _, d := range diags {
		if d.Extra == nil {
			d.Extra = context(name)
		}
	}
	return diags
}

// suggest adds "did you mean" for block types, which hcl does for attributes only.
func suggest(diags hcl.Diagnostics, schema *hcl.BodySchema) hcl.Diagnostics {
	for _, d := range diags {
		m := unknownBlock.FindStringSubmatch(d.Detail)
		if m == nil || strings.Contains(d.Detail, "Did you mean") {
			continue
		}
		var known []string
		for _, b := range schema.Blocks {
			known = append(known, b.Type)
		}
		d.Detail += didYouMean(m[1], known)
	}
	return diags
}

var unknownBlock = regexp.MustCompile(`^Blocks of type "([^"]+)" are not expected here\.`)
