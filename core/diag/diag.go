package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity tells errors from warnings.
type Severity string

// The severities of a problem.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Pos is a place in a file. Line and Column count from 1, columns in runes; Byte counts from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Range is a stretch of a file, its end exclusive.
type Range struct {
	File  string `json:"file"`
	Start Pos    `json:"start"`
	End   Pos    `json:"end"`
}

// String returns "file:line:column".
func (r Range) String() string {
	if r.Start.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Start.Line, r.Start.Column)
}

// Problem is one thing that is wrong.
type Problem struct {
	Severity Severity `json:"severity"`
	// Summary has at most eight words and no period.
	Summary string `json:"summary"`
	// Detail is one or more sentences: what was expected and the way out.
	Detail string `json:"detail,omitempty"`
	// Where is nil for a problem that has no place in a file.
	Where *Range `json:"where,omitempty"`
	// Context names the enclosing block: `collector "host" "this"`.
	Context string `json:"context,omitempty"`
}

// Error makes a Problem an error, for callers that have only one to report.
func (p Problem) Error() string {
	var b strings.Builder
	if p.Where != nil {
		b.WriteString(p.Where.String())
		b.WriteString(": ")
	}
	b.WriteString(p.Summary)
	if p.Detail != "" {
		b.WriteString(": ")
		b.WriteString(p.Detail)
	}
	return b.String()
}

// Problems is a list that grows while something is checked, so that all is reported at once.
type Problems []Problem

// Errorf appends an error at a place, which may be nil.
func (ps *Problems) Errorf(where *Range, summary, format string, args ...any) {
	*ps = append(*ps, Problem{Severity: Error, Summary: summary, Detail: fmt.Sprintf(format, args...), Where: where})
}

// Warnf appends a warning at a place, which may be nil.
func (ps *Problems) Warnf(where *Range, summary, format string, args ...any) {
	*ps = append(*ps, Problem{Severity: Warning, Summary: summary, Detail: fmt.Sprintf(format, args...), Where: where})
}

// HasErrors reports whether one of the problems is an error.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error })
}

// Sort orders errors before warnings, and each by file, line and column; problems without a place
// come first.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if c := cmp.Compare(rank(a.Severity), rank(b.Severity)); c != 0 {
			return c
		}
		var x, y Range
		if a.Where != nil {
			x = *a.Where
		}
		if b.Where != nil {
			y = *b.Where
		}
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Start.Line, y.Start.Line),
			cmp.Compare(x.Start.Column, y.Start.Column))
	})
}

func rank(s Severity) int {
	if s == Error {
		return 0
	}
	return 1
}

// Err returns nil where there is no error among the problems, and otherwise an error whose text is
// that of the first, with a count of the others.
func (ps Problems) Err() error {
	var first *Problem
	n := 0
	for i := range ps {
		if ps[i].Severity == Error {
			if first == nil {
				first = &ps[i]
			}
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return *first
	}
	return fmt.Errorf("%w (and %d more)", *first, n-1)
}
