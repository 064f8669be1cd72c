package diag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteText writes problems for people, in the manner of HashiCorp's tools: summary, place, the line in
// question with a mark below it, and the detail. sources are the bytes of files by name; a file that is
// not among them is named without its line.
func WriteText(w io.Writer, ps Problems, sources map[string][]byte, color bool) error {
	var b bytes.Buffer
	for _, p := range ps {
		head := "Error"
		paint := "\x1b[1;31m"
		if p.Severity == Warning {
			head, paint = "Warning", "\x1b[1;33m"
		}
		if color {
			head = paint + head + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s: %s\n\n", head, p.Summary)
		if p.Where != nil {
			place(&b, p, sources[p.Where.File])
		}
		if p.Detail != "" {
			fmt.Fprintf(&b, "%s\n", p.Detail)
		}
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

func place(b *bytes.Buffer, p Problem, source []byte) {
	fmt.Fprintf(b, "  on %s", p.Where.File)
	if p.Where.Start.Line > 0 {
		fmt.Fprintf(b, " line %d", p.Where.Start.Line)
	}
	if p.Context != "" {
		fmt.Fprintf(b, ", in %s", p.Context)
	}
	b.WriteString(":\n")
	line, ok := lineOf(source, p.Where.Start.Line)
	if !ok {
		b.WriteByte('\n')
		return
	}
	number := fmt.Sprintf("%4d: ", p.Where.Start.Line)
	fmt.Fprintf(b, "%s%s\n", number, line)
	start := max(0, p.Where.Start.Column-1)
	width := 1
	if p.Where.End.Line == p.Where.Start.Line && p.Where.End.Column > p.Where.Start.Column {
		width = p.Where.End.Column - p.Where.Start.Column
	} else if p.Where.End.Line > p.Where.Start.Line {
		width = max(1, utf8.RuneCountInString(line)-start)
	}
	fmt.Fprintf(b, "%s%s%s\n\n", strings.Repeat(" ", len(number)), indent(line, start), strings.Repeat("^", width))
}

// indent keeps tabs, so that the mark stands below what it marks.
func indent(line string, n int) string {
	var out strings.Builder
	for i, r := range []rune(line) {
		if i == n {
			break
		}
		if r == '\t' {
			out.WriteByte('\t')
		} else {
			out.WriteByte(' ')
		}
	}
	return out.String()
}

func lineOf(source []byte, n int) (string, bool) {
	if n <= 0 {
		return "", false
	}
	for i := 1; ; i++ {
		line, rest, more := bytes.Cut(source, []byte("\n"))
		if i == n {
			return strings.TrimRight(string(line), "\r"), len(source) > 0
		}
		if !more {
			return "", false
		}
		source = rest
	}
}

// WriteJSON writes problems for machines: one array.
func WriteJSON(w io.Writer, ps Problems) error {
	if ps == nil {
		ps = Problems{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(ps)
}
