package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/policy/internal/shape"
)

// mainRule is the rule that a kind of policy answers with.
func mainRule(k Kind) string {
	if k == KindAlarm {
		return "alarm"
	}
	return "deny"
}

// checkRules holds the package's rules against the contract: a set deny (or alarm), and perhaps a
// boolean not_applicable. Whatever else is there are rules of the author's own.
func (b *builder) checkRules(c *candidate) {
	main := mainRule(c.policy.Kind)
	found := false
	var names []string
	for _, s := range c.sources {
		for _, r := range s.module.Rules {
			name := ruleName(r)
			names = append(names, name)
			where := dialect.Range(r.Head.Location)
			switch {
			case name == main:
				found = true
				b.checkMain(c, r, main, where)
			case name == "not_applicable" && c.policy.Kind == KindAlarm:
				b.errorf(c, where, "Alarms have no not_applicable", "An alarm is about events; leave out what it is not about in the bodies of alarm.")
			case name == "not_applicable":
				b.checkNotApplicable(c, r, where)
			case strings.HasPrefix(name, "test_"):
				b.errorf(c, where, "Test outside a test file", "Move %s to a file named *_test.rego, so that it stays out of the daemon.", name)
			}
		}
	}
	if found {
		return
	}
	c.failed = true
	// What people write who come from other tools.
	for _, other := range names {
		if slices.Contains([]string{"violation", "violations", "warn", "findings", "finding", "alarms", "alert", "deny", "alarm", "denied", "allow"}, other) || dialect.Suggest(other, []string{main}) != "" {
			b.errorf(c, nil, "Policy has no rule "+main, "Nothing in package %s is called %s; Regent does not look at %s. Rename it, or write `%[2]s contains msg if { … }`.",
				c.policy.ID, main, other)
			return
		}
	}
	b.errorf(c, nil, "Policy has no rule "+main,
		"Write `%s contains msg if { … }`. Rules that several policies share stand in packages below lib.", main)
}

// ruleName is the first part of a rule's name.
func ruleName(r *ast.Rule) string {
	switch v := r.Head.Ref()[0].Value.(type) {
	case ast.Var:
		return string(v)
	case ast.String:
		return string(v)
	}
	return ""
}

func (b *builder) checkMain(c *candidate, r *ast.Rule, main string, where *diag.Range) {
	switch {
	case r.Default:
		b.errorf(c, where, "Rule "+main+" is not a set", "A set needs no default; without elements it is empty. Leave the default out.")
	case len(r.Head.Args) > 0:
		b.errorf(c, where, "Rule "+main+" is not a set", "It is a function here. Write `%s contains msg if { … }`.", main)
	case r.Head.RuleKind() != ast.MultiValue:
		b.errorf(c, where, "Rule "+main+" is not a set",
			"A bare `%s if` is true or false and says nothing about what is wrong. Write `%[1]s contains \"what is wrong\" if { … }`.", main)
	case len(r.Head.Ref()) > 1:
		b.errorf(c, where, "Rule "+main+" is not a set", "It is an object of sets here. Write `%s contains msg if { … }`, without a key after the name.", main)
	default:
		return
	}
	c.failed = true
}

func (b *builder) checkNotApplicable(c *candidate, r *ast.Rule, where *diag.Range) {
	switch {
	case r.Head.RuleKind() != ast.SingleValue || len(r.Head.Args) > 0 || len(r.Head.Ref()) > 1:
		b.errorf(c, where, "Rule not_applicable is not a boolean", "Write `not_applicable if { … }`.")
		c.failed = true
	default:
		for ; r != nil; r = r.Else {
			if v := r.Head.Value; v != nil && ast.IsConstant(v.Value) {
				if _, ok := v.Value.(ast.Boolean); !ok {
					b.errorf(c, where, "Rule not_applicable is not a boolean", "Its value is %v. Write `not_applicable if { … }`.", v)
					c.failed = true
				}
			}
		}
	}
}

// elementKeys are the members that an element of deny or alarm may have.
func elementKeys(k Kind) []string {
	if k == KindAlarm {
		return []string{"msg", "key", "value", "details"}
	}
	return []string{"msg", "path", "details"}
}

// checkElements looks at what the compiled rules put into the set: members that would be refused at
// evaluation, messages made by sprintf, and paths that no item has.
func (b *builder) checkElements(c *candidate) {
	main := mainRule(c.policy.Kind)
	for _, r := range c.rules {
		if ruleNameCompiled(r) != main || r.Head.Key == nil {
			continue
		}
		f := newFlow(r)
		for _, t := range f.values(r.Head.Key) {
			b.checkElement(c, f, r, t)
		}
	}
}

