package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-dev/regent/plugins/collector-host/internal/sudoers"
	"github.com/regent-dev/regent/sdk"
)

// sudoersFile is where sudo begins to read.
const sudoersFile = "/etc/sudoers"

// sudoersConfiguration is the policy as a whole.
type sudoersConfiguration struct {
	Files    []string      `json:"files" doc:"Files that were read, in order."`
	Defaults []sudoDefault `json:"defaults" doc:"Parameters that Defaults lines set, in order."`
	Problems []string      `json:"problems,omitempty" doc:"Lines that cannot be read, with their places."`
}

type sudoDefault struct {
	Scope    string `json:"scope,omitempty" doc:"user, host, runas or command; absent means always."`
	Of       string `json:"of,omitempty" doc:"What it is bound to, as it is written."`
	Name     string `json:"name" doc:"Name of the parameter."`
	Operator string `json:"operator,omitempty" doc:"=, += or -=; absent for a flag."`
	Value    string `json:"value,omitempty" doc:"Value."`
	Negated  bool   `json:"negated" doc:"Whether the flag is switched off."`
	File     string `json:"file" doc:"File it stands in."`
}

// sudoRuleConfiguration is one rule with its aliases expanded.
type sudoRuleConfiguration struct {
	File        string        `json:"file" doc:"File it stands in."`
	Line        int           `json:"line" doc:"First line of it."`
	Text        string        `json:"text" doc:"The rule as it is written, with single spaces."`
	Users       []sudoMember  `json:"users" doc:"Who may, aliases expanded."`
	Hosts       []sudoMember  `json:"hosts" doc:"On which hosts, aliases expanded."`
	Commands    []sudoCommand `json:"commands" doc:"What they may run, aliases expanded."`
	Everyone    bool          `json:"everyone" doc:"Whether it holds for all users."`
	AllCommands bool          `json:"allCommands" doc:"Whether it allows any command."`
	NoPassword  bool          `json:"noPassword" doc:"Whether it allows a command without a password, be it by NOPASSWD or by Defaults !authenticate."`
}

type sudoMember struct {
	Kind    string `json:"kind" doc:"user, uid, group, gid, netgroup, non-unix-group, host, self or all."`
	Name    string `json:"name" doc:"Name without its sigil, or ALL."`
	Negated bool   `json:"negated" doc:"Whether the member is excepted."`
}

type sudoCommand struct {
	Command     string            `json:"command" doc:"Path, folder, pattern, sudoedit, list or ALL."`
	Arguments   string            `json:"arguments,omitempty" doc:"What may follow; absent allows any, two quotes none."`
	Negated     bool              `json:"negated" doc:"Whether the command is excepted."`
	NoPassword  bool              `json:"noPassword" doc:"Whether no password is asked for."`
	RunAsUsers  []sudoMember      `json:"runAsUsers,omitempty" doc:"As which users it may run; absent means root, kind self whoever runs it."`
	RunAsGroups []sudoMember      `json:"runAsGroups,omitempty" doc:"As which groups it may run."`
	Tags        []string          `json:"tags,omitempty" doc:"Tags in force: NOPASSWD, SETENV, NOEXEC…"`
	Digests     []string          `json:"digests,omitempty" doc:"Digests one of which the program must have."`
	Options     map[string]string `json:"options,omitempty" doc:"CWD, CHROOT, TIMEOUT, ROLE, TYPE…"`
}

func sudoersFamily() family {
	return family{
		name: "sudoers", typ: typeSudoers, example: sudoersConfiguration{}, list: listSudoers,
		doc: "The sudo policy as a whole: its files, its Defaults, and the lines that cannot be read.",
	}
}

func sudoRuleFamily() family {
	return family{
		name: "sudo_rule", typ: typeSudoRule, example: sudoRuleConfiguration{}, list: listSudoRules,
		doc:      "One rule of the sudo policy: who may run what as whom, aliases expanded.",
		volatile: []string{"/configuration/line"},
	}
}

func (s *scan) sudoers() (*sudoers.Policy, error) {
	p, err := sudoers.Load(sudoersFile, s.host, s.line("/proc/sys/kernel/hostname"))
	return p, present(err)
}

