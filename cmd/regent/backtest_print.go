package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/backtest"
	"github.com/regent-dev/regent/core/record"
)

// progress shows how far a backtest has come, on a terminal.
type progress struct {
	w       io.Writer
	src     backtest.Source
	scope   backtest.Scope
	began   time.Time
	kind    record.Kind
	kindAt  time.Time
	shown   time.Time
	written bool
}

// newProgress returns a progress line; it shows nothing where w is no terminal.
func newProgress(w io.Writer, src backtest.Source, s backtest.Scope) *progress {
	p := &progress{src: src, scope: s, began: time.Now()}
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		p.w = w
	}
	return p
}

func (p *progress) show(x backtest.Progress) {
	now := time.Now()
	if x.Kind != p.kind {
		p.kind, p.kindAt = x.Kind, now
	}
	if p.w == nil || now.Sub(p.shown) < 200*time.Millisecond {
		return
	}
	p.shown, p.written = now, true
	text := fmt.Sprintf("%d records, %.0f/s, at %s", x.Records, float64(x.Records)/now.Sub(p.began).Seconds(), short(x.At))
	if done := p.done(x); done > 0.01 && done < 1 {
		left := time.Duration(float64(now.Sub(p.kindAt)) * (1 - done) / done)
		text += fmt.Sprintf(", %.0f %% of the %ss, %s to go", 100*done, x.Kind, left.Round(time.Second))
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// done is how much of the records of a kind is through, 0 where that is not known.
func (p *progress) done(x backtest.Progress) float64 {
	if f, ok := p.src.(*backtest.Files); ok {
		return f.Fraction()
	}
	until := p.scope.Until
	if until.IsZero() {
		until = p.began
	}
	if p.scope.Since.IsZero() || !until.After(p.scope.Since) {
		return 0
	}
	return float64(x.At.Sub(p.scope.Since)) / float64(until.Sub(p.scope.Since))
}

func (p *progress) end() {
	if p.written {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// print writes a result.
func (f *backtestFlags) print(to io.Writer, r *backtest.Result) error {
	w := bufio.NewWriterSize(to, 64<<10)
	var err error
	switch f.output {
	case "json":
		err = f.printJSON(w, r)
	case "ndjson":
		err = f.printLines(w, r)
	default:
		err = f.printTable(w, r)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

func (f *backtestFlags) printJSON(w io.Writer, r *backtest.Result) error {
	// The firings may be more than fit in memory: they are written one by one.
	fmt.Fprint(w, `{"firings":[`)
	if !f.summary {
		sep := "\n"
		for x, err := range r.Firings() {
			if err != nil {
				return err
			}
			fmt.Fprint(w, sep)
			if err := encoder(w).Encode(x); err != nil {
				return err
			}
			sep = ","
		}
	}
	fmt.Fprint(w, `],"result":`)
	if err := encoder(w).Encode(r); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "}")
	return err
}

func (f *backtestFlags) printLines(w io.Writer, r *backtest.Result) error {
	e := encoder(w)
	if !f.summary {
		for x, err := range r.Firings() {
			if err != nil {
				return err
			}
			if err := e.Encode(map[string]any{"firing": x}); err != nil {
				return err
			}
		}
	}
	for _, p := range r.Policies {
		if err := e.Encode(map[string]any{"summary": p}); err != nil {
			return err
		}
	}
	end := *r
	end.Policies = nil
	return e.Encode(map[string]any{"end": end})
}

func (f *backtestFlags) printTable(w io.Writer, r *backtest.Result) error {
	if !f.summary {
		// Columns are as wide as they mostly are: with a table of all of them nothing could be shown
		// before the last is there.
		fmt.Fprintf(w, "%-19s  %-8s  %-8s  %-40s  %s\n", "TIME", "SEVERITY", "WHAT", "POLICY", "ON AND WHY")
		for x, err := range r.Firings() {
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%-19s  %-8s  %-8s  %-40s  %s\n", short(x.At), x.Severity, x.What, x.Policy, oneLine(why(&x)))
		}
		fmt.Fprintln(w)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "POLICY\tRUNS\tMATCHED\tFIRED\tENDED\tOPEN\tERRORS\tFIRST\tLAST\tMOST A DAY")
	for _, p := range r.Policies {
		first, last, worst := "-", "-", "-"
		if p.First != nil {
			first, last = short(*p.First), short(*p.Last)
			worst = fmt.Sprintf("%d (%s)", p.Worst.Count, p.Worst.Day)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", p.Policy, p.Evaluated, p.Matched, p.Opened, p.Resolved, p.Open, p.Errors, first, last, worst)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range r.Policies {
		for _, note := range notes(p) {
			fmt.Fprintf(w, "%s: %s\n", p.Policy, oneLine(note))
		}
	}
	incomplete := ""
	if r.Incomplete {
		incomplete = "; INCOMPLETE: it was interrupted"
	}
	late := ""
	if r.Items.Late > 0 {
		late = fmt.Sprintf(" (%d came too late to be judged)", r.Items.Late)
	}
	fmt.Fprintf(w, "%d items on top of %d at the start%s, and %d events%s.\n", r.Items.Read, r.Items.State, late, r.Events, incomplete)
	return nil
}

// notes are what the table of summaries has no column for.
func notes(p *backtest.Summary) (out []string) {
	count := func(n int64, text string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, text))
		}
	}
	count(p.Waived, "of the findings are waived")
	count(p.NotApplicable, "times it did not apply")
	count(p.InsufficientData, "times the item lacked what the policy requires")
	count(p.Late, "matches came too late to change anything")
	count(p.Overflow, "matches were of more keys than are followed")
	for _, s := range p.Samples {
		on := "event " + s.Event
		if s.Resource != nil {
			on = s.Resource.String()
		}
		out = append(out, fmt.Sprintf("error on record %d (%s, %s): %s", s.Record, on, short(s.At), s.Reason))
	}
	if n := p.Errors - int64(len(p.Samples)); n > 0 && len(p.Samples) > 0 {
		count(n, "more errors")
	}
	return out
}

// why says on what a firing is, and why.
func why(f *backtest.Firing) string {
	if ep := f.Episode; ep != nil {
		until := "open at the end"
		if ep.EndedAt != nil {
			until = "until " + short(*ep.EndedAt)
		}
		return fmt.Sprintf("%s %s: %s (%d matches, %s)", orElse(ep.AccountID, "-"), orElse(ep.Key, "-"), ep.Message, ep.Matches, until)
	}
	x := f.Finding
	text := fmt.Sprintf("%s %s version %d: ", x.Resource.ResourceType, x.Resource.ResourceID, x.Version)
	if f.What == backtest.Resolved {
		return text + strings.TrimSuffix(x.Resolution+" "+f.Message, " ")
	}
	if len(x.Denials) == 0 {
		text += f.Message
	}
	for i, d := range x.Denials {
		if i > 0 {
			text += "; "
		}
		text += d.Message
		if d.Path != "" {
			text += fmt.Sprintf(" (%s = %s)", d.Path, cut(orElse(string(d.Value), "nothing"), 60))
		}
	}
	switch {
	case x.Waiver != "":
		text += fmt.Sprintf(" [waived by %s]", x.Waiver)
	case x.Cause != backtest.CauseVersion:
		text += fmt.Sprintf(" [%s]", x.Cause)
	}
	return text
}

// compare prints how two results differ.
func (f *backtestFlags) compare(cmd *cobra.Command, results []*backtest.Result) error {
	d, err := backtest.Compare(cmd.Context(), results[0], results[1])
	if err != nil {
		if cmd.Context().Err() != nil {
			return &exit{exitInterrupted, fmt.Errorf("interrupted before the results were compared")}
		}
		return &exit{exitUsage, err}
	}
	same := d.Same()
	if f.summary {
		d.Differences = d.Differences[:0]
	}
	w := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
	if err := f.printDiff(w, d); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case d.Incomplete:
		return verdictOf(results[1])
	case d.Erroring():
		return &exit{exitError, nil}
	case !same:
		return &exit{exitFindings, nil}
	}
	return nil
}

func (f *backtestFlags) printDiff(w io.Writer, d *backtest.Diff) error {
	switch f.output {
	case "json":
		e := encoder(w)
		e.SetIndent("", "  ")
		return e.Encode(d)
	case "ndjson":
		e := encoder(w)
		for _, x := range d.Differences {
			if err := e.Encode(map[string]any{"difference": x}); err != nil {
				return err
			}
		}
		for _, p := range d.Policies {
			if err := e.Encode(map[string]any{"summary": p}); err != nil {
				return err
			}
		}
		return e.Encode(map[string]any{"end": map[string]any{"incomplete": d.Incomplete}})
	}
	for _, x := range d.Differences {
		on := ""
		switch {
		case x.Resource != nil:
			on = x.Resource.ResourceType + " " + x.Resource.ResourceID
		case x.StartedAt != nil:
			on = fmt.Sprintf("%s %s at %s", orElse(x.Account, "-"), orElse(x.Key, "-"), short(*x.StartedAt))
		}
		fmt.Fprintf(w, "%-15s  %s  %s  %s -> %s  %s\n", x.What, x.Policy, oneLine(on), orElse(x.Before, "-"), orElse(x.After, "-"), oneLine(x.Message))
	}
	if len(d.Differences) > 0 {
		fmt.Fprintln(w)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "POLICY\tNEWLY FAILING\tNEWLY PASSING\tNEWLY ERRORING\tCHANGED\tADDED\tREMOVED\tUNCHANGED")
	for _, p := range d.Policies {
		name := string(p.Policy)
		if p.State != "" {
			name += " (" + p.State + ")"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", name, p.NewlyFailing, p.NewlyPassing, p.NewlyErroring, p.Changed, p.Added, p.Removed, p.Unchanged)
	}
	if d.Incomplete {
		fmt.Fprintln(t, "INCOMPLETE: it was interrupted")
	}
	return t.Flush()
}
