package config

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/regent-dev/regent/core/verdict"
)

func (l *loader) policy(b *hcl.Block) {
	var raw struct {
		Severity   hcl.Expression    `hcl:"severity,optional"`
		Parameters hcl.Expression    `hcl:"parameters,optional"`
		Enabled    *bool             `hcl:"enabled,optional"`
		Labels     map[string]string `hcl:"labels,optional"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	p := &Policy{ID: verdict.PolicyID(b.Labels[0]), Labels: raw.Labels, Where: Range(b.DefRange), Disabled: raw.Enabled != nil && !*raw.Enabled}
	if !strings.HasPrefix(b.Labels[0], "compliance.") && !strings.HasPrefix(b.Labels[0], "alarms.") {
		l.errorf(b.LabelRanges[0], "Invalid policy id", "A policy's id is its package path and begins with compliance. or alarms.; %q does not.", b.Labels[0])
	}
	var severity string
	l.choice(raw.Severity, "severity", severities(), &severity)
	p.Severity = verdict.Severity(severity)
	if raw.Parameters != nil {
		v, diags := raw.Parameters.Value(l.eval)
		l.add(diags)
		if !diags.HasErrors() && v.IsWhollyKnown() && !v.IsNull() {
			r := Range(raw.Parameters.Range())
			switch {
			case v.IsMarked() || containsMarks(v):
				l.errorf(raw.Parameters.Range(), "Sensitive value", "Parameters are kept as evidence and may hold no sensitive variable.")
			case !v.Type().IsObjectType():
				l.errorf(raw.Parameters.Range(), "Object expected", "parameters is an object: { name = value }.")
			default:
				if j, err := ctyjson.Marshal(v, v.Type()); err != nil {
					l.errorf(raw.Parameters.Range(), "Invalid parameters", "%v.", err)
				} else {
					p.Parameters, p.ParametersWhere = j, &r
				}
			}
		}
	}
	l.c.Overrides[p.ID] = p
}

func containsMarks(v cty.Value) bool { return v.ContainsMarked() }

func severities() []string {
	var out []string
	for _, s := range verdict.Severities {
		out = append(out, string(s))
	}
	return out
}

func (l *loader) waiver(b *hcl.Block) {
	var raw struct {
		Policy   hcl.Expression `hcl:"policy"`
		Resource hcl.Expression `hcl:"resource,optional"`
		Type     hcl.Expression `hcl:"resource_type,optional"`
		Account  hcl.Expression `hcl:"account,optional"`
		Owner    hcl.Expression `hcl:"owner"`
		Reason   hcl.Expression `hcl:"reason"`
		Expires  hcl.Expression `hcl:"expires"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	w := &Waiver{Name: b.Labels[0], Where: Range(b.DefRange)}
	for _, f := range []struct {
		e       hcl.Expression
		to      *string
		pattern bool
	}{{raw.Policy, &w.Policy, true}, {raw.Resource, &w.Resource, true}, {raw.Type, &w.ResourceType, true}, {raw.Account, &w.Account, true}, {raw.Owner, &w.Owner, false}, {raw.Reason, &w.Reason, false}} {
		if s, rng, ok := l.text(f.e); ok && (!f.pattern || l.pattern(s, rng)) {
			*f.to = s
		}
	}
	if s, rng, ok := l.text(raw.Expires); ok {
		t, err := time.Parse(time.DateOnly, s)
		if err != nil {
			l.errorf(rng, "Invalid date", "expires is a day such as \"2027-03-31\", not %q.", s)
		} else {
			// It counts to the end of its day.
			w.Expires = t.Add(day)
			if time.Now().After(w.Expires) {
				r := Range(rng)
				l.problems.Warnf(&r, "Waiver has ended", "The waiver %q ended on %s; its findings count again. Remove it or renew it.", w.Name, s)
			}
		}
	}
	l.c.Waivers = append(l.c.Waivers, w)
}
