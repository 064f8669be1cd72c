package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	corequery "github.com/regent-dev/regent/core/query"
	"github.com/regent-dev/regent/core/record"
)

func newQuery(c *client) *cobra.Command {
	var file, output, out, timeout, schema, since, until string
	var tables bool
	cmd := &cobra.Command{
		Use: "query [SQL | -]", Short: "Ask the recorded history in SQL", GroupID: "ask", Args: cobra.MaximumNArgs(1),
		Long: `Answers one SELECT over the recorded history: configuration, activity and compliance in one statement.
--tables lists what can be asked, --schema TABLE its columns with an example. Times are in UTC. A bound in
the statement is enough for the answer; --since and --until spare fetching the other events where the lake is
in a bucket.`,
		Example: `  regent query "SELECT policy, outcome, count(*) FROM compliance GROUP BY ALL"
  regent query -f question.sql -o csv --out answer.csv
  regent query --schema events`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case tables || schema != "":
				if len(args) > 0 || file != "" || tables && schema != "" {
					return usage("--tables and --schema each stand alone")
				}
				return printSchema(cmd.OutOrStdout(), schema, output)
			}
			format := corequery.Format(output)
			if !slices.Contains(corequery.Formats, format) {
				return usage("output %q is none of %s", output, join(corequery.Formats))
			}
			text, err := statement(cmd.InOrStdin(), args, file)
			if err != nil {
				return err
			}
			ask := api.SQLRequest{SQL: text, Timeout: timeout}
			for _, at := range []struct {
				name, text string
				to         *string
			}{{"since", since, &ask.Since}, {"until", until, &ask.Until}} {
				t, err := moment(at.name, at.text, time.Now())
				if err != nil {
					return err
				}
				if !t.IsZero() {
					*at.to = record.FormatTime(t)
				}
			}
			res, err := c.sql(cmd.Context(), ask)
			if err != nil {
				return sqlExit(text, err)
			}
			defer res.Close()
			for _, n := range res.notes {
				fmt.Fprintln(cmd.ErrOrStderr(), "regent: note:", n)
			}
			return sqlExit(text, writeResult(cmd.OutOrStdout(), out, format, res))
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "read the statement from a file")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json, ndjson, csv or parquet")
	cmd.Flags().StringVar(&out, "out", "", "write the result to a file; it appears when it is complete")
	cmd.Flags().StringVar(&since, "since", "", "look at the events from a time on, a day, or a while ago such as 7d, and read only their files")
	cmd.Flags().StringVar(&until, "until", "", "look at the events before a time")
	cmd.Flags().StringVar(&timeout, "timeout", "", "how long the query may take at most, such as 30s")
	cmd.Flags().BoolVar(&tables, "tables", false, "list the tables")
	cmd.Flags().StringVar(&schema, "schema", "", "show a table's columns and an example")
	return cmd
}

func join(fs []corequery.Format) string {
	var out []string
	for _, f := range fs {
		out = append(out, string(f))
	}
	return strings.Join(out, ", ")
}

// statement reads the text of the statement from where it is said to be.
func statement(in io.Reader, args []string, file string) (string, error) {
	var b []byte
	var err error
	switch {
	case file != "" && len(args) > 0:
		return "", usage("a statement and --file were given; one of them is the question")
	case file != "":
		b, err = os.ReadFile(file)
	case len(args) == 1 && args[0] != "-":
		return args[0], nil
	case len(args) == 1:
		b, err = io.ReadAll(io.LimitReader(in, corequery.MaxSQL+1))
	default:
		return "", usage("no statement: give it as an argument, with --file, or with - on standard input; --tables lists what can be asked")
	}
	if err != nil {
		return "", usage("read the statement: %v", err)
	}
	return string(b), nil
}

// printSchema needs no daemon: what can be asked is the same everywhere.
func printSchema(w io.Writer, name, output string) error {
	all := corequery.Schema()
	p := printer{output: output}
	if name == "" {
		return p.print(w, all, "TABLE | WHAT IT HOLDS", func(row func(...any)) {
			for _, t := range all {
				row(t.Name, t.Doc)
			}
		})
	}
	for _, t := range all {
		plain, _, _ := strings.Cut(t.Name, "(")
		if !strings.EqualFold(plain, name) && !strings.EqualFold(t.Name, name) {
			continue
		}
		err := p.print(w, t, "COLUMN | TYPE | MEANING", func(row func(...any)) {
			for _, c := range t.Columns {
				row(c.Name, c.Type, c.Doc)
			}
		})
		if err == nil && output != "json" {
			_, err = fmt.Fprintf(w, "\n%s\n\n%s\n", t.Doc, t.Example)
		}
		return err
	}
	return usage("there is no table %q; `regent query --tables` lists them", name)
}