func listSudoers(_ context.Context, s *scan, emit func(resource) error) error {
	p, err := s.sudoers()
	if len(p.Files) == 0 {
		return err
	}
	c := sudoersConfiguration{Files: p.Files, Defaults: []sudoDefault{}}
	for _, d := range p.Defaults {
		c.Defaults = append(c.Defaults, sudoDefault{
			Scope: d.Scope, Of: d.Of, Name: d.Name, Operator: d.Operator, Value: d.Value, Negated: d.Negated, File: d.File,
		})
	}
	for _, p := range p.Problems {
		c.Problems = append(c.Problems, p.String())
	}
	r := resource{id: sudoersFile, name: "sudoers", configuration: c}
	for _, f := range slices.Compact(slices.Sorted(slices.Values(p.Files))) {
		r.relationships = append(r.relationships, relation(typeFile, f, "Is defined in"))
	}
	if emitErr := emit(r); emitErr != nil {
		return emitErr
	}
	return err
}

func listSudoRules(_ context.Context, s *scan, emit func(resource) error) error {
	p, err := s.sudoers()
	ids := distinct{}
	for i := range p.Rules {
		rule := &p.Rules[i]
		c := sudoRuleConfiguration{
			File: rule.File, Line: rule.Line, Text: rule.Text, Users: members(rule.Users), Hosts: members(rule.Hosts), Commands: []sudoCommand{},
			Everyone: slices.ContainsFunc(rule.Users, func(m sudoers.Member) bool { return m.Kind == sudoers.KindAll && !m.Negated }),
		}
		free := authenticationOff(p, rule)
		for j := range rule.Commands {
			cmd := &rule.Commands[j]
			sc := sudoCommand{
				Command: cmd.Path, Arguments: cmd.Arguments, Negated: cmd.Negated, Digests: cmd.Digests, Options: cmd.Options,
				RunAsUsers: runAs(cmd.RunAsUsers), RunAsGroups: members(cmd.RunAsGroups), Tags: slices.Sorted(slices.Values(cmd.Tags)),
				NoPassword: cmd.Has("NOPASSWD") || free && !cmd.Has("PASSWD"),
			}
			c.Commands = append(c.Commands, sc)
			c.AllCommands = c.AllCommands || cmd.Path == "ALL" && !cmd.Negated
			c.NoPassword = c.NoPassword || sc.NoPassword && !cmd.Negated
		}
		// The text of a rule may change and stay the same rule: it is who it speaks of that names it.
		r := resource{id: ids.id(rule.File + ":" + rule.Who), name: rule.Who, configuration: c}
		r.relationships = append(s.sudoRelations(rule), relation(typeFile, rule.File, "Is defined in"))
		if err := emit(r); err != nil {
			return err
		}
	}
	return err
}

// authenticationOff reports whether Defaults let the rule's users run commands without a password.
// The last that applies counts.
func authenticationOff(p *sudoers.Policy, rule *sudoers.Rule) bool {
	off := false
	for _, d := range p.Defaults {
		if d.Name != "authenticate" {
			continue
		}
		applies := d.Scope == ""
		if d.Scope == "user" {
			who := strings.FieldsFunc(rule.Who, func(r rune) bool { return r == ',' || r == ' ' })
			for of := range strings.SplitSeq(d.Of, ",") {
				of = strings.TrimSpace(of)
				applies = applies || of == "ALL" || slices.Contains(who, of)
			}
		}
		if applies {
			off = d.Negated
		}
	}
	return off
}

// sudoRelations leads from a rule to the accounts it speaks of.
func (s *scan) sudoRelations(rule *sudoers.Rule) []sdk.Relationship {
	a := s.who()
	var out []sdk.Relationship
	add := func(typ, id string) {
		if r := relation(typ, id, "Applies to"); id != "" && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, m := range rule.Users {
		switch m.Kind {
		case sudoers.KindUser:
			add(typeUser, m.Name)
		case sudoers.KindGroup:
			add(typeGroup, m.Name)
		case sudoers.KindUID:
			if n, err := strconv.ParseUint(m.Name, 10, 32); err == nil {
				add(typeUser, a.user[uint32(n)])
			}
		case sudoers.KindGID:
			if n, err := strconv.ParseUint(m.Name, 10, 32); err == nil {
				add(typeGroup, a.group[uint32(n)])
			}
		}
	}
	return out
}

func members(in []sudoers.Member) []sudoMember {
	if in == nil {
		return nil
	}
	out := make([]sudoMember, 0, len(in))
	for _, m := range in {
		out = append(out, sudoMember{Kind: string(m.Kind), Name: m.Name, Negated: m.Negated})
	}
	return out
}

// runAs is members for whom a command runs as: an empty list in parentheses, as in "(:adm)", means
// whoever runs it.
func runAs(in []sudoers.Member) []sudoMember {
	if in != nil && len(in) == 0 {
		return []sudoMember{{Kind: "self", Name: "self"}}
	}
	return members(in)
}
