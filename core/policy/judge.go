package policy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Subject is one version of one resource, as it is judged.
type Subject struct {
	Key      record.Key
	Resource *Value
	// Previous is the version before; nil is null to the policy.
	Previous *Value
	// Gone says that the resource exists no more, which no policy is asked about.
	Gone bool
	// Time is what time.now_ns returns.
	Time time.Time
	// ItemHash and PreviousHash go into the evidence.
	ItemHash, PreviousHash string
}

// Judge runs a compliance policy on one resource. It never panics; whatever goes wrong is in the
// verdict: ERROR with a Reason, or NON_COMPLIANT with one where denials were found beside the error.
// r may be nil where the policy reads no other resources. Where ctx ends before the evaluation does,
// the verdict is ERROR too, and a caller that ended it should not keep it.
func (p *Policy) Judge(ctx context.Context, s Subject, r Reader) verdict.Verdict {
	v := verdict.Verdict{
		Policy: p.ID, Subject: verdict.Subject(s.Key), At: s.Time,
		Evidence: verdict.Evidence{
			Policy: p.prog.digest, Parameters: p.prog.paramsDigest,
			Item: s.ItemHash, Previous: s.PreviousHash, Engine: p.prog.engine,
		},
	}
	switch {
	case p.Kind != KindCompliance:
		v.Outcome, v.Reason = verdict.Error, "an alarm judges no resources"
		return v
	case s.Gone:
		v.Outcome, v.Reason = verdict.NotApplicable, "the resource is gone"
		return v
	case !slices.Contains(p.ResourceTypes, s.Key.ResourceType):
		v.Outcome, v.Reason = verdict.NotApplicable, "the policy is not about "+s.Key.ResourceType
		return v
	case p.prog.broken != "":
		v.Outcome, v.Reason = verdict.Error, "the policy's parameters do not fit: "+p.prog.broken
		return v
	}
	for i, tokens := range p.prog.requires {
		// Sources write null for what they do not know.
		if at, ok := s.Resource.at(tokens...); !ok || ast.Compare(at, ast.NullValue) == 0 {
			v.Outcome, v.Reason = verdict.InsufficientData, "the item has no "+p.Requires[i]
			return v
		}
	}
	if m := p.prog.marker; m != nil {
		defer m.Begin(string(p.ID), s.Key.String())()
	}
	e := p.prog.state.get()
	e.policy, e.from, e.reader = p, s.Key, r
	p.judge(ctx, e, &s, &v)
	v.Evidence.Reads = e.reads
	if e.finish() {
		p.prog.state.put(e)
	}
	return v
}

// judge evaluates and fills in the outcome.
func (p *Policy) judge(ctx context.Context, e *evaluation, s *Subject, v *verdict.Verdict) {
	input := p.prog.resourceInput(s)
	e.start(ctx, p.prog.timeout)
	at := evaluationTime(s.Time)
	var wrong complaints
	if p.prog.na != nil {
		applies := true
		err := e.run(ctx, p.prog, p.prog.na, input, at, func(x ast.Value) {
			switch x := x.(type) {
			case ast.Boolean:
				applies = applies && !bool(x)
			default:
				wrong.add("not_applicable is %s, not true or false", cut(x.String(), 80))
			}
		})
		switch {
		case err != nil:
			wrong.add("not_applicable: %s", err.Error())
			if f, ok := err.(*failure); ok && (f.late || f.ended) {
				// The time is up for deny too.
				v.Outcome, v.Reason = verdict.Error, wrong.String()
				return
			}
		case !applies:
			v.Outcome, v.Reason = verdict.NotApplicable, "the policy says that it does not apply"
			return
		}
	}
	err := e.run(ctx, p.prog, p.prog.main, input, at, func(x ast.Value) {
		v.Denials = append(v.Denials, p.denials(x, s.Resource, &wrong)...)
	})
	if err != nil {
		wrong.add("%s", err.Error())
		v.Denials = p.salvage(ctx, e, err, input, s, &wrong)
	}
	if text := e.builtinErrors(); text != "" {
		wrong.add("%s", text)
	}
	switch {
	case len(v.Denials) > 0:
		v.Outcome = verdict.NonCompliant
	case len(wrong.list) > 0:
		v.Outcome = verdict.Error
	default:
		v.Outcome = verdict.Compliant
	}
	if len(wrong.list) > 0 {
		v.Reason = wrong.String()
	}
}

