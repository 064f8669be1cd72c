package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/verdict"
)

// Options are what a configuration depends on besides its files.
type Options struct {
	// Vars set variables; they come before the environment.
	Vars map[string]string
	// Environ looks an environment variable up; nil means os.LookupEnv.
	Environ func(string) (string, bool)
	// Files are read instead of what is on disk, where set.
	Files Sources
}

// Load reads the configuration at path, a file or a folder. The Config is usable only where no problem
// is an error.
func Load(path string, o Options) (*Config, diag.Problems, Sources) {
	if o.Environ == nil {
		o.Environ = os.LookupEnv
	}
	l := &loader{
		o: o, sources: Sources{}, seen: map[string]hcl.Range{},
		c: &Config{
			Path: path, Plugins: map[string]*Plugin{}, Overrides: map[verdict.PolicyID]*Policy{},
			NotifyMaxAge: 24 * time.Hour, Query: defaultQuery, Log: Log{Level: "info", Format: "text"},
			Cause: Cause{Before: 15 * time.Minute, After: 5 * time.Minute},
			Lake:  Lake{DrainEvery: time.Minute, CacheBytes: 1 << 30}, Retention: defaultRetention(),
		},
	}
	files := l.read(path)
	if len(files) > 0 {
		l.load(files)
	}
	l.problems.Sort()
	return l.c, l.problems, l.sources
}

const day = 24 * time.Hour

type loader struct {
	o        Options
	c        *Config
	problems diag.Problems
	sources  Sources
	// seen holds where each labelled block was, against a second one.
	seen map[string]hcl.Range
	eval *hcl.EvalContext
}

func (l *loader) add(diags hcl.Diagnostics) { l.problems = append(l.problems, FromHCL(diags)...) }

func (l *loader) errorf(rng hcl.Range, summary, format string, args ...any) {
	r := Range(rng)
	l.problems.Errorf(&r, summary, format, args...)
}

var rootSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "data_dir"}, {Name: "plugin_dir"}, {Name: "run_dir"}, {Name: "notify_max_age"},
	},
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "policies"},
		{Type: "log"},
		{Type: "api"},
		{Type: "lake"},
		{Type: "proof"},
		{Type: "retention"},
		{Type: "query"},
		{Type: "cause"},
		{Type: "plugin", LabelNames: []string{"name"}},
		{Type: "collector", LabelNames: []string{"plugin", "name"}},
		{Type: "notifier", LabelNames: []string{"plugin", "name"}},
		{Type: "policy", LabelNames: []string{"id"}},
		{Type: "waiver", LabelNames: []string{"name"}},
		{Type: "route", LabelNames: []string{"name"}},
		{Type: "snapshot", LabelNames: []string{"name"}},
		{Type: "trail", LabelNames: []string{"name"}},
	},
}

func (l *loader) load(files []*hcl.File) {
	body := hcl.MergeFiles(files)
	content, diags := body.Content(rootSchema)
	l.add(suggest(diags, rootSchema))
	l.eval = &hcl.EvalContext{Functions: functions(filepath.Dir(l.c.Files[0])), Variables: map[string]cty.Value{"var": l.variables(content)}}
	l.c.eval = l.eval
	l.root(content)
	byType := content.Blocks.ByType()
	for typ, blocks := range byType {
		if slices.Contains([]string{"policies", "log", "api", "lake", "proof", "retention", "query", "cause"}, typ) && len(blocks) > 1 && typ != "policies" {
			l.errorf(blocks[1].DefRange, "Duplicate block", "There is one %q block already, at %s.", typ, Range(blocks[0].DefRange))
		}
	}
	for _, b := range byType["log"] {
		l.log(b)
	}
	for _, b := range byType["api"] {
		l.api(b)
	}
	for _, b := range byType["lake"] {
		l.lake(b)
	}
	for _, b := range byType["retention"] {
		l.retention(b)
	}
	for _, b := range byType["query"] {
		l.query(b)
	}
	for _, b := range byType["cause"] {
		l.cause(b)
	}
	for _, b := range byType["policies"] {
		l.policies(b)
	}
	for _, b := range byType["plugin"] {
		l.plugin(b)
	}
	for _, role := range []string{"collector", "notifier"} {
		for _, b := range byType[role] {
			l.instance(role, b)
		}
	}
	l.proof(byType["proof"])
	for _, b := range byType["policy"] {
		l.policy(b)
	}
	for _, b := range byType["waiver"] {
		l.waiver(b)
	}
	for _, b := range byType["route"] {
		l.route(b)
	}
	for _, b := range byType["snapshot"] {
		l.snapshot(b)
	}
	for _, b := range byType["trail"] {
		l.trail(b)
	}
}

// once reports a second block with the same labels.
func (l *loader) once(b *hcl.Block) bool {
	key := b.Type + " " + strings.Join(b.Labels, ".")
	if first, dup := l.seen[key]; dup {
		l.errorf(b.DefRange, "Duplicate "+b.Type, "A %s named %q is declared already, at %s.", b.Type, strings.Join(b.Labels, "."), Range(first))
		return false
	}
	l.seen[key] = b.DefRange
	for i, label := range b.Labels {
		if !hclsyntax.ValidIdentifier(label) && b.Type != "policy" {
			l.errorf(b.LabelRanges[i], "Invalid name", "%q is not a name: letters, digits, - and _, beginning with a letter.", label)
			return false
		}
	}
	return true
}

// decode fills a struct with hcl tags from a block's body.
func (l *loader) decode(b *hcl.Block, to any) bool {
	schema, _ := gohcl.ImpliedBodySchema(to)
	diags := gohcl.DecodeBody(b.Body, l.eval, to)
	l.add(inContext(suggest(diags, schema), b))
	return !diags.HasErrors()
}

// text is an attribute that was decoded as an expression, so that its place is known.
func (l *loader) text(e hcl.Expression) (string, hcl.Range, bool) {
	if e == nil {
		return "", hcl.Range{}, false
	}
	v, diags := e.Value(l.eval)
	if diags.HasErrors() {
		l.add(diags)
		return "", e.Range(), false
	}
	if !v.IsKnown() {
		// It comes of a variable that has no value, which was reported where the variable is.
		return "", e.Range(), false
	}
	if v.IsNull() {
		return "", e.Range(), false
	}
	if v.IsMarked() {
		l.errorf(e.Range(), "Sensitive value", "A sensitive variable may be used only where it is not shown: inside config blocks, which are handed to the plugin, and for the keys of a bucket.")
		return "", e.Range(), false
	}
	if v.Type() != cty.String {
		l.errorf(e.Range(), "Text expected", "A text in quotes is wanted here, not %s.", v.Type().FriendlyName())
		return "", e.Range(), false
	}
	return v.AsString(), e.Range(), true
}

// duration reads a duration attribute into to.
func (l *loader) duration(e hcl.Expression, name string, to *time.Duration) {
	s, rng, ok := l.text(e)
	if !ok {
		return
	}
	d, err := ParseDuration(s)
	if err != nil {
		l.errorf(rng, "Invalid duration", "%s: %v.", name, err)
		return
	}
	*to = d
}

// path makes a path of the operator's absolute, seen from the file that names it.
func (l *loader) path(s string, rng hcl.Range) string {
	if filepath.IsAbs(s) {
		return filepath.Clean(s)
	}
	abs, err := filepath.Abs(filepath.Join(filepath.Dir(rng.Filename), s))
	if err != nil {
		return s
	}
	return abs
}
