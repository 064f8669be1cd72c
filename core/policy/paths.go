package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// OPA's type checker takes unions and nullable types for anything, and follows neither object.get
// nor the arguments of functions. The checker here knows less of Rego and more of paths: it walks
// every reference below input through the schemas of the policy's types, and through the variables,
// rules and functions that stand for parts of input. What it calls wrong no item can have.

// site is a place in the input (or in another resource) that a term stands for.
type site struct {
	// path is how the place is shown: input.resource.configuration.
	path string
	// views are what the policy's types have there, in the order of checker.types; nil where a type
	// has no such place.
	views []view
}

func (s site) known() bool { return s.views != nil }

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
		k.rules = rules
	}
	for _, r := range k.c.rules {
		k.checkRule(r)
	}
	for i, ptr := range k.c.md.requires {
		k.pointer(ptr, k.c.md.requiresAt[i], true)
	}
}

// bind finds the sites of a rule's variables; with calls it notes what is passed to functions.
func (k *checker) bind(r *ast.Rule, calls bool) {
	vars := k.vars[r]
	set := func(t *ast.Term, s site) {
		if v, ok := t.Value.(ast.Var); ok && s.known() {
			if old, bound := vars[v]; bound && old.path != s.path {
				s = site{path: s.path} // stands for two places: unknown
			} else if bound && !old.known() {
				return
			}
			vars[v] = s
		}
	}
	if sites := k.args[ruleKey(r)]; sites != nil {
		for i, a := range r.Head.Args {
			if i < len(sites) {
				set(a, sites[i])
			}
		}
	}
	k.exprs(r, func(e *ast.Expr) {
		if every, ok := e.Terms.(*ast.Every); ok {
			if d := k.site(r, every.Domain); d.known() {
				set(every.Value, k.each(d))
			}
			return
		}
		terms, ok := e.Terms.([]*ast.Term)
		if !ok {
			return
		}
		switch op := terms[0].String(); {
		case e.IsEquality() && len(terms) == 3:
			set(terms[1], k.site(r, terms[2]))
			set(terms[2], k.site(r, terms[1]))
		case op == "object.get" && len(terms) == 5:
			if s, ok := k.objectGet(r, terms, nil); ok && !isComposite(terms[3]) {
				set(terms[4], s)
			}
		case calls && strings.HasPrefix(op, "data."):
			k.call(r, op, terms[1:])
		}
	})
}

// isComposite reports whether a default could bring members of its own.
func isComposite(t *ast.Term) bool {
	switch v := t.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		return false
	case ast.Object:
		return v.Len() > 0
	case *ast.Array:
		return v.Len() > 0
	}
	return true
}

// call notes what a call passes to a function of the package.
func (k *checker) call(r *ast.Rule, op string, args []*ast.Term) {
	if !strings.HasPrefix(op, "data."+string(k.c.policy.ID)+".") {
		return
	}
	old, called := k.passed[op]
	sites := make([]site, len(args))
	for i, a := range args {
		sites[i] = k.site(r, a)
		if called && i < len(old) && (old[i].path != sites[i].path || !old[i].known()) {
			// Two calls pass different things, or something that is not in the input.
			sites[i] = site{path: "?"}
		}
	}
	k.passed[op] = sites
}

// settle finds the site that a rule's value stands for.
func (k *checker) settle(r *ast.Rule, into map[string]site) {
	if len(r.Head.Args) > 0 {
		return
	}
	key := ruleKey(r)
	for rule := r; rule != nil; rule = rule.Else {
		var s site
		switch {
		case rule.Default:
		case rule.Head.RuleKind() == ast.MultiValue && rule.Head.Key != nil:
			s = k.site(r, rule.Head.Key)
		case rule.Head.Value != nil:
			s = k.site(r, rule.Head.Value)
		}
		if old, ok := into[key]; ok && (old.path != s.path || !s.known()) {
			s = site{path: "?"}
		}
		into[key] = s
	}
}

// ruleKey is the path of a compiled rule.
func ruleKey(r *ast.Rule) string { return r.Ref().GroundPrefix().String() }

// exprs calls fn for the expressions of a rule, nested ones included, that see the policy's own
// input.
func (k *checker) exprs(r *ast.Rule, fn func(*ast.Expr)) {
	visit := func(e *ast.Expr) bool {
		if len(e.With) > 0 {
			return true
		}
		fn(e)
		return false
	}
	ast.WalkExprs(r.Head, visit)
	ast.WalkExprs(r.Body, visit)
	if r.Else != nil {
		ast.WalkExprs(r.Else, visit)
	}
}

// site returns what a term stands for, without complaining about it.
func (k *checker) site(r *ast.Rule, t *ast.Term) site {
	switch v := t.Value.(type) {
	case ast.Var:
		return k.vars[r][v]
	case ast.Ref:
		s, rest := k.head(r, v)
		for _, step := range rest {
			if !s.known() {
				return s
			}
			s, _ = k.step(s, step)
		}
		return s
	}
	return site{}
}

// head returns what the first terms of a reference stand for, and the others.
func (k *checker) head(r *ast.Rule, ref ast.Ref) (site, ast.Ref) {
	v, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return site{}, nil
	case v == ast.InputRootDocument.Value:
		return k.root, ref[1:]
	case v == ast.DefaultRootDocument.Value:
		return k.dataHead(ref)
	}
	return k.vars[r][v], ref[1:]
}

