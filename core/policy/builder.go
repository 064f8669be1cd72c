package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/policy/internal/dispatch"
	"github.com/regent-dev/regent/core/policy/internal/shape"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// DefaultTimeout bounds one evaluation where Options do not say.
const DefaultTimeout = time.Second

// builder holds what Compile gathers on its way to a Set.
type builder struct {
	opt      Options
	problems diag.Problems
	notes    []string

	// sources are the files that parsed, in the order of their paths; tests stand apart.
	sources, tests []*source
	// broken says that a file did not parse, so that what else is missing may be in it.
	broken     bool
	candidates []*candidate
	byPackage  map[string]*candidate
	compiler   *ast.Compiler
	shapes     map[string]shape.View
}

// candidate is a package that is to become a policy.
type candidate struct {
	policy  *Policy
	md      *metadata
	sources []*source
	params  *parameterSchema
	// broken says why the parameters do not fit although nobody overrode them.
	broken string
	// failed says that the package has an error that makes checks of its rules pointless.
	failed bool

	// rules are the package's compiled rules; closure are those with all that they lead to.
	rules   []*ast.Rule
	closure []*ast.Rule
	// inputs are the shapes of input, one for each resource type; lowered is what OPA's checker gets
	// of them.
	inputs  []shape.View
	lowered map[string]any

	problems diag.Problems
	notes    []string
	checker  *checker
}

// context names the policy in problems.
func (c *candidate) context() string { return "policy " + string(c.policy.ID) }

func (b *builder) errorf(c *candidate, where *diag.Range, summary, format string, args ...any) {
	b.problem(diag.Error, c, where, summary, format, args...)
}

func (b *builder) warnf(c *candidate, where *diag.Range, summary, format string, args ...any) {
	b.problem(diag.Warning, c, where, summary, format, args...)
}

func (b *builder) problem(sev diag.Severity, c *candidate, where *diag.Range, summary, format string, args ...any) {
	p := diag.Problem{Severity: sev, Summary: summary, Detail: fmt.Sprintf(format, args...), Where: where}
	if c == nil {
		b.problems = append(b.problems, p)
		return
	}
	p.Context = c.context()
	if p.Where == nil {
		p.Where = &c.policy.Where
	}
	c.problems = append(c.problems, p)
}

// each runs fn for every candidate on all processors. fn may change nothing but its candidate.
func (b *builder) each(fn func(*candidate)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(b.candidates)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(b.candidates) {
					return
				}
				fn(b.candidates[i])
			}
		})
	}
	wg.Wait()
}

// collect gathers what the candidates' checks have found.
func (b *builder) collect() {
	for _, c := range b.candidates {
		b.problems = append(b.problems, c.problems...)
		b.notes = append(b.notes, c.notes...)
		c.problems, c.notes = nil, nil
	}
}

// Compile parses, checks and compiles files. The Set is usable only where the problems have no
// errors; files and opt may be changed by the caller afterwards. Problems are sorted by place.
func Compile(ctx context.Context, files []File, opt Options) (*Set, diag.Problems) {
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	opt.Cache.begin()
	b := &builder{opt: opt, byPackage: map[string]*candidate{}}
	set := b.build(ctx, files)
	b.problems.Sort()
	b.problems = slices.CompactFunc(b.problems, func(x, y diag.Problem) bool {
		return x.Severity == y.Severity && x.Summary == y.Summary && x.Detail == y.Detail &&
			x.Where != nil && y.Where != nil && *x.Where == *y.Where
	})
	return set, b.problems
}

func (b *builder) build(ctx context.Context, files []File) *Set {
	empty := &Set{byID: map[verdict.PolicyID]*Policy{}, byType: map[string][]*Policy{}, dispatch: dispatch.New[*Policy](nil, nil)}
	b.load(ctx, files)
	if err := ctx.Err(); err != nil {
		b.errorf(nil, nil, "Policies were not compiled", "Compiling was given up: %v.", err)
		return empty
	}
	b.readSchemas()
	b.gather()
	b.each(func(c *candidate) {
		b.checkRules(c)
		b.applyParameters(c)
		b.shapeInput(c)
	})
	b.applyOverrides()
	b.checkTests()
	ok := b.compile()
	if ok {
		b.each(b.analyse)
	}
	b.collect()
	if !ok || b.problems.HasErrors() {
		return empty
	}
	return b.finish()
}

