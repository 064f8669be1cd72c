package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"
	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/backtest"
	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/daemon"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/policies"
)

// exitInterrupted is what a shell expects of a program that an interrupt ended.
const exitInterrupted = 130

// backtestFlags are those of `regent backtest`.
type backtestFlags struct {
	since, until, by   string
	input              []string
	config             string
	vars               []string
	candidate, against string
	builtin, summary   bool
	output             string
	samples            int
}

func newBacktest(c *client) *cobra.Command {
	var f backtestFlags
	cmd := &cobra.Command{
		Use: "backtest POLICY…", Short: "Say when policies would have fired on what was recorded", GroupID: "author",
		Long: `Runs policies that are not loaded over recorded items and events, with their windows, parameters,
waivers and the versions of other resources as they were, and says when each would have fired and on
what. The records come from the daemon, or from files with --input; the policies run in this process, so
that the daemon only reads. POLICY is a file, a folder, or the id of a policy that comes with Regent (* and
? stand for anything).

With --diff the policies of a folder are set against those in force, or against another folder with
--against: what would newly fail, newly pass and newly be in error. Without --since that is asked of the
resources as they are now.

Times are RFC 3339, a day (2026-03-01), or a while ago (36h, 30d). The exit code is 1 where something
fires or differs, 2 where an evaluation failed, and 130 where it was interrupted; what there was until then
is printed and marked as incomplete.`,
		Example: "  regent backtest ./policies/new --since 30d\n  regent backtest 'alarms.aws.*' --since 2026-03-01 --until 2026-03-08 --summary\n  regent backtest --diff ./candidate --since 7d\n  regent backtest ./p --input history.ndjson.gz -o ndjson",
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, c, args) },
	}
	cmd.Flags().StringVar(&f.since, "since", "", "where to begin; needed unless --input or --diff is given")
	cmd.Flags().StringVar(&f.until, "until", "", "where to end")
	cmd.Flags().StringVar(&f.by, "by", "time", "what --since and --until are about: time (of the record) or received")
	cmd.Flags().StringArrayVar(&f.input, "input", nil, "read records from a file of JSON lines, plain or gzip'd, instead of asking the daemon (may be repeated)")
	cmd.Flags().StringVarP(&f.config, "config", "c", "", "configuration whose policy and waiver blocks count: a file or a folder")
	cmd.Flags().StringArrayVar(&f.vars, "var", nil, "set a variable of the configuration: NAME=VALUE (may be repeated)")
	cmd.Flags().StringVar(&f.candidate, "diff", "", "set the policies of this folder against those in force")
	cmd.Flags().StringVar(&f.against, "against", "", "with --diff: against this folder instead")
	cmd.Flags().BoolVar(&f.builtin, "builtin", false, "the policies that come with Regent")
	cmd.Flags().BoolVar(&f.summary, "summary", false, "the summary only")
	cmd.Flags().StringVarP(&f.output, "output", "o", "table", "table, json or ndjson")
	cmd.Flags().IntVar(&f.samples, "samples", 10, "how many errors of each policy to show")
	return cmd
}

