package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// program is a policy's queries, ready to run. It is immutable and shared between goroutines.
type program struct {
	compiler *ast.Compiler
	// main asks for the set; parts ask for one rule of it each, for when one of them breaks the
	// whole; na asks for not_applicable and is nil where there is none.
	main, na ast.Body
	parts    []ast.Body
	timeout  time.Duration
	marker   Marker
	// broken says why the parameters do not fit.
	broken string
	// params is the parameters as the policy sees them.
	params *ast.Term
	// digest and paramsDigest are in hexadecimal, made once as engine is.
	digest, paramsDigest, engine string
	// requires are the tokens of the required pointers.
	requires [][]*ast.Term
	names    *inputNames
	// state is shared by the policies of a generation.
	state *evaluations
}

// inputNames are the names of the members of input.
type inputNames struct {
	resource, previous, event, parameters *ast.Term
}

// answer is the variable that a query's result is bound to. It is no name that Rego's parser gives.
const answer = ast.Var("$regent")

// queryFor asks for a document.
func queryFor(ref ast.Ref) ast.Body {
	return ast.NewBody(ast.Equality.Expr(ast.NewTerm(answer), ast.NewTerm(ref)))
}

// queryPart asks for the elements that one compiled rule adds to its set.
func queryPart(r *ast.Rule) ast.Body {
	body := make(ast.Body, 0, len(r.Body)+1)
	for _, e := range r.Body {
		body.Append(e.Copy())
	}
	body.Append(ast.Equality.Expr(ast.NewTerm(answer), r.Head.Key))
	return body
}

// evaluation is the state of one evaluation, kept for the next.
type evaluation struct {
	lookups
	errs  []topdown.Error
	stop  stopper
	timer *time.Timer
}

// stopper tells OPA to stop, at the deadline or with the caller's context. A timer sets the flag and
// the context is looked at now and then: OPA asks before every expression.
type stopper struct {
	ctx   context.Context
	late  atomic.Bool
	ended bool
	asked uint8
}

// Cancel implements topdown.Cancel.
func (s *stopper) Cancel() { s.late.Store(true) }

// Cancelled implements topdown.Cancel.
func (s *stopper) Cancelled() bool {
	if s.asked++; s.asked%64 == 0 && s.ctx.Err() != nil {
		s.ended = true
	}
	return s.ended || s.late.Load()
}

type evaluations struct{ pool sync.Pool }

func (p *evaluations) get() *evaluation {
	if e, ok := p.pool.Get().(*evaluation); ok {
		return e
	}
	return &evaluation{}
}

// put keeps e for another evaluation, unless its timer has fired and may still be about to say so.
func (p *evaluations) put(e *evaluation) {
	clear(e.made)
	e.lookups = lookups{made: e.made}
	e.errs = e.errs[:0]
	e.stop.ctx, e.stop.ended, e.stop.asked = nil, false, 0
	p.pool.Put(e)
}

// start sets the deadline. It returns false where ctx has ended already.
func (e *evaluation) start(ctx context.Context, timeout time.Duration) {
	e.stop.ctx = ctx
	e.stop.ended = ctx.Err() != nil
	if e.timer == nil {
		e.timer = time.AfterFunc(timeout, e.stop.Cancel)
	} else {
		e.timer.Reset(timeout)
	}
}

// failure is why an evaluation has no result, as a phrase for a person.
type failure struct {
	reason string
	// late says that the deadline passed, and ended that the caller gave up.
	late, ended bool
}

// Error implements error.
func (f *failure) Error() string { return f.reason }

// run evaluates one query and hands each result to add. Errors of built-in functions go to e.errs
// and end nothing.
func (e *evaluation) run(ctx context.Context, p *program, body ast.Body, input *ast.Term, at time.Time, add func(ast.Value)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &failure{reason: fmt.Sprintf("the evaluator panicked: %v", r)}
		}
	}()
	err = topdown.NewQuery(body).
		WithCompiler(p.compiler).
		WithStore(store{}).
		WithTransaction(&e.lookups).
		WithInput(input).
		WithTime(at).
		WithCancel(&e.stop).
		WithMetrics(metrics.NoOp()).
		WithBuiltinErrorList(&e.errs).
		Iter(ctx, func(qr topdown.QueryResult) error {
			if t := qr[answer]; t != nil {
				add(t.Value)
			}
			return nil
		})
	if err == nil {
		return nil
	}
	return e.explain(p, err)
}

// explain turns an error of the evaluator into one that its reader can act on.
func (e *evaluation) explain(p *program, err error) error {
	var read *readError
	var te *topdown.Error
	switch {
	case e.stop.ended:
		return &failure{reason: "the evaluation was given up by its caller", ended: true}
	case e.stop.late.Load():
		return &failure{reason: fmt.Sprintf("the evaluation took longer than %s and was stopped", p.timeout), late: true}
	case errors.As(err, &read):
		return &failure{reason: read.reason}
	case errors.As(err, &te):
		return &failure{reason: dialect.EvalError(te)}
	}
	return &failure{reason: err.Error()}
}

// builtinErrors is what built-in functions complained of, "" where none did.
func (e *evaluation) builtinErrors() string {
	const most = 3
	var lines []string
	seen := map[string]bool{}
	for i := range e.errs {
		line := dialect.EvalError(&e.errs[i])
		if !seen[line] {
			seen[line] = true
			lines = append(lines, line)
		}
	}
	if n := len(lines) - most; n > 0 {
		lines = append(lines[:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "; ")
}

// finish stops the clock; it returns false where e must not be used again.
func (e *evaluation) finish() bool { return e.timer == nil || e.timer.Stop() }
