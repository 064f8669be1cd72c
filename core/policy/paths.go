package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/policy/internal/shape"
)

// OPA's type checker takes unions and nullable types for anything, and follows neither object.get
// nor the arguments of functions. The checker here knows less of Rego and more of paths: it walks
// every reference below input through the schemas of the policy's types, and through the variables,
// rules and functions that stand for parts of input. What it calls wrong no item can have.

// checker checks the paths of one policy.
type checker struct {
	b     *builder
	c     *candidate
	types []string
	root  site
	// rules are the sites that the package's own rules stand for; a rule that is being looked at, or
	// that stands for none, has an unknown one.
	rules map[string]site
	// vars are the sites of the variables of all rules of the package. Names of locals are unique
	// in a module.
	vars map[*ast.Rule]map[ast.Var]site
	// args are the sites that calls pass to the package's functions, unknown where two differ; passed
	// are those that the present round has met.
	args, passed map[string][]site
	seen         map[string]bool
	// reported are the lines with an error, so that OPA's word on the same is not shown too.
	reported map[string]bool
	notes    map[string]bool
}

func newChecker(b *builder, c *candidate) *checker {
	k := &checker{
		b: b, c: c, types: c.policy.ResourceTypes,
		rules: map[string]site{}, vars: map[*ast.Rule]map[ast.Var]site{}, args: map[string][]site{}, passed: map[string][]site{},
		seen: map[string]bool{}, reported: map[string]bool{}, notes: map[string]bool{},
	}
	k.root = site{path: "input", views: c.inputs}
	if c.policy.Kind == KindAlarm {
		k.types = []string{""}
	}
	return k
}

// check walks all rules of the package. Sites of rules and arguments depend on each other, so they
// are settled first, in a few rounds.
func (k *checker) check() {
	for range 4 {
		// What one round found out about arguments and rules is what the next starts from.
		k.passed, k.args = map[string][]site{}, k.passed
		for _, r := range k.c.rules {
			k.vars[r] = map[ast.Var]site{}
			k.bind(r, false)
			k.bind(r, true)
		}
		rules := map[string]site{}
		for _, r := range k.c.rules {
			k.settle(r, rules)
		}
		settled := maps.EqualFunc(k.rules, rules, site.same) &&
			maps.EqualFunc(k.args, k.passed, func(a, b []site) bool { return slices.EqualFunc(a, b, site.same) })
		if k.rules = rules; settled {
			break
		}
	}
	for _, r := range k.c.rules {
		k.checkRule(r)
	}
	for i, ptr := range k.c.md.requires {
		k.pointer(ptr, k.c.md.requiresAt[i], true)
	}
}

// noteOpen notes a place below which nothing is declared. That of whole configurations, and of the
// details of events, is said elsewhere.
func (k *checker) noteOpen(path string) {
	switch path {
	case "input.event.detail", "input.resource.configuration", "input.previous.configuration", "?":
		return
	}
	k.notes["members below "+path+", of which the schema says nothing"] = true
}

// checkRule complains about what a rule refers to.
func (k *checker) checkRule(r *ast.Rule) {
	k.exprs(r, func(e *ast.Expr) {
		if terms, ok := e.Terms.([]*ast.Term); ok {
			switch op := terms[0].String(); {
			case e.IsEquality() && len(terms) == 3:
				k.compare(r, e, terms[1], terms[2])
				k.compare(r, e, terms[2], terms[1])
			case op == "object.get" && len(terms) >= 4:
				k.objectGet(r, terms, e)
			case (op == "internal.member_2") && len(terms) >= 3:
				k.member(r, e, terms[1], terms[2])
			}
		}
		k.refs(r, e.Terms)
	})
	for rule := r; rule != nil; rule = rule.Else {
		k.refs(r, rule.Head.Key)
		k.refs(r, rule.Head.Value)
	}
}

