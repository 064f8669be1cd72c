package policytest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// DefaultTimeout bounds one test where Options do not say.
const DefaultTimeout = 5 * time.Second

// Options say which tests are run and how.
type Options struct {
	// Coverage measures which lines of the policies the tests reach.
	Coverage bool
	// Run is a regular expression over "package.test"; empty runs all.
	Run string
	// Timeout bounds one test; 0 means five seconds.
	Timeout time.Duration
}

// Status is how a test ended.
type Status string

// The ends of a test.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	// Error is a test that could not be evaluated: a conflict, a timeout.
	Error Status = "error"
	// Skip is a test whose name begins with todo_.
	Skip Status = "skip"
)

// Result is one test, or one case of a test.
type Result struct {
	// Package is the package that holds the test, without the leading "data".
	Package string `json:"package"`
	// Name is the rule's, beginning with "test_"; that of a case is what stands in brackets.
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Duration is 0 for a case: the cases of a test run together.
	Duration time.Duration `json:"duration"`
	// Output is what the test printed.
	Output string `json:"output,omitempty"`
	// Message says why a test did not pass: the expression that was not true, with the values in it.
	Message string     `json:"message,omitempty"`
	Where   diag.Range `json:"where"`
	Cases   []Result   `json:"cases,omitempty"`
}

// Report is what a run of tests found. Results are sorted by package, file and line.
type Report struct {
	Results []Result `json:"results"`
	// The counts are of tests; a test with cases counts once.
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Errors  int `json:"errors"`
	Skipped int `json:"skipped"`
	// Duration is the time from the first test to the last.
	Duration time.Duration  `json:"duration"`
	Coverage []FileCoverage `json:"coverage,omitempty"`
	// Percent is the coverage over all files, 0 where it was not measured.
	Percent float64 `json:"percent,omitempty"`
}

// OK reports whether no test failed or erred.
func (r *Report) OK() bool { return r.Failed == 0 && r.Errors == 0 }

// Run compiles the files together and runs their tests, several at a time. The Report is nil where
// the problems have errors. Where ctx ends, the tests that did not run are missing from the Report and
// a problem says so.
func Run(ctx context.Context, files []policy.File, opt Options) (*Report, diag.Problems) {
	var ps diag.Problems
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	filter, err := regexp.Compile(opt.Run)
	if err != nil {
		ps.Errorf(nil, "Not a regular expression", "%q selects no tests: %v.", opt.Run, err)
		return nil, ps
	}
	modules := map[string]*ast.Module{}
	for _, f := range files {
		m, err := ast.ParseModuleWithOpts(f.Path, string(f.Bytes), dialect.ParserOptions())
		if err != nil {
			ps = append(ps, dialect.ParseProblems(f.Path, err)...)
			continue
		}
		if m != nil {
			modules[f.Path] = m
		}
	}
	if ps.HasErrors() {
		ps.Sort()
		return nil, ps
	}
	r := &run{opt: opt, modules: modules}
	if opt.Coverage {
		r.cover = cover.New()
	}
	selected := r.choose(filter, &ps)
	start := time.Now()
	results, errs := r.tests(ctx, false, selected...)
	if len(errs) > 0 {
		for _, e := range errs {
			summary, detail := dialect.CompileProblem(e, func() []string { return nil })
			ps.Errorf(dialect.Range(e.Location), summary, "%s", detail)
		}
		ps.Sort()
		return nil, ps
	}
	report := &Report{Duration: time.Since(start)}
	r.explain(ctx, results)
	for _, res := range results {
		out := r.result(res)
		switch out.Status {
		case Pass:
			report.Passed++
		case Fail:
			report.Failed++
		case Error:
			report.Errors++
		case Skip:
			report.Skipped++
		}
		report.Results = append(report.Results, out)
	}
	slices.SortFunc(report.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Where.File, b.Where.File),
			cmp.Compare(a.Where.Start.Line, b.Where.Start.Line), cmp.Compare(a.Name, b.Name))
	})
	if r.cover != nil {
		report.Coverage, report.Percent = coverage(r.cover, modules, files)
	}
	if err := ctx.Err(); err != nil {
		ps.Errorf(nil, "Tests were given up", "Not all tests ran: %v.", err)
		return report, ps
	}
	if len(report.Results) == 0 {
		ps.Warnf(nil, "No tests", "There is no rule whose name begins with test_%s.", matching(opt.Run))
	}
	return report, ps
}

func matching(run string) string {
	if run == "" {
		return ""
	}
	return " and matches " + run
}

// run is the state of one Run.
type run struct {
	opt     Options
	modules map[string]*ast.Module
	cover   *cover.Cover
	// traced are the second runs of tests that failed, by full name.
	traced map[string]*tester.Result
}