// moment reads a time, a day, or a duration before now.
func moment(name, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := record.ParseTime(s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	if d, err := config.ParseDuration(s); err == nil {
		return now.Add(-d).UTC().Truncate(time.Microsecond), nil
	}
	return time.Time{}, usage("--%s %s: a time such as 2026-03-01T12:00:00Z, a day such as 2026-03-01, or a while ago such as 30d is wanted", name, s)
}

func (f *backtestFlags) run(cmd *cobra.Command, c *client, args []string) error {
	ctx := cmd.Context()
	now := time.Now()
	var s backtest.Scope
	var err error
	if s.Since, err = moment("since", f.since, now); err != nil {
		return err
	}
	if s.Until, err = moment("until", f.until, now); err != nil {
		return err
	}
	switch {
	case !s.Since.IsZero() && !s.Until.IsZero() && !s.Since.Before(s.Until):
		return usage("--since %s is not before --until %s", record.FormatTime(s.Since), record.FormatTime(s.Until))
	case f.by != "time" && f.by != "received":
		return usage("--by %s: time or received is wanted", f.by)
	case f.by != "time" && len(f.input) > 0:
		return usage("--by received asks the daemon; records of --input are chosen by their own time")
	case !slices.Contains([]string{"table", "json", "ndjson"}, f.output):
		return usage("-o %s: table, json or ndjson is wanted", f.output)
	case f.against != "" && f.candidate == "":
		return usage("--against needs --diff")
	case f.candidate != "" && (len(args) > 0 || f.builtin):
		return usage("--diff names the policies itself: leave out POLICY and --builtin")
	}
	src, err := f.source(c)
	if err != nil {
		return err
	}
	diff := f.candidate != ""
	if s.Since.IsZero() && len(f.input) == 0 {
		if !diff {
			return usage("say since when: --since 30d, for one")
		}
		// The resources as they are now, and nothing after that.
		s.Since = now.UTC().Truncate(time.Microsecond)
		if s.Until.IsZero() {
			s.Until = s.Since
		}
	}
	plans, err := f.plans(cmd, c, args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "regent-backtest-")
	if err != nil {
		return &exit{exitUsage, fmt.Errorf("make a folder for what does not fit in memory: %w", err)}
	}
	defer os.RemoveAll(dir)
	engines := make([]*backtest.Engine, len(plans))
	for i, p := range plans {
		p.Dir, p.Samples = fmt.Sprintf("%s/%d", dir, i), f.samples
		if engines[i], err = backtest.NewEngine(ctx, p); err != nil {
			return &exit{exitUsage, err}
		}
		defer engines[i].Close()
	}
	bar := newProgress(cmd.ErrOrStderr(), src, s)
	s.Progress = bar.show
	results, err := backtest.Run(ctx, src, s, engines...)
	bar.end()
	if err != nil {
		// What came before the failure is not what was asked for; it would look like an answer.
		var known *exit
		if errors.As(err, &known) {
			return err
		}
		return &exit{exitUsage, err}
	}
	if diff {
		return f.compare(cmd, results)
	}
	if err := f.print(cmd.OutOrStdout(), results[0]); err != nil {
		return err
	}
	return verdictOf(results[0])
}

// verdictOf is the exit code of a result.
func verdictOf(r *backtest.Result) error {
	if r.Incomplete {
		return &exit{exitInterrupted, fmt.Errorf("interrupted after %d items and %d events; what is printed is not all there is", r.Items.State+r.Items.Read, r.Events)}
	}
	code := 0
	for _, p := range r.Policies {
		switch {
		case p.Errors > 0:
			code = exitError
		case p.Opened > p.Waived && code == 0:
			code = exitFindings
		}
	}
	if code != 0 {
		return &exit{code, nil}
	}
	return nil
}

// source is where the records come from.
func (f *backtestFlags) source(c *client) (backtest.Source, error) {
	if len(f.input) == 0 {
		return &backtest.Remote{Get: c.stream, ByReceived: f.by == "received"}, nil
	}
	src, err := backtest.OpenFiles(f.input...)
	if err != nil {
		return nil, usage("%v", err)
	}
	return src, nil
}

// stream asks the daemon for something long.
func (c *client) stream(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	base, hc, err := c.target()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, usage("%v", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := hc.Do(req)
	if err != nil {
		return nil, &exit{exitUnreachable, fmt.Errorf("the daemon cannot be reached: %w; is it running, and is --address or --data-dir right?", err)}
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return nil, &exit{exitUnreachable, fmt.Errorf("read answer: %w", err)}
	}
	return nil, &exit{exitUsage, fmt.Errorf("the daemon refuses to give its history: %s: %s", res.Status, strings.TrimSpace(string(text)))}
}

// terms are what a configuration or the daemon says about policies.
type terms struct {
	overrides map[verdict.PolicyID]policy.Override
	waivers   []compliance.Waiver
	schemas   map[string][]byte
}

// plans are the sets of policies to run: one, or two to be compared.
func (f *backtestFlags) plans(cmd *cobra.Command, c *client, args []string) ([]backtest.Options, error) {
	schemas, err := policies.Schemas()
	if err != nil {
		return nil, err
	}
	t := terms{schemas: schemas}
	var running []policy.File
	if f.candidate != "" && f.against == "" {
		if running, err = askModules(cmd.Context(), c, &t); err != nil {
			return nil, err
		}
	}
	if f.config != "" {
		if err := f.configured(cmd, &t); err != nil {
			return nil, err
		}
	}
	if f.candidate == "" {
		files, err := f.chosen(args)
		if err != nil {
			return nil, err
		}
		for id, o := range t.overrides {
			// Whoever names a policy wants it run.
			o.Disabled = false
			t.overrides[id] = o
		}
		p, err := compilePlan(cmd, files, t)
		return []backtest.Options{p}, err
	}
	if f.against != "" {
		if running, _, err = readPolicies([]string{f.against}, false); err != nil {
			return nil, err
		}
	}
	before, err := compilePlan(cmd, running, t)
	if err != nil {
		return nil, err
	}
	files, _, err := readPolicies([]string{f.candidate}, false)
	if err != nil {
		return nil, err
	}
	after, err := compilePlan(cmd, files, t)
	return []backtest.Options{before, after}, err
}

// chosen reads the policies that were named.
func (f *backtestFlags) chosen(args []string) ([]policy.File, error) {
	var paths, ids []string
	for _, a := range args {
		if _, err := os.Stat(a); err == nil {
			paths = append(paths, a)
			continue
		}
		if !strings.HasPrefix(a, "compliance.") && !strings.HasPrefix(a, "alarms.") && !strings.HasPrefix(a, "*") {
			return nil, usage("%s is neither a file or folder nor the id of a policy that comes with Regent", a)
		}
		ids = append(ids, a)
	}
	var files []policy.File
	if len(paths) > 0 || f.builtin || len(ids) == 0 {
		var err error
		if files, _, err = readPolicies(paths, f.builtin); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		found, err := builtinFiles(id)
		if err != nil {
			return nil, err
		}
		for _, x := range found {
			if !slices.ContainsFunc(files, func(y policy.File) bool { return y.Path == x.Path }) {
				files = append(files, x)
			}
		}
	}
	return files, nil
}

// builtinFiles are the files of the policies that come with Regent and whose id matches a pattern.
func builtinFiles(pattern string) ([]policy.File, error) {
	g, err := glob.Compile(pattern)
	if err != nil {
		return nil, usage("%s: %v", pattern, err)
	}
	all, err := policies.Files()
	if err != nil {
		return nil, err
	}
	var out []policy.File
	for _, x := range all {
		if g.Match(x.Policy) {
			out = append(out, policy.File{Path: x.Path, Bytes: x.Bytes})
		}
	}
	if len(out) == 0 {
		return nil, usage("no policy that comes with Regent has the id %s, and there is no such file", pattern)
	}
	return out, nil
}

// configured lays what a configuration says over the terms.
func (f *backtestFlags) configured(cmd *cobra.Command, t *terms) error {
	flags := configFlags{path: f.config, vars: f.vars}
	vars, err := flags.variables()
	if err != nil {
		return err
	}
	cfg, problems, sources := config.Load(f.config, config.Options{Vars: vars})
	if problems.HasErrors() {
		return refusePolicies(cmd, problems, sources)
	}
	t.overrides, t.waivers = daemon.Overrides(cfg), daemon.Waivers(cfg)
	return nil
}

// askModules asks the daemon for the policies in force and what decides what they say.
func askModules(ctx context.Context, c *client, t *terms) ([]policy.File, error) {
	var m api.Modules
	if err := c.call(ctx, http.MethodGet, "/v1/policies/generation", nil, nil, &m); err != nil {
		return nil, err
	}
	files := make([]policy.File, len(m.Files))
	for i, x := range m.Files {
		files[i] = policy.File{Path: x.Path, Bytes: []byte(x.Text)}
	}
	for typ, s := range m.Schemas {
		t.schemas[typ] = []byte(s)
	}
	t.waivers = m.Waivers
	t.overrides = map[verdict.PolicyID]policy.Override{}
	for id, o := range m.Overrides {
		t.overrides[id] = policy.Override{Severity: o.Severity, Parameters: o.Parameters, Disabled: o.Disabled, Labels: o.Labels}
	}
	return files, nil
}

// compilePlan compiles policies, or shows what is wrong with them.
func compilePlan(cmd *cobra.Command, files []policy.File, t terms) (backtest.Options, error) {
	set, ps := policy.Compile(cmd.Context(), files, policy.Options{Schemas: t.schemas, Overrides: t.overrides, Partial: true})
	var errs diag.Problems
	for _, p := range ps {
		if p.Severity == diag.Error {
			errs = append(errs, p)
		}
	}
	sources := map[string][]byte{}
	for _, f := range files {
		sources[f.Path] = f.Bytes
	}
	if err := refusePolicies(cmd, errs, sources); err != nil {
		return backtest.Options{}, err
	}
	waivers, err := compliance.NewWaivers(t.waivers)
	if err != nil {
		return backtest.Options{}, usage("%v", err)
	}
	return backtest.Options{Policies: set, Waivers: waivers}, nil
}
