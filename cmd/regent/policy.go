package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/policy/policytest"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/reload"
	"github.com/regent-dev/regent/core/report"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/policies"
)

// readPolicies reads policies from folders and files; with none named, those that come with Regent.
func readPolicies(paths []string, builtin bool) ([]policy.File, map[string][]byte, error) {
	var files []policy.File
	if builtin {
		all, err := policies.Files()
		if err != nil {
			return nil, nil, err
		}
		for _, f := range all {
			files = append(files, policy.File{Path: f.Path, Bytes: f.Bytes})
		}
	}
	for _, p := range paths {
		tree, err := reload.ReadTree(p, ".rego")
		if err != nil {
			return nil, nil, usage("%v", err)
		}
		if len(tree.Files) == 0 {
			return nil, nil, usage("%s holds no *.rego file", p)
		}
		for _, f := range tree.Files {
			files = append(files, policy.File{Path: f.Path, Bytes: f.Bytes})
		}
	}
	if len(files) == 0 {
		return nil, nil, usage("name a folder or file of policies, or --builtin for those that come with Regent")
	}
	sources := map[string][]byte{}
	for _, f := range files {
		sources[f.Path] = f.Bytes
	}
	return files, sources, nil
}

// refusePolicies shows problems and returns the exit for them.
func refusePolicies(cmd *cobra.Command, ps diag.Problems, sources map[string][]byte) error {
	if err := diag.WriteText(cmd.ErrOrStderr(), ps, sources, colored(cmd.ErrOrStderr())); err != nil {
		return err
	}
	if ps.HasErrors() {
		return &exit{exitUsage, nil}
	}
	return nil
}

func newTest() *cobra.Command {
	var output, filter string
	var coverage, builtin bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "test [POLICIES…]", Short: "Run the Rego tests of policies", GroupID: "author",
		Long:    "Runs the rules named test_… of *_test.rego files. The exit code is 1 where one fails.",
		Example: "  regent test ./policies\n  regent test ./policies --coverage --run ssh -o junit > report.xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, sources, err := readPolicies(args, builtin)
			if err != nil {
				return err
			}
			r, ps := policytest.Run(cmd.Context(), files, policytest.Options{Coverage: coverage, Run: filter, Timeout: timeout})
			if err := refusePolicies(cmd, ps, sources); err != nil {
				return err
			}
			if err := writeTests(cmd.OutOrStdout(), r, output); err != nil {
				return err
			}
			if !r.OK() {
				return &exit{exitFindings, nil}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json or junit")
	cmd.Flags().StringVar(&filter, "run", "", "only tests whose package.name matches this regular expression")
	cmd.Flags().BoolVar(&coverage, "coverage", false, "measure which lines the tests reach")
	cmd.Flags().BoolVar(&builtin, "builtin", false, "the policies that come with Regent")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "the longest one test may take")
	return cmd
}

func writeTests(w io.Writer, r *policytest.Report, output string) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "junit":
		var cases []report.Case
		for _, t := range r.Results {
			c := report.Case{Suite: t.Package, Name: t.Name, Seconds: t.Duration.Seconds(), Output: t.Output}
			switch t.Status {
			case policytest.Fail:
				c.Failure = orElse(t.Message, "failed")
			case policytest.Error:
				c.Error = orElse(t.Message, "error")
			case policytest.Skip:
				c.Skipped = "skipped"
			}
			cases = append(cases, c)
		}
		return report.JUnit(w, cases)
	case "table":
	default:
		return usage("-o %s: table, json or junit is wanted", output)
	}
	for _, t := range r.Results {
		if t.Status == policytest.Pass || t.Status == policytest.Skip {
			continue
		}
		fmt.Fprintf(w, "%s: %s.%s (%s)\n", t.Status, t.Package, t.Name, t.Where)
		if t.Message != "" {
			fmt.Fprintln(w, "  "+t.Message)
		}
		if t.Output != "" {
			fmt.Fprintln(w, "  printed: "+t.Output)
		}
	}
	if len(r.Coverage) > 0 {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		for _, c := range r.Coverage {
			fmt.Fprintf(t, "%s\t%.1f %%\n", c.Path, c.Percent)
		}
		fmt.Fprintf(t, "all\t%.1f %%\n", r.Percent)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed, %d errors, %d skipped in %s\n", r.Passed, r.Failed, r.Errors, r.Skipped, r.Duration.Round(time.Millisecond))
	return err
}

