package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gobwas/glob"
	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/channel"
	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/reload"
	"github.com/regent-dev/regent/core/route"
	"github.com/regent-dev/regent/policies"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Describer asks plugins what they are; *host.Host is one.
type Describer interface {
	Describe(ctx context.Context, o host.DescribeOptions) (*pluginv1.DescribeResponse, string, error)
}

// Build is a generation as it is checked, before it is in force.
type Build struct {
	Config   *config.Config
	Sources  config.Sources
	Policies *policy.Set
	Files    []policy.File
	Schemas  map[string][]byte
	Problems diag.Problems
	Routes   *route.Table
	Waivers  *compliance.Waivers
	// Channels are the snapshots and trails.
	Channels []channel.Spec
	// Specs are the instances that can be started, Types what each collector declares, Broken those
	// whose plugin cannot be asked, with the reason.
	Specs  []host.Spec
	Types  map[record.Instance]*intake.Types
	Broken map[record.Instance]error
	Digest record.Digest
	// Folders are to be watched.
	Folders []string
}

// Check builds a generation from the configuration at path. It starts plugins to ask what they are.
// The Build is usable where no problem is an error.
func Check(ctx context.Context, path string, vars map[string]string, d Describer, marker policy.Marker, cache *policy.Cache) *Build {
	b := load(path, vars)
	b.finish(ctx, d, marker, cache)
	return b
}

// load reads the files of a generation and nothing else.
func load(path string, vars map[string]string) *Build {
	b := &Build{Types: map[record.Instance]*intake.Types{}, Broken: map[record.Instance]error{}}
	b.Config, b.Problems, b.Sources = config.Load(path, config.Options{Vars: vars})
	b.watchConfig(path)
	if !b.Problems.HasErrors() {
		b.readPolicies()
	}
	b.Digest = record.Sum(append(b.Config.Digest[:], digestOf(b.Files)...))
	return b
}

// finish makes of the files what they mean.
func (b *Build) finish(ctx context.Context, d Describer, marker policy.Marker, cache *policy.Cache) {
	if !b.Problems.HasErrors() {
		b.bind(ctx, d)
		b.compile(ctx, marker, cache)
		b.checkQuery()
	}
	b.Problems.Sort()
}

func digestOf(files []policy.File) []byte {
	all := make([]reload.File, len(files))
	for i, f := range files {
		all[i] = reload.File{Path: f.Path, Bytes: f.Bytes}
	}
	d := reload.Digest(all)
	return d[:]
}

func (b *Build) watchConfig(path string) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		path = filepath.Dir(path)
	}
	b.Folders = append(b.Folders, path)
	if resolved, err := filepath.EvalSymlinks(path); err == nil && resolved != path {
		b.Folders = append(b.Folders, resolved)
	}
}

// readPolicies reads the operator's policies and chooses those that come with Regent.
func (b *Build) readPolicies() {
	for _, p := range b.Config.Policies.Paths {
		tree, err := reload.ReadTree(p, ".rego")
		if err != nil {
			b.Problems.Errorf(nil, "Policies not readable", "%v.", err)
			continue
		}
		b.Folders = append(b.Folders, tree.Folders...)
		for _, f := range tree.Files {
			b.Files = append(b.Files, policy.File{Path: f.Path, Bytes: f.Bytes})
		}
	}
	if len(b.Config.Policies.Builtin) == 0 {
		return
	}
	files, err := policies.Files()
	if err != nil {
		b.Problems.Errorf(nil, "Policies not readable", "%v.", err)
		return
	}
	for _, pattern := range b.Config.Policies.Builtin {
		g, err := glob.Compile(pattern)
		if err != nil {
			// Load has checked the patterns.
			continue
		}
		found := false
		for _, f := range files {
			if !g.Match(f.Policy) {
				continue
			}
			found = true
			if !slices.ContainsFunc(b.Files, func(x policy.File) bool { return x.Path == f.Path }) {
				b.Files = append(b.Files, policy.File{Path: f.Path, Bytes: f.Bytes})
			}
		}
		if !found {
			b.Problems.Warnf(nil, "Pattern without policies", "No policy that comes with Regent matches %q. `regent test --builtin --coverage` lists them by path; the policy of compliance/aws/restricted_ssh is compliance.aws.restricted_ssh.", pattern)
		}
	}
}