// load parses the files and sorts them into policies and tests.
func (b *builder) load(ctx context.Context, files []File) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(x, y File) int { return cmp.Compare(x.Path, y.Path) })
	for i, s := range parseAll(ctx, files, b.opt.Cache) {
		if s == nil {
			continue
		}
		if i > 0 && files[i-1].Path == s.path {
			b.errorf(nil, &diag.Range{File: s.path}, "File stands twice", "The same path was given twice; paths tell files apart.")
			continue
		}
		for _, p := range s.problems {
			if s.test && p.Severity == diag.Error {
				// Tests have no part in what the policies say.
				p.Severity = diag.Warning
				p.Summary = "Test file does not parse"
			}
			b.problems = append(b.problems, p)
		}
		switch {
		case s.module == nil:
			b.broken = b.broken || !s.test && s.problems.HasErrors()
		case s.test:
			b.tests = append(b.tests, s)
		default:
			b.sources = append(b.sources, s)
		}
	}
}

// roots are the first parts that package paths may have.
var roots = []string{"alarms", "compliance", "lib"}

// gather finds the packages that are policies and reads their METADATA.
func (b *builder) gather() {
	inherited := map[string]map[string]string{}
	for _, s := range b.sources {
		for _, blk := range s.blocks {
			if policies := s.pkg[0] == "compliance" || s.pkg[0] == "alarms"; blk.scope != "package" || !policies {
				b.checkBlock(blk)
			}
			if blk.scope == "subpackages" {
				l := blk.labels("package "+s.id(), &b.problems)
				if inherited[s.id()] == nil {
					inherited[s.id()] = map[string]string{}
				}
				maps.Copy(inherited[s.id()], l)
			}
		}
	}
	for _, s := range b.sources {
		pkgAt := dialect.Range(s.module.Package.Location)
		if strings.HasSuffix(s.id(), "_test") {
			b.errorf(nil, pkgAt, "Test package outside a test file",
				"Package %s looks like unit tests. Name the file *_test.rego, so that it stays out of the daemon.", s.id())
			continue
		}
		if !slices.Contains(roots, s.pkg[0]) {
			b.errorf(nil, pkgAt, "Package is neither policy nor library",
				"Package %s would never run: policies are packages below compliance or alarms, and what they share is below lib.%s",
				s.id(), dialect.DidYouMean(s.pkg[0], roots))
			continue
		}
		if s.pkg[0] == "lib" || len(s.module.Rules) == 0 {
			continue
		}
		if len(s.pkg) < 2 {
			b.errorf(nil, pkgAt, "Policy has no name", "Rules stand in package %s itself. Give the policy a package of its own below it, like %[1]s.my_policy.", s.id())
			continue
		}
		c := b.byPackage[s.id()]
		if c == nil {
			c = &candidate{policy: &Policy{ID: verdict.PolicyID(s.id()), Kind: KindCompliance, Where: *pkgAt}}
			if s.pkg[0] == "alarms" {
				c.policy.Kind = KindAlarm
			}
			b.byPackage[s.id()] = c
			b.candidates = append(b.candidates, c)
		}
		c.sources = append(c.sources, s)
	}
	slices.SortFunc(b.candidates, func(x, y *candidate) int { return cmp.Compare(x.policy.ID, y.policy.ID) })
	for _, c := range b.candidates {
		b.describe(c, inherited)
	}
}