func orElse(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

func newEval() *cobra.Command {
	var output string
	var paths []string
	var builtin bool
	cmd := &cobra.Command{
		Use: "eval [FILE…]", Short: "Judge items and events from files, without a daemon", GroupID: "author",
		Long: `Reads items and events as JSON, one after the other or as arrays, from files or standard input, and
judges them. Items may read one another. The exit code is 1 where something is not compliant or an alarm
matches, and 2 where an evaluation failed.`,
		Example: "  regent eval --policies ./policies items.json\n  regent eval --builtin -o sarif < items.ndjson > report.sarif",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, sources, err := readPolicies(paths, builtin)
			if err != nil {
				return err
			}
			schemas, err := policies.Schemas()
			if err != nil {
				return err
			}
			set, ps := policy.Compile(cmd.Context(), files, policy.Options{Schemas: schemas})
			var errs diag.Problems
			for _, p := range ps {
				if p.Severity == diag.Error {
					errs = append(errs, p)
				}
			}
			if err := refusePolicies(cmd, errs, sources); err != nil {
				return err
			}
			e := &evaluation{set: set, index: map[[2]string][]*evaluated{}}
			if len(args) == 0 {
				args = []string{"-"}
			}
			for _, a := range args {
				if err := e.read(a, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			results, err := e.run(cmd.Context())
			if err != nil {
				return err
			}
			rules := map[verdict.PolicyID]report.Rule{}
			for _, p := range set.Policies() {
				r := report.Rule{ID: p.ID, Title: p.Title, Description: p.Description, Severity: p.Severity, Remediation: p.Remediation}
				if len(p.RelatedResources) > 0 {
					r.HelpURL = p.RelatedResources[0].URL
				}
				rules[p.ID] = r
			}
			w := cmd.OutOrStdout()
			switch output {
			case "json":
				err = report.JSON(w, results)
			case "sarif":
				err = report.SARIF(w, results, rules, version)
			case "junit":
				err = report.JUnit(w, report.Cases(results))
			case "table":
				err = report.Table(w, results, rules)
			default:
				err = usage("-o %s: table, json, sarif or junit is wanted", output)
			}
			if err != nil {
				return err
			}
			code := 0
			for _, r := range results {
				switch {
				case r.Outcome == verdict.Error || r.Outcome == verdict.NonCompliant && r.Reason != "":
					code = exitError
				case r.Outcome == verdict.NonCompliant && code == 0:
					code = exitFindings
				}
			}
			if code != 0 {
				return &exit{code, nil}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json, sarif or junit")
	cmd.Flags().StringArrayVarP(&paths, "policies", "p", nil, "folder or file of policies (may be repeated)")
	cmd.Flags().BoolVar(&builtin, "builtin", false, "the policies that come with Regent")
	return cmd
}

// evaluation judges records that are all in memory.
type evaluation struct {
	set    *policy.Set
	items  []*evaluated
	events []*evaluated
	index  map[[2]string][]*evaluated
}

type evaluated struct {
	item   record.Item
	event  record.Event
	value  *policy.Value
	source string
	line   int
}

// read reads the records of one file, or of standard input for "-".
func (e *evaluation) read(name string, in io.Reader) error {
	source := name
	if name == "-" {
		source = ""
	} else {
		f, err := os.Open(name)
		if err != nil {
			return usage("%v", err)
		}
		defer f.Close()
		in = f
	}
	types, err := intake.NewTypes(nil, nil)
	if err != nil {
		return err
	}
	check := intake.New([]byte("eval"))
	lines := &lineCounter{r: bufio.NewReader(in)}
	d := json.NewDecoder(lines)
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return usage("%s: byte %d: %v", name, d.InputOffset(), err)
		}
		line := lines.at(d.InputOffset())
		records := []json.RawMessage{raw}
		if raw[0] == '[' {
			if err := json.Unmarshal(raw, &records); err != nil {
				return usage("%s: %v", name, err)
			}
		}
		for _, r := range records {
			kind := record.KindItem
			if !bytes.Contains(r, []byte(`"resourceType"`)) || bytes.Contains(r, []byte(`"actor"`)) {
				kind = record.KindEvent
			}
			b := check.Check(types, []record.Raw{{Kind: kind, JSON: r}}, time.Now().UTC())
			for _, q := range b.Quarantined {
				return usage("%s line %d: %s", orElse(source, "standard input"), line, q.Reason)
			}
			for _, it := range b.Items {
				x := &evaluated{item: it, source: source, line: line}
				if x.value, err = policy.Parse(it.Body); err != nil {
					return usage("%s line %d: %v", name, line, err)
				}
				e.items = append(e.items, x)
				key := [2]string{it.ResourceType, it.ResourceID}
				e.index[key] = append(e.index[key], x)
			}
			for _, ev := range b.Events {
				x := &evaluated{event: ev, source: source, line: line}
				if x.value, err = policy.Parse(ev.Body); err != nil {
					return usage("%s line %d: %v", name, line, err)
				}
				e.events = append(e.events, x)
			}
		}
	}
}

func (e *evaluation) run(ctx context.Context) ([]report.Result, error) {
	var out []report.Result
	for _, x := range e.items {
		for _, p := range e.set.ForType(x.item.ResourceType) {
			v := p.Judge(ctx, policy.Subject{
				Key: x.item.Key, Resource: x.value, Gone: !x.item.Status.Recorded(), Time: x.item.CaptureTime, ItemHash: x.item.Hash.String(),
			}, e)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			out = append(out, report.Result{Verdict: v, Source: x.source, Line: x.line})
		}
	}
	for _, x := range e.events {
		for _, p := range e.set.ForEvent(&x.event, nil) {
			matches, err := p.Match(ctx, x.value, x.event.Time)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			r := report.Result{Source: x.source, Line: x.line, Event: x.event.Action + " " + x.event.ID}
			r.Policy, r.At, r.Outcome = p.ID, x.event.Time, verdict.Compliant
			if err != nil {
				r.Outcome, r.Reason = verdict.Error, err.Error()
			}
			for _, m := range matches {
				r.Outcome = verdict.NonCompliant
				r.Denials = append(r.Denials, verdict.Denial{Message: m.Message, Details: m.Details})
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// Find implements policy.Reader.
func (e *evaluation) Find(_ context.Context, from record.Key, resourceType, id string) (policy.Found, error) {
	all := e.index[[2]string{resourceType, id}]
	var near []*evaluated
	for _, x := range all {
		if x.item.AccountID == from.AccountID && x.item.Region == from.Region {
			near = append(near, x)
		}
	}
	if len(near) > 0 {
		all = near[len(near)-1:]
	}
	switch len(all) {
	case 0:
		return policy.Found{}, nil
	case 1:
		return foundItem(all[0]), nil
	}
	return policy.Found{}, fmt.Errorf("%s %s: %w", resourceType, id, policy.ErrAmbiguous)
}

// Get implements policy.Reader.
func (e *evaluation) Get(_ context.Context, k record.Key) (policy.Found, error) {
	for _, x := range e.index[[2]string{k.ResourceType, k.ResourceID}] {
		if x.item.Key == k {
			return foundItem(x), nil
		}
	}
	return policy.Found{}, nil
}

// All implements policy.Reader.
func (e *evaluation) All(_ context.Context, resourceType string, limit int) ([]policy.Found, error) {
	var out []policy.Found
	for _, x := range e.items {
		if x.item.ResourceType == resourceType && len(out) < limit {
			out = append(out, foundItem(x))
		}
	}
	return out, nil
}

func foundItem(x *evaluated) policy.Found {
	return policy.Found{Key: x.item.Key, Value: x.value, Hash: x.item.Hash, OK: true}
}

// lineCounter tells in which line an offset lies.
type lineCounter struct {
	r      io.Reader
	breaks []int64
	read   int64
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

func (l *lineCounter) at(offset int64) int {
	line := 1
	for _, b := range l.breaks {
		if b >= offset {
			break
		}
		line++
	}
	return line
}