// bind asks every plugin what it is, once each, and decodes the config blocks.
func (b *Build) bind(ctx context.Context, d Describer) {
	type asked struct {
		describe *pluginv1.DescribeResponse
		err      error
	}
	var mu sync.Mutex
	// A plugin is its binary with its pin and its environment: two plugin blocks may share the first.
	answers := map[string]asked{}
	key := func(path, sum string, env []string) string { return fmt.Sprintf("%q %q %q", path, sum, env) }
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, inst := range b.Config.Instances() {
		path, sum, env := b.Config.PluginBinary(inst.Role, inst.Plugin)
		k := key(path, sum, env)
		mu.Lock()
		_, dup := answers[k]
		if !dup {
			answers[k] = asked{}
		}
		mu.Unlock()
		if dup {
			continue
		}
		g.Go(func() error {
			describe, _, err := d.Describe(gctx, host.DescribeOptions{Path: path, SHA256: sum, Env: env})
			mu.Lock()
			answers[k] = asked{describe, err}
			mu.Unlock()
			return nil
		})
	}
	// The functions return no errors: a plugin that fails is an answer.
	_ = g.Wait()
	for _, inst := range b.Config.Instances() {
		path, sum, env := b.Config.PluginBinary(inst.Role, inst.Plugin)
		a := answers[key(path, sum, env)]
		if a.err != nil {
			b.Broken[inst.ID] = a.err
			where := inst.Where
			var sum *host.SumError
			if p := b.Config.Plugins[inst.Plugin]; p != nil && errors.As(a.err, &sum) {
				where = p.SHA256Where
			}
			b.Problems.Warnf(&where, NotStarted, "%s: %v", inst.ID, a.err)
			continue
		}
		role := pluginv1.Role_ROLE_COLLECTOR
		if inst.Role == "notifier" {
			role = pluginv1.Role_ROLE_NOTIFIER
		}
		if !slices.Contains(a.describe.GetRoles(), role) {
			where := inst.Where
			b.Problems.Errorf(&where, "Plugin has another role", "%s is no %s.", path, inst.Role)
			continue
		}
		problems := b.Config.Bind(inst, a.describe.GetConfig())
		b.Problems = append(b.Problems, problems...)
		if problems.HasErrors() {
			continue
		}
		types, err := typesOf(a.describe)
		if err != nil {
			where := inst.Where
			b.Problems.Errorf(&where, "Invalid plugin declaration", "%s: %v.", path, err)
			continue
		}
		b.Types[inst.ID] = types
		if b.Schemas == nil {
			b.Schemas = map[string][]byte{}
		}
		for _, t := range a.describe.GetResourceTypes() {
			if len(t.GetSchema()) > 0 {
				b.Schemas[t.GetType()] = t.GetSchema()
			}
		}
		where := inst.Where
		cfg := b.Config
		b.Specs = append(b.Specs, host.Spec{
			Instance: inst.ID, Role: role, Plugin: inst.Plugin, Path: path, SHA256: sum, Env: env, Config: inst.Config,
			Interval: inst.Every, StateDir: filepath.Join(b.Config.DataDir, "instances", string(inst.ID)), Where: &where,
			Place: func(path []string) *diag.Range { return cfg.Place(inst, path) },
		})
	}
}

// NotStarted is the summary of the problem that an instance's plugin does not start. It refuses no
// generation: the others go on, and it is tried again.
const NotStarted = "Plugin does not start"

// typesOf turns what a plugin describes into what intake checks.
func typesOf(d *pluginv1.DescribeResponse) (*intake.Types, error) {
	var items []intake.ItemType
	for _, t := range d.GetResourceTypes() {
		items = append(items, intake.ItemType{Type: t.GetType(), Schema: t.GetSchema(), Volatile: t.GetVolatile(), Sensitive: t.GetSensitive()})
	}
	var sources []intake.EventSource
	for _, e := range d.GetEventSources() {
		sources = append(sources, intake.EventSource{Source: e.GetSource(), Schema: e.GetSchema(), Sensitive: e.GetSensitive()})
	}
	return intake.NewTypes(items, sources)
}

