package diag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
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
		fmt.Fprintf(&b, "%s: %s\n\n", head, printable(p.Summary, ""))
		if p.Where != nil {
			place(&b, p, sources[p.Where.File])
		} else if p.Context != "" {
			fmt.Fprintf(&b, "  in %s:\n\n", printable(p.Context, ""))
		}
		if p.Detail != "" {
			fmt.Fprintf(&b, "%s\n", printable(p.Detail, "\n\t"))
		}
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

func place(b *bytes.Buffer, p Problem, source []byte) {
	fmt.Fprintf(b, "  on %s", printable(p.Where.File, ""))
	if p.Where.Start.Line > 0 {
		fmt.Fprintf(b, " line %d", p.Where.Start.Line)
	}
	if p.Context != "" {
		fmt.Fprintf(b, ", in %s", printable(p.Context, ""))
	}
	b.WriteString(":\n")
	text, ok := lineOf(source, p.Where.Start.Line)
	if !ok {
		b.WriteByte('\n')
		return
	}
	line := []rune(text)
	// A place may be beyond the line: at its end, or where the file has changed since it was checked.
	start := min(max(0, p.Where.Start.Column-1), len(line))
	end := start + 1
	if p.Where.End.Line > p.Where.Start.Line {
		end = len(line)
	} else if p.Where.End.Line == p.Where.Start.Line {
		end = p.Where.End.Column - 1
	}
	end = max(start, min(end, len(line)))

	// Of a long line the part around the mark is enough; files of one line are megabytes.
	from, to := 0, len(line)
	var before, after string
	if len(line) > maxShown {
		from = max(0, min(start-maxShown/4, len(line)-maxShown))
		to = from + maxShown
		end = min(end, to)
		if from > 0 {
			before = "…"
		}
		if to < len(line) {
			after = "…"
		}
	}
	number := fmt.Sprintf("%4d: ", p.Where.Start.Line)
	var pad strings.Builder
	for _, r := range before + shown(line[from:start]) {
		// Tabs are kept, so that the mark stands below what it marks.
		if r == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteString(strings.Repeat(" ", columns(r)))
		}
	}
	marks := 0
	for _, r := range shown(line[start:end]) {
		marks += columns(r)
	}
	fmt.Fprintf(b, "%s%s%s%s\n", number, before, shown(line[from:to]), after)
	fmt.Fprintf(b, "%s%s%s\n\n", strings.Repeat(" ", len(number)), pad.String(), strings.Repeat("^", max(1, marks)))
}

// maxShown is how many characters of a line are shown at most.
const maxShown = 160

// shown is part of a line as it is printed.
func shown(line []rune) string { return printable(string(line), "\t") }

// printable replaces control characters, save those in keep, by their escapes: files and messages come
// from others, and what a terminal obeys must not.
func printable(s, keep string) string {
	clean := func(r rune) bool {
		return !unicode.In(r, unicode.Cc, unicode.Bidi_Control) || strings.ContainsRune(keep, r)
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if clean(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// columns is how many columns of a terminal a character takes.
func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
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
