package dialect

import (
	"bytes"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
)

// Range turns a place of OPA's into ours. The end is that of the text on the place's first line,
// because a caret under one line says more than one under a whole rule.
func Range(loc *ast.Location) *diag.Range {
	if loc == nil {
		return nil
	}
	text := loc.Text
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	text = bytes.TrimRight(text, " \t\r")
	start := diag.Pos{Line: loc.Row, Column: loc.Col, Byte: loc.Offset}
	end := start
	end.Column += max(1, utf8.RuneCount(text))
	end.Byte += max(1, len(text))
	return &diag.Range{File: loc.File, Start: start, End: end}
}

// LineRange is the place of text in a line, col counting runes from 1.
func LineRange(file string, line, col, offset int, text string) diag.Range {
	start := diag.Pos{Line: line, Column: col, Byte: offset}
	end := start
	end.Column += max(1, utf8.RuneCountInString(text))
	end.Byte += max(1, len(text))
	return diag.Range{File: file, Start: start, End: end}
}