func (b *builder) checkElement(c *candidate, f *flow, r *ast.Rule, t *ast.Term) {
	obj, ok := t.Value.(ast.Object)
	if !ok {
		if k := constantKind(t.Value); k != 0 && k != shape.String && k != shape.Object {
			b.errorf(c, dialect.Range(r.Head.Location), "Element is neither text nor object",
				"%v is put into %s, whose elements are messages or objects with %s.", t, mainRule(c.policy.Kind), dialect.Listed(elementKeys(c.policy.Kind)))
			return
		}
		b.checkMessage(c, f, t, r)
		return
	}
	keys := elementKeys(c.policy.Kind)
	hasValue := false
	obj.Foreach(func(k, v *ast.Term) {
		name, ok := k.Value.(ast.String)
		if !ok {
			hasValue = true // a key that is only known later
			return
		}
		where := dialect.Range(k.Location)
		if where == nil {
			where = dialect.Range(r.Head.Location)
		}
		hasValue = hasValue || name == "value"
		if !slices.Contains(keys, string(name)) {
			b.errorf(c, where, "Unknown member of an element", "%q is not a member of what %s contains.%s The members are %s.",
				string(name), mainRule(c.policy.Kind), elementHint(string(name), keys), dialect.Listed(keys))
			return
		}
		if name == "path" {
			if start, ok := f.start(v); ok {
				// What follows the last slash is not complete.
				b.checkPointer(c, start[:max(strings.LastIndexByte(start, '/'), 0)], where, false)
			}
		}
		for _, value := range f.values(v) {
			kind := constantKind(value.Value)
			switch {
			case name == "msg" && kind != 0 && kind != shape.String:
				b.errorf(c, where, "Message is not text", "msg is %v; it must be a text.", value)
			case name == "msg":
				b.checkMessage(c, f, value, r)
			case (name == "path" || name == "key") && kind != 0 && kind != shape.String:
				b.errorf(c, where, "Member of an element is not text", "%s is %v; it must be a text.", name, value)
			case name == "path" && kind == shape.String:
				b.checkPointer(c, string(value.Value.(ast.String)), where, false)
			}
		}
	})
	if w := c.policy.Window; w != nil && w.Distinct && !hasValue {
		b.errorf(c, dialect.Range(r.Head.Location), "Window counts values that are not there",
			"The window is distinct, so every element needs a value to tell one from another: {\"msg\": …, \"value\": input.event.region}.")
	}
}

// elementHint says what was meant by a name from elsewhere.
func elementHint(name string, keys []string) string {
	for from, to := range map[string]string{
		"message": "msg", "text": "msg", "reason": "msg", "detail": "details", "metadata": "details",
		"field": "path", "pointer": "path", "jsonpath": "path", "location": "path", "id": "key",
	} {
		if name == from && slices.Contains(keys, to) {
			return " Did you mean \"" + to + "\"?"
		}
	}
	return dialect.DidYouMean(name, keys)
}

// checkMessage refuses sprintf where a message is made. With an undefined argument sprintf is
// undefined, and so the denial goes missing; a template string prints <undefined> and stays.
func (b *builder) checkMessage(c *candidate, f *flow, t *ast.Term, r *ast.Rule) {
	for _, call := range b.callsInto(c, f, t, "sprintf", nil) {
		where := dialect.Range(call.Location)
		if where == nil {
			where = dialect.Range(r.Head.Location)
		}
		b.errorf(c, where, "Message is made with sprintf",
			"Where one of its arguments is undefined, sprintf makes the whole rule undefined, and nothing is reported. Write a template string: $\"… {input.resource.resourceId} …\".")
	}
}

// callsInto returns the calls of a built-in function whose result flows into a term: through
// variables, other functions, template strings and the rules of the same package or library.
func (b *builder) callsInto(c *candidate, f *flow, t *ast.Term, name string, seen map[any]bool) (out []*ast.Expr) {
	if seen == nil {
		seen = map[any]bool{}
	}
	rules := func(ref ast.Ref) {
		for _, r := range b.compiler.GetRulesExact(ref.GroundPrefix()) {
			for ; r != nil && !seen[r]; r = r.Else {
				seen[r] = true
				rf := newFlow(r)
				for _, v := range []*ast.Term{r.Head.Value, r.Head.Key} {
					if v != nil {
						out = append(out, b.callsInto(c, rf, v, name, seen)...)
					}
				}
			}
		}
	}
	var visit func(t *ast.Term)
	visit = func(t *ast.Term) {
		switch v := t.Value.(type) {
		case ast.Var:
			if seen[v] {
				return
			}
			seen[v] = true
			for _, d := range f.defs[v] {
				if d.call == nil {
					visit(d.term)
					continue
				}
				op := d.call.Operator()
				if op.String() == name {
					out = append(out, d.call)
				}
				rules(op)
				for _, arg := range d.args {
					visit(arg)
				}
			}
		case ast.Ref:
			if v[0].Equal(ast.DefaultRootDocument) {
				rules(v)
			} else if _, ok := v[0].Value.(ast.Var); ok && !v[0].Equal(ast.InputRootDocument) {
				visit(v[0])
			}
		case ast.Object:
			v.Foreach(func(_, e *ast.Term) { visit(e) })
		case *ast.Array:
			v.Foreach(visit)
		case ast.Set:
			v.Foreach(visit)
		case *ast.SetComprehension:
			visit(v.Term)
		case *ast.ArrayComprehension:
			visit(v.Term)
		}
	}
	// Variables are told apart per rule.
	inner := map[any]bool{}
	for k := range seen {
		if _, isVar := k.(ast.Var); !isVar {
			inner[k] = true
		}
	}
	seen = inner
	visit(t)
	slices.SortFunc(out, func(x, y *ast.Expr) int { return x.Location.Compare(y.Location) })
	return slices.Compact(out)
}

// ruleNameCompiled is the last part of a compiled rule's path.
func ruleNameCompiled(r *ast.Rule) string {
	ref := r.Head.Ref()
	switch v := ref[len(ref)-1].Value.(type) {
	case ast.Var:
		return string(v)
	case ast.String:
		return string(v)
	}
	return ""
}

// constantKind returns the kind of a constant, 0 for what is only known at evaluation.
func constantKind(v ast.Value) shape.Kinds {
	switch v.(type) {
	case ast.Null:
		return shape.Null
	case ast.Boolean:
		return shape.Boolean
	case ast.Number:
		return shape.Number
	case ast.String:
		return shape.String
	case *ast.Array, ast.Set:
		return shape.Array
	case ast.Object:
		return shape.Object
	}
	return 0
}