// refs checks the references directly in an expression; nested bodies have expressions of their own.
func (k *checker) refs(r *ast.Rule, x any) {
	var visit func(t *ast.Term)
	terms := func(ts []*ast.Term) {
		for _, t := range ts {
			visit(t)
		}
	}
	visit = func(t *ast.Term) {
		switch v := t.Value.(type) {
		case ast.Ref:
			k.ref(r, t, v)
			terms(v[1:])
		case ast.Call:
			terms(v)
		case ast.Object:
			v.Foreach(func(a, b *ast.Term) { visit(a); visit(b) })
		case *ast.Array:
			v.Foreach(visit)
		case ast.Set:
			v.Foreach(visit)
		case *ast.SetComprehension:
			visit(v.Term)
		case *ast.ArrayComprehension:
			visit(v.Term)
		case *ast.ObjectComprehension:
			visit(v.Key)
			visit(v.Value)
		}
	}
	switch x := x.(type) {
	case *ast.Term:
		if x != nil {
			visit(x)
		}
	case []*ast.Term:
		terms(x)
	case *ast.Every:
		visit(x.Domain)
	}
}

func (k *checker) ref(r *ast.Rule, t *ast.Term, ref ast.Ref) {
	s, rest := k.head(r, ref)
	for _, step := range rest {
		if !s.known() || s.lacking() {
			return
		}
		before := s
		if before.open() {
			k.noteOpen(before.path)
			return
		}
		var missing []int
		s, missing = k.step(s, step)
		if _, constant := stepName(step); !constant {
			if s.lacking() {
				k.complain(dialect.Range(orLocation(t.Location, step.Location)), diag.Error, "Nothing to iterate over",
					"%s is %s; it has neither members nor elements.", before.path, before.kinds())
			} else if _, named := step.Value.(ast.Var); named && len(before.names()) > 0 && before.kinds() == shape.Object {
				k.notes[fmt.Sprintf("keys of %s that are only known at evaluation", before.path)] = true
			}
			continue
		}
		if len(missing) > 0 {
			k.missing(r, before, s, step, missing, dialect.Range(orLocation(step.Location, t.Location)))
		}
	}
}

func orLocation(a, b *ast.Location) *ast.Location {
	if a != nil {
		return a
	}
	return b
}

// holdsFor reports whether a rule's body can hold for resources of a type: one that says
// input.resource.resourceType == "A" is about A alone.
func (k *checker) holdsFor(r *ast.Rule, t string) bool {
	if r == nil {
		return true
	}
	return !slices.ContainsFunc(r.Body, func(e *ast.Expr) bool {
		if e.Negated || !e.IsEquality() || len(e.With) > 0 {
			return false
		}
		a, b := e.Operand(0), e.Operand(1)
		if _, text := a.Value.(ast.String); text {
			a, b = b, a
		}
		name, text := b.Value.(ast.String)
		return text && string(name) != t && a.Value.String() == "input.resource.resourceType"
	})
}

// missing reports a member that some or all types lack.
func (k *checker) missing(r *ast.Rule, before, at site, step *ast.Term, types []int, where *diag.Range) {
	name, _ := stepName(step)
	if at.lacking() {
		names := before.names()
		detail := fmt.Sprintf("%s has no member %q.%s", before.path, name, dialect.DidYouMean(name, names))
		switch {
		case before.path == "input.parameters" && len(names) == 0:
			detail += " The policy declares no parameters; that is done under custom.parameters."
		case len(names) > 0:
			detail += " It has " + dialect.Listed(names) + "."
		case before.kinds() != 0:
			detail += fmt.Sprintf(" It is %s.", before.kinds())
		}
		if before.path == "input.event" {
			detail += " What the source itself sent is below input.event.detail."
		}
		k.complain(where, diag.Error, "No such path", "%s", detail)
		return
	}
	var lacking []string
	for _, t := range types {
		if k.holdsFor(r, k.types[t]) {
			lacking = append(lacking, k.types[t])
		}
	}
	if len(lacking) == 0 {
		return
	}
	slices.Sort(lacking)
	lacking = slices.Compact(lacking)
	if len(lacking) == 1 {
		k.complain(where, diag.Warning, "Path is missing in some types", "%s has no %s; there the reference is undefined.", lacking[0], at.path)
		return
	}
	k.complain(where, diag.Warning, "Path is missing in some types", "%s have no %s; there the reference is undefined.", dialect.Listed(lacking), at.path)
}

// complain reports once per place.
func (k *checker) complain(where *diag.Range, sev diag.Severity, summary, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	key := detail
	if where != nil {
		key += where.String()
	}
	if k.seen[key] {
		return
	}
	k.seen[key] = true
	if where != nil && sev == diag.Error {
		k.reported[lineKey(where.File, where.Start.Line)] = true
	}
	k.b.problem(sev, k.c, where, summary, "%s", detail)
}