// checkBlock looks at a METADATA comment that is not that of a policy: of subpackages, a rule, or a
// library. Schemas are refused everywhere: OPA would follow their references to files.
func (b *builder) checkBlock(blk *block) {
	top, _ := pairs(blk.root)
	for _, p := range top {
		switch {
		case p.name == "schemas":
			b.errorf(nil, blk.place(p.key), "Schemas are not declared in policies", "%s", schemasHint)
		case p.name == "custom" && blk.scope == "subpackages":
			b.errorf(nil, blk.place(p.key), "METADATA cannot be inherited",
				"Subpackages inherit labels only. Write custom in the METADATA of each policy.")
		case p.name == "labels" && (blk.scope == "rule" || blk.scope == "document"):
			b.warnf(nil, blk.place(p.key), "Labels of a rule have no effect", "Labels are those of a whole policy; write them in its METADATA above the package statement.")
		}
	}
}

// describe reads the METADATA of a policy into it.
func (b *builder) describe(c *candidate, inherited map[string]map[string]string) {
	p := c.policy
	var own []*block
	var elsewhere *block
	for _, s := range c.sources {
		for _, blk := range s.blocks {
			switch blk.scope {
			case "package":
				own = append(own, blk)
				p.Where = *dialect.Range(s.module.Package.Location)
			case "rule", "document":
				if top, _ := pairs(blk.root); elsewhere == nil && slices.ContainsFunc(top, func(q pair) bool { return q.name == "custom" }) {
					elsewhere = blk
				}
			}
		}
	}
	p.Labels = map[string]string{}
	for i := 1; i <= len(c.sources[0].pkg); i++ {
		maps.Copy(p.Labels, inherited[strings.Join(c.sources[0].pkg[:i], ".")])
	}
	switch {
	case len(own) == 0 && elsewhere != nil:
		b.errorf(c, &elsewhere.where, "METADATA stands above a rule", "Move the METADATA comment directly above the package statement; it describes the whole policy.")
	case len(own) == 0:
		b.errorf(c, nil, "Policy has no METADATA",
			"Put a comment that begins with `# METADATA` directly above the package statement, with a title, and under custom a severity and %s.", triggerOf(p.Kind))
	case len(own) > 1:
		b.errorf(c, &own[1].where, "METADATA stands twice", "Package %s has its METADATA at %s already.", p.ID, own[0].where)
	}
	if len(own) == 0 {
		c.md = &metadata{at: map[string]*diag.Range{}}
		c.failed = true
		return
	}
	c.md = readMetadata(p.Kind, string(p.ID), own[0], &b.problems)
	maps.Copy(p.Labels, own[0].labels(c.context(), &b.problems))
	md := c.md
	p.Title, p.Description, p.Severity = md.title, md.description, md.severity
	p.ResourceTypes, p.Requires, p.ReadsAll = md.resourceTypes, md.requires, md.readsAll
	p.Controls, p.Remediation, p.RelatedResources = md.controls, md.remediation, md.related
	p.Schedule, p.On, p.Window = md.schedule, md.on, md.window
	if p.Kind == KindAlarm {
		p.Lateness, p.ClearAfter = DefaultLateness, DefaultClearAfter
		if md.at["lateness"] != nil {
			p.Lateness = md.lateness
		}
		if p.Window != nil {
			p.ClearAfter = p.Window.Within
		}
		if md.at["clear_after"] != nil {
			p.ClearAfter = md.clearAfter
		}
	}
}

// The defaults of alarms.
const (
	DefaultLateness   = 15 * time.Minute
	DefaultClearAfter = time.Hour
)

