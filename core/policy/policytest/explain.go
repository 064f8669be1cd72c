package policytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

func isTimeout(err error) bool {
	return topdown.IsCancel(err) || errors.Is(err, context.DeadlineExceeded)
}

// maxTraced is how many failing tests are run a second time to find out where they failed. A trace
// takes memory, and nobody reads more failures at once.
const maxTraced = 50

// explain runs the tests that failed once more, traced. Tracing all of them from the start would slow
// down every run, and coverage cannot be measured at the same time.
func (r *run) explain(ctx context.Context, results []*tester.Result) {
	var only []ast.Ref
	for _, res := range results {
		if !res.Fail || len(only) >= maxTraced {
			continue
		}
		ref, err := ast.ParseRef(res.Package + "." + res.Name)
		if err != nil {
			// A test of which there are several by one name, or one named in quotes.
			continue
		}
		only = append(only, ref)
	}
	if len(only) == 0 {
		return
	}
	again, errs := r.tests(ctx, true, only...)
	if len(errs) > 0 {
		return
	}
	r.traced = make(map[string]*tester.Result, len(again))
	for _, res := range again {
		r.traced[fullName(res)] = res
	}
}

// failure finds the expression that was not true: the last that failed in the test itself.
func failure(trace []*topdown.Event) string {
	for i := len(trace) - 1; i >= 0; i-- {
		e := trace[i]
		if e.Op != topdown.FailOp || e.Location == nil || e.QueryID == 0 {
			continue
		}
		if expr, ok := e.Node.(*ast.Expr); ok {
			if _, every := expr.Terms.(*ast.Every); every {
				// What failed is inside it.
				continue
			}
		}
		var b bytes.Buffer
		if err := topdown.PrettyEvent(&b, e, topdown.PrettyEventOpts{PrettyVars: true}); err != nil {
			b.Reset()
			b.Write(e.Location.Text)
		}
		return fmt.Sprintf("%s:%d: not true, or undefined:\n%s", e.Location.File, e.Location.Row, indented(b.String()))
	}
	return ""
}

// indented gives lines that all begin with the same white space an indent of two spaces instead.
func indented(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	common := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " \t"))]
	for _, l := range lines[1:] {
		for !strings.HasPrefix(l, common) {
			common = common[:len(common)-1]
		}
	}
	for i, l := range lines {
		lines[i] = "  " + strings.TrimPrefix(l, common)
	}
	return strings.Join(lines, "\n")
}