// compile compiles the policies, and what else the generation is made of.
func (b *Build) compile(ctx context.Context, marker policy.Marker, cache *policy.Cache) {
	schemas, err := policies.Schemas()
	if err != nil {
		b.Problems.Errorf(nil, "Property facts not readable", "%v.", err)
		return
	}
	for t, s := range b.Schemas {
		schemas[t] = s
	}
	b.Schemas = schemas
	set, problems := policy.Compile(ctx, b.Files, policy.Options{Schemas: schemas, Overrides: Overrides(b.Config), Marker: marker, Cache: cache})
	b.Policies = set
	b.Problems = append(b.Problems, problems...)
	if b.Waivers, err = compliance.NewWaivers(Waivers(b.Config)); err != nil {
		b.Problems.Errorf(nil, "Invalid waiver", "%v.", err)
	}
	var routes []route.Route
	for _, r := range b.Config.Routes {
		routes = append(routes, route.Route{
			Name: r.Name, On: r.On, Severity: r.Match.Severity, Policy: r.Match.Policy, ResourceType: r.Match.ResourceType,
			Account: r.Match.Account, Region: r.Match.Region, Action: r.Match.Action, Labels: r.Match.Labels, GroupBy: r.GroupBy,
			GroupWait: r.GroupWait, GroupInterval: r.GroupInterval, Repeat: r.Repeat, SendResolved: r.SendResolved, Notify: r.Notify,
			WaitForActor: r.WaitForActor, FollowUp: r.FollowUp,
		})
	}
	if b.Routes, err = route.NewTable(routes); err != nil {
		b.Problems.Errorf(nil, "Invalid route", "%v.", err)
	}
	b.channels()
}

// keep is where the last good generation is.
func keep(dataDir string) string { return filepath.Join(dataDir, "last-good.json") }

// kept is the last good generation on disk.
type kept struct {
	Policy  []keptFile        `json:"policy"`
	Config  []keptFile        `json:"config"`
	Schemas map[string]string `json:"schemas"`
}

type keptFile struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// save writes the generation down as the last good one.
func (b *Build) save() error {
	k := kept{Schemas: map[string]string{}}
	for _, f := range b.Files {
		k.Policy = append(k.Policy, keptFile{f.Path, string(f.Bytes)})
	}
	for _, name := range b.Config.Files {
		k.Config = append(k.Config, keptFile{name, string(b.Sources[name])})
	}
	for t, s := range b.Schemas {
		k.Schemas[t] = string(s)
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep generation: %w", err)
	}
	path := keep(b.Config.DataDir)
	tmp := path + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("keep generation: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("keep generation: %w", err)
	}
	return nil
}

// lastGood builds the generation that was kept. problems are those for which the files as they are were
// refused.
func lastGood(ctx context.Context, dataDir string, vars map[string]string, d Describer, marker policy.Marker, cache *policy.Cache) (*Build, error) {
	raw, err := os.ReadFile(keep(dataDir))
	if err != nil {
		return nil, fmt.Errorf("read the last good generation: %w", err)
	}
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil {
		return nil, fmt.Errorf("read the last good generation: %w", err)
	}
	if len(k.Config) == 0 {
		return nil, fmt.Errorf("the last good generation holds no configuration")
	}
	b := &Build{Types: map[record.Instance]*intake.Types{}, Broken: map[record.Instance]error{}, Schemas: map[string][]byte{}}
	sources := config.Sources{}
	for _, f := range k.Config {
		sources[f.Path] = []byte(f.Text)
	}
	b.Config, b.Problems, b.Sources = config.Load(k.Config[0].Path, config.Options{Vars: vars, Files: sources})
	for _, f := range k.Policy {
		b.Files = append(b.Files, policy.File{Path: f.Path, Bytes: []byte(f.Text)})
	}
	for t, s := range k.Schemas {
		b.Schemas[t] = []byte(s)
	}
	if b.Problems.HasErrors() {
		return nil, fmt.Errorf("the last good configuration is not usable any more: %w", b.Problems.Err())
	}
	b.bind(ctx, d)
	b.compile(ctx, marker, cache)
	if err := b.Problems.Err(); err != nil {
		return nil, fmt.Errorf("the last good generation is not usable any more: %w", err)
	}
	return b, nil
}

// names lists instances for a message.
func names(broken map[record.Instance]error) string {
	var out []string
	for inst := range broken {
		out = append(out, string(inst))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