// applyOverrides lays the operator's configuration over what the policies say of themselves.
func (b *builder) applyOverrides() {
	names := make([]string, len(b.candidates))
	for i, c := range b.candidates {
		names[i] = string(c.policy.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(b.opt.Overrides)) {
		o := b.opt.Overrides[id]
		c := b.byPackage[string(id)]
		if c == nil {
			if !b.broken && !b.opt.Partial {
				b.errorf(nil, o.Where, "No such policy", "There is no policy %q.%s", id, dialect.DidYouMean(string(id), names))
			}
			continue
		}
		if o.Severity != "" {
			if o.Severity.Rank() == len(verdict.Severities) {
				b.errorf(nil, o.Where, "Unknown severity", "%q is not a severity: it is one of critical, high, medium, low, info.", o.Severity)
			}
			c.policy.Severity = o.Severity
		}
		maps.Copy(c.policy.Labels, o.Labels)
	}
}

// checkTests finds out which policies have unit tests.
func (b *builder) checkTests() {
	tested := map[string]int{}
	for _, s := range b.tests {
		n := 0
		for _, r := range s.module.Rules {
			if strings.HasPrefix(string(r.Head.Name), "test_") {
				n++
			}
		}
		about := map[string]bool{s.id(): true, strings.TrimSuffix(s.id(), "_test"): true}
		for _, imp := range s.module.Imports {
			if ref, ok := imp.Path.Value.(ast.Ref); ok && ref[0].Equal(ast.DefaultRootDocument) {
				if parts, ok := packagePath(ref); ok {
					about[strings.Join(parts, ".")] = true
				}
			}
		}
		for id := range about {
			tested[id] += n
		}
	}
	for _, c := range b.candidates {
		n := tested[string(c.policy.ID)]
		c.policy.HasTest = n > 0
		switch {
		case b.opt.RequireTests && n < 2:
			b.errorf(c, nil, "Policy has too few tests",
				"A policy of ours has a policy_test.rego beside it with at least one hit and one clean case; this one has %d tests.", n)
		case n == 0:
			b.warnf(c, nil, "Policy has no test", "No *_test.rego is about %s. Without one nobody knows that it ever fires.", c.policy.ID)
		}
	}
}

// readSchemas parses the schemas of the resource types.
func (b *builder) readSchemas() {
	b.shapes = make(map[string]shape.View, len(b.opt.Schemas))
	for _, t := range slices.Sorted(maps.Keys(b.opt.Schemas)) {
		if len(b.opt.Schemas[t]) == 0 {
			continue
		}
		key := record.Sum(b.opt.Schemas[t])
		v, cached := b.opt.Cache.shape(key)
		var err error
		if !cached {
			if v, err = shape.Parse(b.opt.Schemas[t]); err == nil {
				b.opt.Cache.putShape(key, v)
			}
		}
		if err != nil {
			b.warnf(nil, nil, "Schema of a resource type is broken",
				"Policies on %s are not type-checked: %v. The plugin that declares it needs mending.", t, err)
			continue
		}
		b.shapes[t] = v
	}
}

// digestOf sums what can change a policy's verdicts.
func (b *builder) digestOf(c *candidate) record.Digest {
	byModule := map[*ast.Module]bool{}
	paths := map[string]record.Digest{}
	for _, s := range c.sources {
		paths[s.id()+"\x00"+s.code.String()] = s.code
	}
	for _, r := range c.closure {
		byModule[r.Module] = true
	}
	for _, s := range b.sources {
		if byModule[b.compiler.Modules[s.path]] {
			paths[s.id()+"\x00"+s.code.String()] = s.code
		}
	}
	p := c.policy
	var w digester
	w.text("policy", dialect.Engine(), string(p.Kind), string(p.ID))
	for _, k := range slices.Sorted(maps.Keys(paths)) {
		w.text(k)
	}
	w.text("parameters", string(p.Parameters))
	w.text("types")
	w.text(p.ResourceTypes...)
	w.text("requires")
	w.text(p.Requires...)
	w.text("reads_all")
	w.text(p.ReadsAll...)
	w.text("on", p.On, p.Lateness.String(), p.ClearAfter.String())
	if p.Window != nil {
		w.text(fmt.Sprint(*p.Window))
	}
	return w.sum()
}

// textDigestOf sums the rest of what people see.
func (b *builder) textDigestOf(c *candidate) record.Digest {
	p := c.policy
	var w digester
	w.text("text", p.Title, p.Description, string(p.Severity), p.Remediation, p.Schedule.String())
	for _, k := range slices.Sorted(maps.Keys(p.Controls)) {
		w.text(k)
		w.text(p.Controls[k]...)
	}
	for _, r := range p.RelatedResources {
		w.text(r.URL, r.Description)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Labels)) {
		w.text(k, p.Labels[k])
	}
	return w.sum()
}
