package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
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

// Sources are the bytes of the files by name, for showing snippets.
type Sources map[string][]byte

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

// read reads the files in lexical order.
func (l *loader) read(path string) []*hcl.File {
	names := l.names(path)
	h := sha256.New()
	var files []*hcl.File
	for _, name := range names {
		b, err := l.bytes(name)
		if err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			l.problems.Errorf(&diag.Range{File: name}, "File not readable", "%v.", err)
			continue
		}
		fmt.Fprintf(h, "%d %s %d ", len(name), name, len(b))
		h.Write(b)
		l.sources[name] = b
		l.c.Files = append(l.c.Files, name)
		f, diags := hclsyntax.ParseConfig(b, name, hcl.InitialPos)
		l.add(diags)
		if f != nil && f.Body != nil {
			files = append(files, f)
		}
	}
	vars, _ := json.Marshal(l.o.Vars)
	h.Write(vars)
	h.Sum(l.c.Digest[:0])
	if l.problems.HasErrors() {
		// What a broken file would have said is not known; problems that follow from that would
		// only hide the first.
		return nil
	}
	return files
}

// names lists the files, in lexical order.
func (l *loader) names(path string) []string {
	if l.o.Files != nil {
		return slices.Sorted(maps.Keys(l.o.Files))
	}
	info, err := os.Stat(path)
	if err != nil {
		l.problems.Errorf(nil, "Configuration not found", "%v. Name a file or a folder with --config.", err)
		return nil
	}
	if !info.IsDir() {
		return []string{path}
	}
	names, err := filepath.Glob(filepath.Join(path, "*.hcl"))
	if err != nil || len(names) == 0 {
		l.problems.Errorf(nil, "Configuration is empty", "The folder %s holds no *.hcl file.", path)
		return nil
	}
	slices.Sort(names)
	return names
}

