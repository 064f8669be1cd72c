package query

import (
	"bufio"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format is a form of a result.
type Format string

// The formats.
const (
	FormatTable   Format = "table"
	FormatJSON    Format = "json"
	FormatNDJSON  Format = "ndjson"
	FormatCSV     Format = "csv"
	FormatParquet Format = "parquet"
)

// Formats lists them.
var Formats = []Format{FormatTable, FormatJSON, FormatNDJSON, FormatCSV, FormatParquet}

// ContentTypes are the formats' types in HTTP.
var ContentTypes = map[Format]string{
	FormatTable: "text/plain", FormatJSON: "application/json", FormatNDJSON: "application/x-ndjson", FormatCSV: "text/csv",
	FormatParquet: "application/vnd.apache.parquet",
}

// Rows are where rows come from; *Result is one.
type Rows interface {
	Next() ([]Row, error)
}

// Write writes rows in a format, as they come. An error of the rows is returned as it is; what was
// written until then is no whole answer.
func Write(w io.Writer, f Format, columns []Column, rows Rows) error {
	if f == FormatParquet {
		return writeParquet(w, columns, rows)
	}
	b := bufio.NewWriterSize(w, 64<<10)
	var put writer
	names := unique(columns)
	switch f {
	case FormatJSON:
		put = &jsonWriter{w: b, names: names, array: true}
	case FormatNDJSON:
		put = &jsonWriter{w: b, names: names}
	case FormatCSV:
		put = &csvWriter{w: csv.NewWriter(b), columns: columns}
	case FormatTable:
		put = &tableWriter{w: b, columns: columns}
	default:
		return fmt.Errorf("unknown format %q", f)
	}
	if err := put.begin(); err != nil {
		return err
	}
	for {
		some, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, b.Flush())
		}
		for _, r := range some {
			if err := put.row(r); err != nil {
				return err
			}
		}
		if err := b.Flush(); err != nil {
			return err
		}
	}
	if err := put.end(); err != nil {
		return err
	}
	return b.Flush()
}

// unique gives columns that share a name one of their own: a, a_1, a_2.
func unique(columns []Column) []string {
	var out []string
	for _, c := range columns {
		name := c.Name
		for n := 1; slices.Contains(out, name); n++ {
			name = fmt.Sprintf("%s_%d", c.Name, n)
		}
		out = append(out, name)
	}
	return out
}

type writer interface {
	begin() error
	row(Row) error
	end() error
}

// jsonWriter writes an object for each row.
type jsonWriter struct {
	w     *bufio.Writer
	names []string
	keys  [][]byte
	array bool
	n     int
}

func (j *jsonWriter) begin() error {
	for _, n := range j.names {
		k, err := json.Marshal(n)
		if err != nil {
			return err
		}
		j.keys = append(j.keys, k)
	}
	if j.array {
		return j.w.WriteByte('[')
	}
	return nil
}

func (j *jsonWriter) row(r Row) error {
	// The first error of a bufio.Writer stays and is that of the flush.
	if j.array {
		if j.n++; j.n > 1 {
			_ = j.w.WriteByte(',')
		}
		_ = j.w.WriteByte('\n')
	}
	_ = j.w.WriteByte('{')
	for i, v := range r {
		if i > 0 {
			_ = j.w.WriteByte(',')
		}
		_, _ = j.w.Write(j.keys[i])
		_ = j.w.WriteByte(':')
		_, _ = j.w.Write(v)
	}
	_ = j.w.WriteByte('}')
	if j.array {
		return nil
	}
	return j.w.WriteByte('\n')
}

func (j *jsonWriter) end() error {
	if j.array {
		_, err := j.w.WriteString("\n]\n")
		return err
	}
	return nil
}

// plain returns a value as text: strings without quotes, everything else as its JSON. ok is false for
// NULL.
func plain(v json.RawMessage) (text string, ok bool) {
	if string(v) == "null" {
		return "", false
	}
	if v[0] == '"' {
		var s string
		if json.Unmarshal(v, &s) == nil {
			return s, true
		}
	}
	return string(v), true
}

type csvWriter struct {
	w       *csv.Writer
	columns []Column
	fields  []string
}

func (c *csvWriter) begin() error {
	var names []string
	for _, col := range c.columns {
		names = append(names, col.Name)
	}
	return c.w.Write(names)
}

func (c *csvWriter) row(r Row) error {
	c.fields = c.fields[:0]
	for _, v := range r {
		s, _ := plain(v)
		c.fields = append(c.fields, s)
	}
	err := c.w.Write(c.fields)
	c.w.Flush()
	return errors.Join(err, c.w.Error())
}

func (c *csvWriter) end() error {
	c.w.Flush()
	return c.w.Error()
}

// tableWriter aligns columns by their first rows.
type tableWriter struct {
	w       *bufio.Writer
	columns []Column
	head    [][]string
	widths  []int
	flushed bool
}

// The table's widths come from so many rows, and a value is cut at so many characters.
const (
	tableRows  = 200
	tableWidth = 60
)

func (t *tableWriter) begin() error {
	var names []string
	for _, c := range t.columns {
		names = append(names, cell(strings.ToUpper(c.Name)))
	}
	t.head = append(t.head, names)
	return nil
}

// cell makes a text fit for a terminal: no control characters, not too long.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > tableWidth {
		return string([]rune(s)[:tableWidth-1]) + "…"
	}
	return s
}

func (t *tableWriter) row(r Row) error {
	var cells []string
	for _, v := range r {
		s, ok := plain(v)
		if !ok {
			s = "-"
		}
		cells = append(cells, cell(s))
	}
	if t.flushed {
		return t.line(cells)
	}
	if t.head = append(t.head, cells); len(t.head) > tableRows {
		return t.flush()
	}
	return nil
}

func (t *tableWriter) flush() error {
	t.flushed = true
	t.widths = make([]int, len(t.columns))
	for _, cells := range t.head {
		for i, s := range cells {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(s))
		}
	}
	for _, cells := range t.head {
		if err := t.line(cells); err != nil {
			return err
		}
	}
	return nil
}

func (t *tableWriter) line(cells []string) error {
	var b strings.Builder
	for i, s := range cells {
		b.WriteString(s)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(s))+2))
		}
	}
	_, err := t.w.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	return err
}

func (t *tableWriter) end() error {
	if t.flushed {
		return nil
	}
	return t.flush()
}

func unbase64(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }
