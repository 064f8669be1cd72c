package config

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/diag"
)

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
