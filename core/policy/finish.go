package policy

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/policy/internal/dispatch"
	"github.com/regent-dev/regent/core/policy/internal/shape"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// finish makes the Set of candidates that have no errors.
func (b *builder) finish() *Set {
	set := &Set{byID: map[verdict.PolicyID]*Policy{}, byType: map[string][]*Policy{}, notes: b.notes}
	state := &evaluations{}
	names := &inputNames{
		resource: ast.StringTerm("resource"), previous: ast.StringTerm("previous"),
		event: ast.StringTerm("event"), parameters: ast.StringTerm("parameters"),
	}
	var alarms []*Policy
	var alternatives [][]dispatch.Conjunction
	var sum digester
	byModule := map[*ast.Module]string{}
	for path, m := range b.compiler.Modules {
		byModule[m] = path
	}
	for _, c := range b.candidates {
		p := c.policy
		if b.opt.Overrides[p.ID].Disabled {
			continue
		}
		p.Digest, p.TextDigest = b.digestOf(c), b.textDigestOf(c)
		p.Files = b.filesOf(c, byModule)
		p.prog = b.program(c, state, names)
		set.policies = append(set.policies, p)
		set.byID[p.ID] = p
		sum.text(string(p.ID), p.Digest.String(), p.TextDigest.String())
		switch p.Kind {
		case KindCompliance:
			for _, t := range p.ResourceTypes {
				set.byType[t] = append(set.byType[t], p)
			}
		case KindAlarm:
			var main []*ast.Rule
			for _, r := range c.rules {
				if ruleNameCompiled(r) == mainRule(p.Kind) {
					main = append(main, r)
				}
			}
			alarms = append(alarms, p)
			alternatives = append(alternatives, dispatch.Requirements(b.compiler, p.prog.params.Value, main))
		}
	}
	set.dispatch = dispatch.New(alarms, alternatives)
	set.digest = sum.sum()
	slices.Sort(set.notes)
	return set
}

// program prepares the queries of a policy.
func (b *builder) program(c *candidate, state *evaluations, names *inputNames) *program {
	p := c.policy
	prog := &program{
		compiler: b.compiler, timeout: b.opt.Timeout, marker: b.opt.Marker, broken: c.broken,
		digest: p.Digest.String(), engine: dialect.Engine(), names: names, state: state,
	}
	if len(p.Parameters) > 0 && string(p.Parameters) != "{}" {
		prog.paramsDigest = record.Sum(p.Parameters).String()
	}
	params, err := Parse(p.Parameters)
	if err != nil {
		// They were written by us, in canonical form.
		panic(fmt.Sprintf("parameters of %s: %v", p.ID, err))
	}
	prog.params = ast.NewTerm(params.ast())
	path := ast.Ref{ast.DefaultRootDocument}
	for _, part := range c.sources[0].pkg {
		path = append(path, ast.StringTerm(part))
	}
	prog.main = queryFor(path.Append(ast.StringTerm(mainRule(p.Kind))))
	for _, r := range c.rules {
		switch ruleNameCompiled(r) {
		case mainRule(p.Kind):
			if p.Kind == KindCompliance {
				prog.parts = append(prog.parts, queryPart(r))
			}
		case "not_applicable":
			if p.Kind == KindCompliance {
				prog.na = queryFor(path.Append(ast.StringTerm("not_applicable")))
			}
		}
	}
	for _, ptr := range p.Requires {
		tokens, _ := shape.Tokens(ptr) // checked with the METADATA
		prog.requires = append(prog.requires, terms(tokens))
	}
	return prog
}