// salvage asks the rules of deny one by one after one of them broke the whole, so that a conflict or
// an endless loop in one does not hide what the others found. All together get as much time again.
func (p *Policy) salvage(ctx context.Context, e *evaluation, why error, input *ast.Term, s *Subject, wrong *complaints) []verdict.Denial {
	if f, ok := why.(*failure); ok && f.ended {
		return nil
	}
	found := ast.NewSet()
	at := evaluationTime(s.Time)
	each := p.prog.timeout / time.Duration(len(p.prog.parts))
	for _, body := range p.prog.parts {
		one := &evaluation{lookups: lookups{policy: p, from: s.Key, reader: e.reader, made: e.made, reads: e.reads}}
		one.start(ctx, each)
		elements := ast.NewSet()
		err := one.run(ctx, p.prog, body, input, at, func(x ast.Value) { elements.Add(ast.NewTerm(x)) })
		one.finish()
		e.reads, e.made = one.reads, one.made
		e.errs = append(e.errs, one.errs...)
		f, failed := err.(*failure)
		switch {
		case failed && f.ended:
			return nil
		case failed && !f.late:
			// What rests on a contradiction is not worth showing; what a rule found before its
			// time was up is.
			continue
		}
		elements.Foreach(found.Add)
	}
	if found.Len() == 0 {
		return nil
	}
	return p.denials(found, s.Resource, wrong)
}

// Match runs an alarm policy on one event and returns what matched, in the order of keys and
// messages. at is what time.now_ns returns. The error says, for a person, what went wrong; matches
// that were found beside it are returned with it.
func (p *Policy) Match(ctx context.Context, event *Value, at time.Time) ([]verdict.Match, error) {
	switch {
	case p.Kind != KindAlarm:
		return nil, fmt.Errorf("%s is not an alarm", p.ID)
	case p.prog.broken != "":
		return nil, fmt.Errorf("the policy's parameters do not fit: %s", p.prog.broken)
	}
	if m := p.prog.marker; m != nil {
		defer m.Begin(string(p.ID), eventName(event))()
	}
	e := p.prog.state.get()
	e.policy = p
	input := p.prog.eventInput(event)
	e.start(ctx, p.prog.timeout)
	var wrong complaints
	var out []verdict.Match
	err := e.run(ctx, p.prog, p.prog.main, input, evaluationTime(at), func(x ast.Value) {
		out = append(out, p.matches(x, &wrong)...)
	})
	if err != nil {
		wrong.add("%s", err.Error())
	}
	if text := e.builtinErrors(); text != "" {
		wrong.add("%s", text)
	}
	if e.finish() {
		p.prog.state.put(e)
	}
	if len(wrong.list) > 0 {
		return out, &failure{reason: wrong.String()}
	}
	return out, nil
}

// eventName names an event for the marker.
func eventName(event *Value) string {
	text := func(name string) string {
		v, _ := event.at(ast.StringTerm(name))
		s, _ := v.(ast.String)
		return string(s)
	}
	return text("source") + "/" + text("id")
}

// resourceInput is the input of a compliance policy.
func (p *program) resourceInput(s *Subject) *ast.Term {
	return ast.NewTerm(ast.NewObject(
		[2]*ast.Term{p.names.resource, ast.NewTerm(s.Resource.ast())},
		[2]*ast.Term{p.names.previous, ast.NewTerm(s.Previous.ast())},
		[2]*ast.Term{p.names.parameters, p.params},
	))
}

// eventInput is the input of an alarm.
func (p *program) eventInput(event *Value) *ast.Term {
	return ast.NewTerm(ast.NewObject(
		[2]*ast.Term{p.names.event, ast.NewTerm(event.ast())},
		[2]*ast.Term{p.names.parameters, p.params},
	))
}

// evaluationTime keeps a record without a time from being judged by the clock, which OPA would take.
func evaluationTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t
}
