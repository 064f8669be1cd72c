package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/regent-dev/regent/core/record"
)

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
