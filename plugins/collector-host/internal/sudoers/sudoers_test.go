package sudoers

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// files is a Source; a file whose text is "!" may not be read.
type files map[string]string

func (f files) ReadFile(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if text == "!" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return []byte(text), nil
}

func (f files) Names(dir string) ([]string, error) {
	var out []string
	for name := range f {
		if path.Dir(name) == dir {
			out = append(out, path.Base(name))
		}
	}
	if out == nil {
		return nil, fs.ErrNotExist
	}
	return out, nil
}

func load(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Load("/etc/sudoers", files{"/etc/sudoers": text}, "web1.example.org")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var all = []Member{{Kind: KindAll, Name: "ALL"}}

func TestRules(t *testing.T) {
	t.Parallel()
	root := []Member{{Kind: KindUser, Name: "root"}}
	for _, c := range []struct {
		name, line string
		want       []Rule
	}{
		{"the usual line", "%sudo\tALL=(ALL:ALL) ALL", []Rule{{
			Who: "%sudo", Users: []Member{{Kind: KindGroup, Name: "sudo"}}, Hosts: all,
			Commands: []Command{{Path: "ALL", RunAsUsers: all, RunAsGroups: all}},
		}}},
		{"no password, then one again", "ci ALL = NOPASSWD: /usr/bin/make, PASSWD: /bin/sh", []Rule{{
			Who: "ci", Users: []Member{{Kind: KindUser, Name: "ci"}}, Hosts: all,
			Commands: []Command{{Path: "/usr/bin/make", Tags: []string{"NOPASSWD"}}, {Path: "/bin/sh", Tags: []string{"PASSWD"}}},
		}}},
		{"every kind of member", `#1000, %#27, %:dom\ users, +net, "a b", !bob 10.0.0.0/8, !fe80::1, +hosts = ALL`, []Rule{{
			Who: `#1000, %#27, %:dom\ users, +net, "a b", !bob`,
			Users: []Member{
				{Kind: KindUID, Name: "1000"},
				{Kind: KindGID, Name: "27"},
				{Kind: KindNonUnixGroup, Name: "dom users"},
				{Kind: KindNetgroup, Name: "net"},
				{Kind: KindUser, Name: "a b"},
				{Kind: KindUser, Name: "bob", Negated: true},
			},
			Hosts: []Member{
				{Kind: KindHost, Name: "10.0.0.0/8"},
				{Kind: KindHost, Name: "fe80::1", Negated: true},
				{Kind: KindNetgroup, Name: "hosts"},
			},
			Commands: []Command{{Path: "ALL"}},
		}}},
		{"several hosts", "a web=/bin/a : db = (root) /bin/b", []Rule{
			{Who: "a", Users: []Member{{Kind: KindUser, Name: "a"}}, Hosts: []Member{{Kind: KindHost, Name: "web"}}, Commands: []Command{{Path: "/bin/a"}}},
			{
				Who: "a", Users: []Member{{Kind: KindUser, Name: "a"}}, Hosts: []Member{{Kind: KindHost, Name: "db"}},
				Commands: []Command{{Path: "/bin/b", RunAsUsers: root}},
			},
		}},
		{"arguments, negation, digests", `a ALL=/bin/kill -9 *, !/bin/su\:x, sha256:ab, sha512:cd /bin/x "", sudoedit /etc/a\,b # why`, []Rule{{
			Who: "a", Users: []Member{{Kind: KindUser, Name: "a"}}, Hosts: all,
			Commands: []Command{
				{Path: "/bin/kill", Arguments: "-9 *"},
				{Path: "/bin/su:x", Negated: true},
				{Path: "/bin/x", Arguments: `""`, Digests: []string{"sha256:ab", "sha512:cd"}},
				{Path: "sudoedit", Arguments: "/etc/a,b"},
			},
		}}},
		{"options and patterns", `a ALL=(root) CWD=/srv TIMEOUT=5m SETENV: NOEXEC: ^/bin/(ls|cat)$ ^[a-z,=:]+$, (:adm) /bin/id`, []Rule{{
			Who: "a", Users: []Member{{Kind: KindUser, Name: "a"}}, Hosts: all,
			Commands: []Command{
				{
					Path: "^/bin/(ls|cat)$", Arguments: "^[a-z,=:]+$", RunAsUsers: root, Tags: []string{"SETENV", "NOEXEC"},
					Options: map[string]string{"CWD": "/srv", "TIMEOUT": "5m"},
				},
				{
					Path: "/bin/id", RunAsUsers: []Member{}, RunAsGroups: []Member{{Kind: KindUser, Name: "adm"}},
					Tags: []string{"SETENV", "NOEXEC"}, Options: map[string]string{"CWD": "/srv", "TIMEOUT": "5m"},
				},
			},
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := load(t, c.line+"\n")
			if diff := cmp.Diff(c.want, p.Rules, cmpopts.IgnoreFields(Rule{}, "File", "Line", "Text")); diff != "" {
				t.Error(diff)
			}
			if len(p.Problems) > 0 {
				t.Errorf("problems: %v", p.Problems)
			}
		})
	}
}

func TestAliasesMayComeLaterAndContainEachOther(t *testing.T) {
	t.Parallel()
	p := load(t, `OPS, !dave WEB = (RUN) NOPASSWD: RESTART, !SHELLS
User_Alias OPS = alice, %ops, !NIGHT : NIGHT = bob, !carol
Runas_Alias RUN = www-data, LOOP : LOOP = RUN, LOOP
Host_Alias WEB = web1, web2 : V6 = 2001:db8::1
Cmnd_Alias RESTART = /bin/systemctl restart nginx, RELOAD
Cmd_Alias RELOAD = /bin/systemctl reload nginx
Cmnd_Alias SHELLS = /bin/sh, !/bin/rbash
`)
	run := []Member{{Kind: KindUser, Name: "www-data"}, {Kind: KindUser, Name: "RUN"}, {Kind: KindUser, Name: "LOOP"}}
	tags := []string{"NOPASSWD"}
	want := []Rule{{
		File: "/etc/sudoers", Line: 1, Text: "OPS, !dave WEB = (RUN) NOPASSWD: RESTART, !SHELLS", Who: "OPS, !dave",
		Users: []Member{
			{Kind: KindUser, Name: "alice"},
			{Kind: KindGroup, Name: "ops"},
			{Kind: KindUser, Name: "bob", Negated: true},
			{Kind: KindUser, Name: "carol"},
			{Kind: KindUser, Name: "dave", Negated: true},
		},
		Hosts: []Member{{Kind: KindHost, Name: "web1"}, {Kind: KindHost, Name: "web2"}},
		Commands: []Command{
			{Path: "/bin/systemctl", Arguments: "restart nginx", RunAsUsers: run, Tags: tags},
			{Path: "/bin/systemctl", Arguments: "reload nginx", RunAsUsers: run, Tags: tags},
			{Path: "/bin/sh", Negated: true, RunAsUsers: run, Tags: tags},
			{Path: "/bin/rbash", RunAsUsers: run, Tags: tags},
		},
	}}
	if diff := cmp.Diff(want, p.Rules); diff != "" {
		t.Error(diff)
	}
	if len(p.Problems) > 0 {
		t.Errorf("problems: %v", p.Problems)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	p := load(t, `Defaults	env_reset, !authenticate , secure_path="/usr/sbin:/usr/bin"
Defaults:alice,%ops timestamp_timeout=0
Defaults@web1 log_output
Defaults!/bin/ls env_keep+=A, env_keep -= "B C"
Defaults>root passwd_tries=3 # three
Defaults
Defaultsx = ALL
`)
	want := []Default{
		{Name: "env_reset"},
		{Name: "authenticate", Negated: true},
		{Name: "secure_path", Operator: "=", Value: "/usr/sbin:/usr/bin"},
		{Scope: "user", Of: "alice,%ops", Name: "timestamp_timeout", Operator: "=", Value: "0"},
		{Scope: "host", Of: "web1", Name: "log_output"},
		{Scope: "command", Of: "/bin/ls", Name: "env_keep", Operator: "+=", Value: "A"},
		{Scope: "command", Of: "/bin/ls", Name: "env_keep", Operator: "-=", Value: "B C"},
		{Scope: "runas", Of: "root", Name: "passwd_tries", Operator: "=", Value: "3"},
	}
	if diff := cmp.Diff(want, p.Defaults, cmpopts.IgnoreFields(Default{}, "File", "Line")); diff != "" {
		t.Error(diff)
	}
	if len(p.Problems) != 2 || p.Problems[0].Line != 6 || p.Problems[1].Line != 7 {
		t.Errorf("problems: %v", p.Problems)
	}
}

func TestIncludesAreReadInPlace(t *testing.T) {
	t.Parallel()
	p, err := Load("/etc/sudoers", files{
		"/etc/sudoers": "first ALL=ALL\n@includedir /etc/sudoers.d\n#include extra.%h\n@include /etc/missing\n" +
			"# a comment \\\nlast ALL = /bin/a, \\\n  /bin/b\n#includedir /etc/nothing-here\n#0 ALL=ALL\n",
		"/etc/sudoers.d/20-b":     "b ALL=ALL\n",
		"/etc/sudoers.d/10-a":     "a ALL=ALL\nbroken\n",
		"/etc/sudoers.d/old.bak":  "bak ALL=ALL\n",
		"/etc/sudoers.d/x~":       "tilde ALL=ALL\n",
		"/etc/sudoers.d/30-hides": "!",
		"/etc/extra.web1":         "h ALL=ALL\n@include /etc/sudoers\n",
	}, "web1.example.org")
	if !errors.Is(err, fs.ErrPermission) || strings.Count(err.Error(), "30-hides") == 0 {
		t.Errorf("error %v does not name the file that may not be read", err)
	}
	var who []string
	for _, r := range p.Rules[:4] {
		who = append(who, r.Who)
	}
	if diff := cmp.Diff([]string{"first", "a", "b", "h"}, who); diff != "" {
		t.Error(diff)
	}
	last := p.Rules[len(p.Rules)-2]
	if last.Who != "last" || last.Line != 6 || len(last.Commands) != 2 || p.Rules[len(p.Rules)-1].Users[0].Kind != KindUID {
		t.Errorf("the continued rule and the numbered user: %+v", p.Rules[len(p.Rules)-2:])
	}
	if i := slices.IndexFunc(p.Problems, func(p Problem) bool {
		return p.String() == `/etc/sudoers.d/10-a:2: a list ends in nothing`
	}); i < 0 {
		t.Errorf("problems do not hold the broken line: %v", p.Problems[:3])
	}
	for _, want := range []string{"too deeply", "/etc/missing"} {
		if !slices.ContainsFunc(p.Problems, func(p Problem) bool { return strings.Contains(p.Reason, want) }) {
			t.Errorf("no problem says %q", want)
		}
	}
	if len(p.Files) > maxFiles {
		t.Errorf("%d files were read", len(p.Files))
	}
}

func TestAliasesThatGrowAreCut(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("a ALL = A0\n")
	for i := range 20 {
		n := string(rune('A' + i + 1))
		b.WriteString("Cmnd_Alias " + string(rune('A'+i)) + "0 = " + n + "0, " + n + "0, " + n + "0\n")
	}
	b.WriteString("Cmnd_Alias U0 = /bin/true\n")
	p := load(t, b.String())
	if n := len(p.Rules[0].Commands); n > maxExpanded || len(p.Problems) == 0 {
		t.Errorf("%d commands, problems %v", n, p.Problems)
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		"%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n", "Defaults:a !x, y=\"z\"\n", "User_Alias A = b, !c : D = A\nA ALL=ALL\n",
		"@include x\n#includedir y\n", "a ALL = sha256:x !/bin/a \\\n b, ^x$ ^y$\n", `"\`, "a b=(:) c", "%: = :", "a fe80::1 : = b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Load("/etc/sudoers", files{"/etc/sudoers": text}, "h")
		if err != nil && text != "!" {
			t.Fatal(err)
		}
		for _, r := range p.Rules {
			if len(r.Users) == 0 && len(p.Problems) == 0 && r.Who == "" || r.File == "" || r.Line == 0 {
				t.Errorf("%q gives %+v", text, r)
			}
			for _, c := range r.Commands {
				if c.Path == "" {
					t.Errorf("%q gives a command without a path", text)
				}
			}
		}
	})
}