// sqlAnswer is a result as it comes from the daemon.
type sqlAnswer struct {
	columns []corequery.Column
	notes   []string
	r       *bufio.Reader
	body    io.Closer
}

// Close ends the query where it still runs.
func (a *sqlAnswer) Close() { a.body.Close() }

// Next implements corequery.Rows.
func (a *sqlAnswer) Next() ([]corequery.Row, error) {
	line, err := a.r.ReadBytes('\n')
	if err != nil {
		return nil, &corequery.Error{Kind: corequery.Internal, Message: fmt.Sprintf("the answer broke off: %v", err)}
	}
	if line[0] != '[' {
		var end api.SQLEnd
		if err := json.Unmarshal(line, &end); err != nil {
			return nil, fmt.Errorf("the answer is not readable: %w", err)
		}
		if end.Error != nil {
			return nil, end.Error
		}
		return nil, io.EOF
	}
	row, err := corequery.DecodeRow(line, len(a.columns))
	if err != nil {
		return nil, fmt.Errorf("the answer is not readable: %w", err)
	}
	return []corequery.Row{row}, nil
}

// sql asks the daemon.
func (c *client) sql(ctx context.Context, r api.SQLRequest) (*sqlAnswer, error) {
	if n := len(r.SQL); n > corequery.MaxSQL {
		return nil, &corequery.Error{Kind: corequery.Limit, Message: fmt.Sprintf("the statement has more than the %d bytes that are taken", corequery.MaxSQL)}
	}
	base, hc, err := c.target()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/query", bytes.NewReader(b))
	if err != nil {
		return nil, usage("%v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", api.RowsType)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := hc.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, &corequery.Error{Kind: corequery.Cancelled, Message: "the query was cancelled"}
		}
		var op *net.OpError
		if errors.As(err, &op) {
			err = op
		}
		return nil, &exit{exitUnreachable, fmt.Errorf("the daemon cannot be reached: %w; is it running, and is --address or --data-dir right?", err)}
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, sqlRefusal(res)
	}
	a := &sqlAnswer{r: bufio.NewReaderSize(res.Body, 256<<10), body: res.Body}
	line, err := a.r.ReadBytes('\n')
	var begin api.SQLBegin
	if err == nil {
		err = json.Unmarshal(line, &begin)
	}
	if err != nil {
		res.Body.Close()
		return nil, &exit{exitUnreachable, fmt.Errorf("the answer is not readable: %w", err)}
	}
	a.columns, a.notes = begin.Columns, begin.Notes
	return a, nil
}

// sqlRefusal reads why there is no result.
func sqlRefusal(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return &exit{exitUnreachable, fmt.Errorf("read answer: %w", err)}
	}
	var p struct {
		Type, Detail string
		Errors       []struct{ Value json.Number }
	}
	if json.Unmarshal(b, &p) != nil || p.Detail == "" {
		p.Detail = strings.TrimSpace(string(b))
	}
	kind, ok := strings.CutPrefix(p.Type, api.SQLErrorType)
	if !ok {
		return usage("%s", p.Detail)
	}
	e := &corequery.Error{Kind: corequery.Kind(kind), Message: p.Detail}
	if len(p.Errors) > 0 {
		if n, err := p.Errors[0].Value.Int64(); err == nil {
			e.Position = int(n)
		}
	}
	return e
}

// sqlExit shows an error under the place that it is about, and chooses the exit code: 3 for what the
// statement's author can mend, 2 where the query failed.
func sqlExit(text string, err error) error {
	var e *corequery.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	code := exitError
	switch e.Kind {
	case corequery.Syntax, corequery.NotASelect, corequery.Refused:
		code = exitUsage
	case corequery.Unavailable:
		code = exitUnreachable
	}
	return &exit{code, errors.New(e.Message + place(text, e.Position))}
}

// place shows the line of a position with a mark under it.
func place(text string, position int) string {
	if position < 1 || position > len(text) {
		return ""
	}
	before := text[:position-1]
	start := strings.LastIndexByte(before, '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	number := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[start:])
	// A tab stands for itself, so that the mark is under its place.
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before[start:])
	return fmt.Sprintf("\n\n  on line %d, column %d:\n  %s\n  %s^", number, column+1, strings.TrimRight(line, "\r"), indent)
}

// writeResult writes to standard output, or to a file that takes its name when it is complete.
func writeResult(w io.Writer, path string, f corequery.Format, res *sqlAnswer) error {
	if path == "" {
		return corequery.Write(w, f, res.columns, res)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return usage("write the result: %v", err)
	}
	err = corequery.Write(tmp, f, res.columns, res)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
