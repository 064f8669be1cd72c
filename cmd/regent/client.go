package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
)

// client asks a daemon.
type client struct {
	address, token, dataDir string
}

// target returns the base URL and how to get there.
func (c *client) target() (string, *http.Client, error) {
	address := c.address
	if address == "" {
		dir := c.dataDir
		if dir == "" {
			dir = "/var/lib/regent"
		}
		address = "unix://" + filepath.Join(dir, "regent.sock")
	}
	switch {
	case strings.HasPrefix(address, "unix://"):
		path := strings.TrimPrefix(address, "unix://")
		return "http://regent", &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}}, nil
	case strings.HasPrefix(address, "http://"), strings.HasPrefix(address, "https://"):
		return strings.TrimSuffix(address, "/"), &http.Client{}, nil
	}
	return "", nil, usage("address %q is none of unix:///path, http://host:port and https://host:port", address)
}

// call makes one call and decodes the answer.
func (c *client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	contentType := ""
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, contentType = bytes.NewReader(b), "application/json"
	}
	return c.do(ctx, method, path, query, body, contentType, func(r io.Reader) error {
		answer, err := io.ReadAll(r)
		if err != nil {
			return &exit{exitUnreachable, fmt.Errorf("read answer: %w", err)}
		}
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(answer, out); err != nil {
			return &exit{exitUnreachable, fmt.Errorf("the answer is not readable: %w", err)}
		}
		return nil
	})
}

// do makes one call and hands the body of a good answer to take.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body io.Reader, contentType string, take func(io.Reader) error) error {
	base, hc, err := c.target()
	if err != nil {
		return err
	}
	u := base + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return usage("%v", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := hc.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var op *net.OpError
		if errors.As(err, &op) {
			err = op
		}
		return &exit{exitUnreachable, fmt.Errorf("the daemon cannot be reached: %w; is it running, and is --address or --data-dir right?", err)}
	}
	defer res.Body.Close()
	if res.StatusCode < 300 {
		return take(res.Body)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return &exit{exitUnreachable, fmt.Errorf("read answer: %w", err)}
	}
	var problem struct{ Detail, Title string }
	msg := strings.TrimSpace(string(answer))
	if json.Unmarshal(answer, &problem) == nil && problem.Detail != "" {
		msg = problem.Detail
	}
	code := exitUsage
	if res.StatusCode == http.StatusNotFound {
		code = exitFindings
	}
	return &exit{code, errors.New(msg)}
}

// list reads as many pages as the limit wants.
func list[T any](ctx context.Context, c *client, path string, query url.Values, limit int) ([]T, error) {
	out := []T{}
	for {
		query.Set("limit", fmt.Sprint(min(limit-len(out), 1000)))
		var page api.List[T]
		if err := c.call(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" || len(out) >= limit {
			return out, nil
		}
		query.Set("after", page.Next)
	}
}

// printer writes results as the user wants them.
type printer struct {
	output string
}

func (p *printer) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.output, "output", "o", "table", "table or json")
}

// print writes v as JSON, or as the table that rows fills.
func (p *printer) print(w io.Writer, v any, header string, rows func(row func(cells ...any))) error {
	switch p.output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	case "table":
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		if header != "" {
			fmt.Fprintln(t, strings.ReplaceAll(header, " | ", "\t"))
		}
		rows(func(cells ...any) {
			for i, c := range cells {
				if i > 0 {
					fmt.Fprint(t, "\t")
				}
				fmt.Fprint(t, oneLine(fmt.Sprint(c)))
			}
			fmt.Fprintln(t)
		})
		return t.Flush()
	}
	return usage("-o %s: table or json is wanted", p.output)
}

// oneLine keeps a cell in its line and free of control characters, which records may hold.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

func short(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// query collects flags that are set.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func osExecutableDir() string {
	exe, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(exe)
}