// choose returns the tests that the filter takes.
func (r *run) choose(filter *regexp.Regexp, ps *diag.Problems) (refs []ast.Ref) {
	seen := map[string]*ast.Rule{}
	for _, path := range slices.Sorted(maps.Keys(r.modules)) {
		m := r.modules[path]
		for _, rule := range m.Rules {
			name, ok := rule.Head.Ref()[0].Value.(ast.Var)
			if !ok || !strings.HasPrefix(strings.TrimPrefix(string(name), "todo_"), tester.TestPrefix) {
				continue
			}
			ref := m.Package.Path.Append(ast.StringTerm(string(name)))
			full := strings.TrimPrefix(ref.String(), "data.")
			if other := seen[full]; other != nil {
				if len(rule.Head.Ref()) == 1 {
					ps.Warnf(dialect.Range(rule.Head.Location), "Two tests have one name",
						"%s stands at %s too. Give each test a name of its own.", name, dialect.Range(other.Head.Location))
				}
				continue
			}
			seen[full] = rule
			if filter.MatchString(full) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// tests compiles everything and runs the tests given. With trace it keeps how they went.
func (r *run) tests(ctx context.Context, trace bool, only ...ast.Ref) ([]*tester.Result, ast.Errors) {
	compiler := ast.NewCompiler().
		WithCapabilities(dialect.Capabilities()).
		WithEnablePrintStatements(true).
		WithRewriteTestRules(trace).
		SetErrorLimit(0)
	if len(only) == 0 {
		// To the runner, no tests means all tests. What does not compile is worth knowing anyway.
		compiler.Compile(r.modules)
		return nil, compiler.Errors
	}
	store := inmem.NewWithOpts(inmem.OptRoundTripOnWrite(false))
	txn, err := store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return nil, ast.Errors{ast.NewError(ast.CompileErr, nil, "open the store of tests: %v", err)}
	}
	defer store.Abort(ctx, txn)
	runner := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(store).
		SetModules(r.modules).
		CapturePrintOutput(true).
		RaiseBuiltinErrors(false).
		SetPrefixMatchers(only...).
		SetTimeout(r.opt.Timeout)
	switch {
	case trace:
		runner = runner.EnableTracing(true)
	case r.cover != nil:
		// The further runs that tell why a line was not reached cost as much again each.
		runner = runner.SetCoverageQueryTracer(r.cover).SetCoverageRuns(nil)
	}
	ch, err := runner.RunTests(ctx, txn)
	if err != nil {
		if len(compiler.Errors) > 0 {
			return nil, compiler.Errors
		}
		return nil, ast.Errors{ast.NewError(ast.CompileErr, nil, "%v", err)}
	}
	var out []*tester.Result
	for res := range ch {
		out = append(out, res)
	}
	return out, nil
}

// fullName is "package.test" without "data".
func fullName(res *tester.Result) string {
	return strings.TrimPrefix(res.Package, "data.") + "." + res.Name
}

// result turns a result of OPA's into ours.
func (r *run) result(res *tester.Result) Result {
	out := Result{
		Package: strings.TrimPrefix(res.Package, "data."), Name: res.Name,
		Status: Pass, Duration: res.Duration, Output: string(res.Output),
	}
	if where := dialect.Range(res.Location); where != nil {
		out.Where = *where
	}
	switch {
	case res.Skip:
		out.Status = Skip
	case res.Error != nil:
		out.Status, out.Message = Error, errorText(res.Error, r.opt.Timeout)
	case res.Fail:
		out.Status = Fail
	}
	traced := r.traced[fullName(res)]
	subs, trace := res.SubResults, res.Trace
	if traced != nil {
		subs, trace = traced.SubResults, traced.Trace
	}
	if len(subs) > 0 {
		out.Cases = cases(&out, subs)
	}
	if out.Status == Fail && len(out.Cases) == 0 {
		out.Message = failure(trace)
	}
	return out
}

func cases(of *Result, subs tester.SubResultMap) []Result {
	var out []Result
	for name, s := range subs {
		c := Result{Package: of.Package, Name: name, Status: Pass, Where: of.Where}
		if s.Fail {
			c.Status = Fail
			if c.Cases = cases(of, s.SubResults); len(c.Cases) == 0 {
				c.Message = failure(s.Trace)
			}
		} else {
			c.Cases = cases(of, s.SubResults)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Result) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// errorText words an error of the evaluator.
func errorText(err error, timeout time.Duration) string {
	var te *topdown.Error
	switch {
	case isTimeout(err):
		return fmt.Sprintf("the test took longer than %s and was stopped", timeout)
	case errors.As(err, &te):
		return dialect.EvalError(te)
	}
	return err.Error()
}