// dataHead resolves references to rules of the package and to resources whose type has a schema.
func (k *checker) dataHead(ref ast.Ref) (site, ast.Ref) {
	if len(ref) >= 4 && ref[1].Equal(ast.InternedTerm("resources")) {
		if t, ok := ref[2].Value.(ast.String); ok && k.b.shapes[string(t)] != nil {
			return k.other(string(t), fmt.Sprintf("data.resources[%q][…]", string(t))), ref[4:]
		}
	}
	if len(ref) >= 6 && ref[1].Equal(ast.InternedTerm("resources_in")) {
		if t, ok := ref[4].Value.(ast.String); ok && k.b.shapes[string(t)] != nil {
			return k.other(string(t), fmt.Sprintf("data.resources_in[…][…][%q][…]", string(t))), ref[6:]
		}
	}
	depth := len(k.c.sources[0].pkg) + 2
	if len(ref) < depth {
		return site{}, nil
	}
	key := ref[:depth].String()
	s, ok := k.rules[key]
	if !ok || !s.known() {
		return site{}, nil
	}
	rest := ref[depth:]
	rules := k.b.compiler.GetRulesExact(ref[:depth])
	if len(rules) > 0 && rules[0].Head.RuleKind() == ast.MultiValue {
		// The next term picks an element; its members come after.
		if len(rest) == 0 {
			return site{}, nil
		}
		rest = rest[1:]
	}
	return s, rest
}

// other is the site of a resource that is not the subject.
func (k *checker) other(resourceType, path string) site {
	s := site{path: path, views: make([]view, len(k.root.views))}
	item := itemShape(k.b.shapes[resourceType])
	for i := range s.views {
		s.views[i] = item
	}
	return s
}

// step goes to a member. missing are the types that have none there; where all lack it the site is
// still known, with no views, and missing is as long as the list of types.
func (k *checker) step(s site, t *ast.Term) (next site, missing []int) {
	if s.open() {
		// Nothing is known further down; the site keeps the name of where that began.
		return s, nil
	}
	name, constant := stepName(t)
	if !constant {
		next = k.each(s)
		return next, nil
	}
	next = site{path: s.path + dotted(name), views: make([]view, len(s.views))}
	for i, v := range s.views {
		if v == nil {
			continue
		}
		if m, ok := v.member(name); ok {
			next.views[i] = m
		} else {
			missing = append(missing, i)
		}
	}
	return next, missing
}

// each is what stands at any member or element.
func (k *checker) each(s site) site {
	if s.open() {
		return s
	}
	next := site{path: s.path + "[_]", views: make([]view, len(s.views))}
	for i, v := range s.views {
		if m, ok := v.values(); ok && v != nil {
			next.views[i] = m
		}
	}
	return next
}

// stepName returns the name of a constant step.
func stepName(t *ast.Term) (string, bool) {
	switch v := t.Value.(type) {
	case ast.String:
		return string(v), true
	case ast.Number:
		return string(v), true
	}
	return "", false
}

func dotted(name string) string {
	if isName(name) {
		return "." + name
	}
	if _, err := strconv.Atoi(name); err == nil {
		return "[" + name + "]"
	}
	return "[" + strconv.Quote(name) + "]"
}

// lacking reports whether no type has the site.
func (s site) lacking() bool {
	return s.known() && !slices.ContainsFunc(s.views, func(v view) bool { return v != nil })
}

// open reports whether nothing is known of the site in any type that has it.
func (s site) open() bool {
	known := false
	for _, v := range s.views {
		known = known || v != nil && !v.isAny()
	}
	return !known
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

// kinds returns what kinds of value any type has at the site, 0 where that is open.
func (s site) kinds() kinds {
	var ks kinds
	for _, v := range s.views {
		if v == nil {
			continue
		}
		one := v.kinds()
		if one == 0 {
			return 0
		}
		ks |= one
	}
	return ks
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
			} else if _, named := step.Value.(ast.Var); named && len(before.names()) > 0 && before.kinds() == kindObject {
				k.notes[fmt.Sprintf("keys of %s that are only known at evaluation", before.path)] = true
			}
			continue
		}
		if len(missing) > 0 {
			k.missing(before, s, step, missing, dialect.Range(orLocation(step.Location, t.Location)))
		}
	}
}

func orLocation(a, b *ast.Location) *ast.Location {
	if a != nil {
		return a
	}
	return b
}

// names lists the members that the types declare at the site.
func (s site) names() []string {
	var names []string
	for _, v := range s.views {
		if v != nil {
			names = append(names, v.names()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// missing reports a member that some or all types lack.
func (k *checker) missing(before, at site, step *ast.Term, types []int, where *diag.Range) {
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
	lacking := make([]string, len(types))
	for i, t := range types {
		lacking[i] = k.types[t]
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
	if ks.allows(kind) {
		return
	}
	where := dialect.Range(orLocation(e.Location, t.Location))
	if kind == kindNull {
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
		if kind := constantKind(elem.Value); kind != 0 && of.known() && !of.lacking() && !of.kinds().allows(kind) {
			k.complain(where, diag.Error, "Comparison never holds", "An element of %s is %s, and %v is %s.", s.path, of.kinds(), elem, kind)
		}
		return
	}
	s := k.site(r, elem)
	if !s.known() || s.lacking() {
		return
	}
	var have kinds
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
			k.missing(before, s, step, missing, dialect.Range(orLocation(step.Location, e.Location)))
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
	tokens, err := pointerTokens(ptr)
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
			k.missing(before, s, step, missing, where)
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
