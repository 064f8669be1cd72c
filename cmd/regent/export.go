package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

func newExport(c *client) *cobra.Command {
	var since, until, by, format, dir string
	var tables []string
	all := make([]string, len(table.Names))
	for i, n := range table.Names {
		all[i] = string(n)
	}
	cmd := &cobra.Command{
		Use: "export --out FOLDER", Short: "Write recorded history to files", GroupID: "ask", Args: cobra.NoArgs,
		Long: `Writes one file a table: lines of JSON, or Parquet with the columns that "regent query --tables" lists.
A file is there when it is whole. Tables: ` + strings.Join(all, ", ") + `.`,
		Example: `  regent export --since 2026-01-01T00:00:00Z --tables events,configuration_items --out backup
  regent export --format parquet --out lake-of-march --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "ndjson" && format != "parquet" {
				return usage("--format %q is none of ndjson and parquet", format)
			}
			if by != "time" && by != "received" {
				return usage("--by %q is none of time and received", by)
			}
			q := url.Values{"by": {by}, "format": {format}}
			for name, v := range map[string]string{"since": since, "until": until} {
				at, err := moment(name, v, time.Now())
				if err != nil {
					return err
				}
				if !at.IsZero() {
					q.Set(name, record.FormatTime(at))
				}
			}
			for _, t := range tables {
				if !slices.Contains(all, t) {
					return usage("there is no table %q; the tables are %s", t, strings.Join(all, ", "))
				}
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return usage("%v", err)
			}
			for _, t := range tables {
				path := filepath.Join(dir, t+"."+format)
				n, err := exportTable(cmd, c, t, q, path)
				if err != nil {
					return fmt.Errorf("export %s: %w", t, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s\t%d bytes\n", path, n)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "out", "", "folder to write to; it is made where it is missing")
	f.StringVar(&since, "since", "", "from a time, a day, or a while ago such as 30d on")
	f.StringVar(&until, "until", "", "before a time, a day, or a while ago")
	f.StringVar(&by, "by", "time", "what the times are of: time (it happened) or received (it was recorded)")
	f.StringVar(&format, "format", "ndjson", "ndjson or parquet")
	f.StringSliceVar(&tables, "tables", all, "tables to export")
	_ = cmd.MarkFlagRequired("out")
	return cmd
}

// exportTable writes a table to a file, whole or not at all.
func exportTable(cmd *cobra.Command, c *client, name string, q url.Values, path string) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return 0, usage("%v", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	err = c.do(cmd.Context(), http.MethodGet, "/v1/history/"+name, q, nil, "", func(r io.Reader) error {
		if n, err = io.Copy(f, r); err != nil {
			if why := brokeOff(f, n); why != "" {
				err = errors.New(why)
			}
			return &exit{exitUnreachable, fmt.Errorf("the daemon broke off: %w", err)}
		}
		return nil
	})
	if err == nil && q.Get("format") == "ndjson" {
		n, err = cutEnd(f, n)
	}
	if err == nil {
		err = errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return n, err
}

// brokeOff returns what the last line of an export that broke off says, "" where it says nothing.
func brokeOff(f *os.File, size int64) string {
	from := max(0, size-64<<10)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, size-from))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(tail)), "\n")
	var last struct{ Error string }
	if json.Unmarshal([]byte(lines[len(lines)-1]), &last) != nil {
		return ""
	}
	return last.Error
}

// cutEnd removes the line that ends a stream, without which the stream was cut short.
func cutEnd(f *os.File, size int64) (int64, error) {
	from := max(0, size-64)
	tail, err := io.ReadAll(bufio.NewReader(io.NewSectionReader(f, from, size-from)))
	if err != nil {
		return 0, err
	}
	i := strings.LastIndex(strings.TrimSuffix(string(tail), "\n"), "{\"end\":true")
	if i < 0 {
		return 0, &exit{exitUnreachable, errors.New("the daemon broke off before the end")}
	}
	size = from + int64(i)
	return size, f.Truncate(size)
}