func lineKey(file string, line int) string { return file + ":" + strconv.Itoa(line) }

// compare checks that a place can have the value it is compared with.
func (k *checker) compare(r *ast.Rule, e *ast.Expr, t, with *ast.Term) {
	kind := constantKind(with.Value)
	s := k.site(r, t)
	if kind == 0 || !s.known() || s.lacking() || s.path == "?" {
		return
	}
	ks := s.kinds()
	if ks.Allows(kind) {
		return
	}
	where := dialect.Range(orLocation(e.Location, t.Location))
	if kind == shape.Null {
		k.complain(where, diag.Warning, "Comparison with null never holds",
			"%s is %s where it is there at all. Write `not %[1]s` for a value that is missing.", s.path, ks)
		return
	}
	k.complain(where, diag.Error, "Comparison never holds", "%s is %s, and %v is %s.", s.path, ks, with, kind)
}

// member checks that a collection can have the element that is looked for.
func (k *checker) member(r *ast.Rule, e *ast.Expr, elem, coll *ast.Term) {
	where := dialect.Range(orLocation(e.Location, coll.Location))
	if s := k.site(r, coll); s.known() && !s.lacking() {
		of := k.each(s)
		if kind := constantKind(elem.Value); kind != 0 && of.known() && !of.lacking() && !of.kinds().Allows(kind) {
			k.complain(where, diag.Error, "Comparison never holds", "An element of %s is %s, and %v is %s.", s.path, of.kinds(), elem, kind)
		}
		return
	}
	s := k.site(r, elem)
	if !s.known() || s.lacking() {
		return
	}
	var have shape.Kinds
	collect := func(t *ast.Term) {
		if kd := constantKind(t.Value); kd != 0 && have != 0xff {
			have |= kd
		} else {
			have = 0xff
		}
	}
	switch v := coll.Value.(type) {
	case ast.Set:
		v.Foreach(collect)
	case *ast.Array:
		v.Foreach(collect)
	}
	if have != 0 && s.kinds() != 0 && s.kinds()&have == 0 {
		k.complain(where, diag.Error, "Comparison never holds", "%s is %s, and each value it is compared with is %s.", s.path, s.kinds(), have)
	}
}

// objectGet follows object.get with a constant key or path. With e it complains.
func (k *checker) objectGet(r *ast.Rule, terms []*ast.Term, e *ast.Expr) (site, bool) {
	s := k.site(r, terms[1])
	if !s.known() || s.lacking() {
		return site{}, false
	}
	var steps []*ast.Term
	switch v := terms[2].Value.(type) {
	case ast.String, ast.Number:
		steps = []*ast.Term{terms[2]}
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { steps = append(steps, t) })
	default:
		return site{}, false
	}
	for _, step := range steps {
		if _, ok := stepName(step); !ok {
			return site{}, false
		}
		before := s
		var missing []int
		s, missing = k.step(s, step)
		if e != nil && len(missing) > 0 {
			k.missing(r, before, s, step, missing, dialect.Range(orLocation(step.Location, e.Location)))
		}
		if s.lacking() {
			return site{}, false
		}
	}
	return s, true
}

// pointer checks a JSON pointer into the item. required ones that only some types have make the
// others INSUFFICIENT_DATA for good, which is worth a warning too.
func (k *checker) pointer(ptr string, where *diag.Range, required bool) {
	tokens, err := shape.Tokens(ptr)
	if err != nil {
		k.complain(where, diag.Error, "Not a JSON pointer", "%q does not begin with a slash. Write the path below the item, like /configuration/encrypted.", ptr)
		return
	}
	s, _ := k.step(k.root, ast.StringTerm("resource"))
	for _, t := range tokens {
		step := ast.StringTerm(t)
		before := s
		var missing []int
		s, missing = k.step(s, step)
		if len(missing) > 0 && (required || s.lacking()) {
			k.missing(nil, before, s, step, missing, where)
		}
		if s.lacking() {
			return
		}
	}
}

// checkPointer checks the constant path of an element of deny.
func (b *builder) checkPointer(c *candidate, ptr string, where *diag.Range, required bool) {
	if c.checker != nil {
		c.checker.pointer(ptr, where, required)
	}
}