func (l *loader) bytes(name string) ([]byte, error) {
	if l.o.Files != nil {
		return l.o.Files[name], nil
	}
	return os.ReadFile(name)
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

func (l *loader) root(content *hcl.BodyContent) {
	attr := func(name string) hcl.Expression {
		if a := content.Attributes[name]; a != nil {
			return a.Expr
		}
		return nil
	}
	for _, p := range []struct {
		name string
		to   *string
	}{{"data_dir", &l.c.DataDir}, {"plugin_dir", &l.c.PluginDir}, {"run_dir", &l.c.RunDir}} {
		if s, rng, ok := l.text(attr(p.name)); ok {
			*p.to = l.path(s, rng)
		}
	}
	if l.c.DataDir == "" && attr("data_dir") == nil {
		l.problems.Errorf(&diag.Range{File: l.c.Files[0]}, "Missing data_dir", "Set data_dir to a folder that the daemon may write, such as \"/var/lib/regent\".")
	}
	if l.c.PluginDir == "" {
		if exe, err := os.Executable(); err == nil {
			l.c.PluginDir = filepath.Dir(exe)
		}
	}
	if l.c.RunDir == "" {
		l.c.RunDir = filepath.Join(l.c.DataDir, "run")
	}
	l.c.API.Socket = filepath.Join(l.c.DataDir, "regent.sock")
	l.c.Lake.Path = filepath.Join(l.c.DataDir, "lake")
	l.duration(attr("notify_max_age"), "notify_max_age", &l.c.NotifyMaxAge)
}

func (l *loader) log(b *hcl.Block) {
	var raw struct {
		Level  hcl.Expression `hcl:"level,optional"`
		Format hcl.Expression `hcl:"format,optional"`
	}
	if !l.decode(b, &raw) {
		return
	}
	l.choice(raw.Level, "level", []string{"debug", "info", "warn", "error"}, &l.c.Log.Level)
	l.choice(raw.Format, "format", []string{"text", "json"}, &l.c.Log.Format)
}

// choice reads a text that must be one of a few.
func (l *loader) choice(e hcl.Expression, name string, choices []string, to *string) {
	s, rng, ok := l.text(e)
	if !ok {
		return
	}
	if !slices.Contains(choices, s) {
		l.errorf(rng, "Unknown "+name, "%q is none of %s.%s", s, strings.Join(choices, ", "), didYouMean(s, choices))
		return
	}
	*to = s
}

func (l *loader) api(b *hcl.Block) {
	var raw struct {
		Listen    hcl.Expression `hcl:"socket,optional"`
		Listeners []struct {
			Address  string         `hcl:"address,label"`
			TLSCert  hcl.Expression `hcl:"tls_cert,optional"`
			TLSKey   hcl.Expression `hcl:"tls_key,optional"`
			Insecure bool           `hcl:"insecure,optional"`
			Range    hcl.Range      `hcl:",def_range"`
		} `hcl:"listener,block"`
		Tokens []struct {
			Name   string         `hcl:"name,label"`
			Role   hcl.Expression `hcl:"role"`
			SHA256 hcl.Expression `hcl:"sha256"`
			Range  hcl.Range      `hcl:",def_range"`
		} `hcl:"token,block"`
	}
	if !l.decode(b, &raw) {
		return
	}
	if s, rng, ok := l.text(raw.Listen); ok {
		l.c.API.Socket = l.path(strings.TrimPrefix(s, "unix://"), rng)
	}
	for _, r := range raw.Listeners {
		out := Listener{Address: r.Address, Insecure: r.Insecure, Where: Range(r.Range)}
		if s, rng, ok := l.text(r.TLSCert); ok {
			out.TLSCert = l.path(s, rng)
		}
		if s, rng, ok := l.text(r.TLSKey); ok {
			out.TLSKey = l.path(s, rng)
		}
		switch {
		case (out.TLSCert == "") != (out.TLSKey == ""):
			l.errorf(r.Range, "Incomplete TLS settings", "tls_cert and tls_key belong together.")
		case out.TLSCert == "" && !out.Insecure:
			l.errorf(r.Range, "Listener without TLS", "Set tls_cert and tls_key, or, for a loopback address only, insecure = true.")
		}
		l.c.API.Listeners = append(l.c.API.Listeners, out)
	}
	for _, r := range raw.Tokens {
		t := Token{Name: r.Name, Where: Range(r.Range)}
		l.choice(r.Role, "role", []string{"read", "operate", "admin"}, &t.Role)
		if s, rng, ok := l.text(r.SHA256); ok {
			l.digest(s, rng)
			t.SHA256 = s
		}
		l.c.API.Tokens = append(l.c.API.Tokens, t)
	}
	if len(l.c.API.Listeners) > 0 && len(l.c.API.Tokens) == 0 {
		l.errorf(b.DefRange, "Listener without tokens", "Nobody could use the listeners: add a token block.")
	}
}

// digest checks the form of a SHA-256.
func (l *loader) digest(s string, rng hcl.Range) bool {
	if b, err := hex.DecodeString(s); err != nil || len(b) != sha256.Size {
		l.errorf(rng, "Invalid SHA-256", "A SHA-256 has 64 hexadecimal digits; this has %d characters. `regent plugin sum FILE` prints that of a plugin.", len(s))
		return false
	}
	return true
}

func (l *loader) policies(b *hcl.Block) {
	var raw struct {
		Path    hcl.Expression `hcl:"path,optional"`
		Builtin hcl.Expression `hcl:"builtin,optional"`
	}
	if !l.decode(b, &raw) {
		return
	}
	before := len(l.c.Policies.Paths) + len(l.c.Policies.Builtin)
	if s, rng, ok := l.text(raw.Path); ok {
		p := l.path(s, rng)
		if _, err := os.Stat(p); err != nil {
			l.errorf(rng, "Policies not found", "%s is not there.", p)
		}
		l.c.Policies.Paths = append(l.c.Policies.Paths, p)
	}
	for _, g := range l.texts(raw.Builtin) {
		if l.pattern(g.s, g.rng) {
			l.c.Policies.Builtin = append(l.c.Policies.Builtin, g.s)
		}
	}
	if len(l.c.Policies.Paths)+len(l.c.Policies.Builtin) == before && !l.problems.HasErrors() {
		l.errorf(b.DefRange, "Empty policies block", "Set path to a folder of policies, or builtin to patterns over those that come with Regent, such as [\"compliance.linux.*\"].")
	}
}

func (l *loader) plugin(b *hcl.Block) {
	var raw struct {
		Path   hcl.Expression `hcl:"path,optional"`
		SHA256 hcl.Expression `hcl:"sha256,optional"`
		Env    []string       `hcl:"env,optional"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	p := &Plugin{Name: b.Labels[0], Env: raw.Env, Where: Range(b.DefRange)}
	if s, rng, ok := l.text(raw.Path); ok {
		p.Path = l.path(s, rng)
		if _, err := os.Stat(p.Path); err != nil {
			l.errorf(rng, "Plugin not found", "There is no program at %s.", p.Path)
		}
	}
	if s, rng, ok := l.text(raw.SHA256); ok && l.digest(s, rng) {
		p.SHA256, p.SHA256Where = strings.ToLower(s), Range(rng)
	}
	l.c.Plugins[p.Name] = p
}

func joinBinary(dir, role, plugin string) string { return filepath.Join(dir, role+"-"+plugin) }

func (l *loader) instance(role string, b *hcl.Block) {
	var raw struct {
		Every  hcl.Expression `hcl:"every,optional"`
		Config *struct {
			Body hcl.Body `hcl:",remain"`
		} `hcl:"config,block"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	inst := &Instance{
		Role: role, Plugin: b.Labels[0], Label: b.Labels[1], ID: record.NewInstance(role, b.Labels[0], b.Labels[1]),
		Where: Range(b.DefRange), block: b,
	}
	if raw.Config != nil {
		inst.Body = raw.Config.Body
	}
	l.duration(raw.Every, "every", &inst.Every)
	if role == "notifier" && raw.Every != nil && inst.Every != 0 {
		l.errorf(b.DefRange, "Notifier with an interval", "every is for collectors; a notifier is called when there is something to deliver.")
	}
	if body, ok := b.Body.(*hclsyntax.Body); ok {
		inst.Digest = record.Sum(body.Range().SliceBytes(l.sources[body.Range().Filename]))
	}
	if path, _, _ := l.c.PluginBinary(role, inst.Plugin); path != "" {
		if _, err := os.Stat(path); err != nil {
			l.errorf(b.LabelRanges[0], "Unknown plugin", "There is no program %s.%s A plugin elsewhere is named by a plugin block with a path.",
				path, didYouMean(inst.Plugin, available(l.c.PluginDir, role)))
		}
	}
	if role == "collector" {
		l.c.Collectors = append(l.c.Collectors, inst)
	} else {
		l.c.Notifiers = append(l.c.Notifiers, inst)
	}
}

// available lists the plugins of a role in a folder.
func available(dir, role string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, role+"-*"))
	for i := range names {
		names[i] = strings.TrimPrefix(filepath.Base(names[i]), role+"-")
	}
	return names
}

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
