package sudoers

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	// maxFiles and maxDepth bound includes; sudo itself stops at a depth of 128.
	maxFiles = 1000
	maxDepth = 128
	// maxExpanded bounds what aliases of aliases may grow to in one rule.
	maxExpanded = 10000
)

// Source is where sudoers files are read.
type Source interface {
	ReadFile(name string) ([]byte, error)
	// Names lists a folder.
	Names(name string) ([]string, error)
}

// Load reads the file named main and what it includes. hostname replaces %h in names of included
// files. The error says that a file could not be read; the policy then holds what could be.
func Load(main string, src Source, hostname string) (*Policy, error) {
	short, _, _ := strings.Cut(hostname, ".")
	l := &loader{src: src, host: short, dir: path.Dir(main), policy: &Policy{}, aliases: map[aliasKey]alias{}}
	err := l.file(main, 0)
	l.expand()
	return l.policy, errors.Join(err, errors.Join(l.errs...))
}

type aliasKey struct {
	// kind is User_Alias, Runas_Alias, Host_Alias or Cmnd_Alias: each has names of its own.
	kind, name string
}

type alias struct {
	members  []Member
	commands []Command
}

type loader struct {
	src     Source
	host    string
	dir     string
	policy  *Policy
	aliases map[aliasKey]alias
	errs    []error
}

func (l *loader) file(name string, depth int) error {
	b, err := l.src.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	l.policy.Files = append(l.policy.Files, name)
	for _, line := range logicalLines(string(b)) {
		if err := l.line(name, line, depth); err != nil {
			l.policy.Problems = append(l.policy.Problems, Problem{name, line.number, err.Error()})
		}
	}
	return nil
}

func (l *loader) line(file string, line logicalLine, depth int) error {
	s := &scanner{text: line.text}
	s.space()
	if s.done() {
		return nil
	}
	if word, dir, ok := s.include(); ok {
		return l.include(word, dir, depth)
	}
	if s.done() || s.comment() {
		return nil
	}
	if scope, ok := s.defaults(); ok {
		ds, err := s.parameters(scope)
		for i := range ds {
			ds[i].File, ds[i].Line = file, line.number
		}
		l.policy.Defaults = append(l.policy.Defaults, ds...)
		return err
	}
	if kind, ok := s.aliasKeyword(); ok {
		return s.aliasDefinitions(kind, l.aliases)
	}
	rules, err := s.rules()
	for i := range rules {
		rules[i].File, rules[i].Line = file, line.number
		rules[i].Text = strings.Join(strings.Fields(line.text), " ")
	}
	l.policy.Rules = append(l.policy.Rules, rules...)
	return err
}

func (l *loader) include(name string, dir bool, depth int) error {
	name = strings.ReplaceAll(name, "%h", l.host)
	if !path.IsAbs(name) {
		name = path.Join(l.dir, name)
	}
	if depth >= maxDepth {
		return errors.New("files include each other too deeply")
	}
	files := []string{name}
	if dir {
		names, err := l.src.Names(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // sudo passes over a folder that is not there
		}
		if err != nil {
			l.errs = append(l.errs, fmt.Errorf("list %s: %w", name, err))
			return nil
		}
		slices.Sort(names)
		files = nil
		for _, n := range names {
			// sudo skips these: editors and package managers leave such files behind.
			if !strings.Contains(n, ".") && !strings.HasSuffix(n, "~") {
				files = append(files, path.Join(name, n))
			}
		}
	}
	for _, f := range files {
		if len(l.policy.Files) >= maxFiles {
			return fmt.Errorf("more than %d files are included", maxFiles)
		}
		err := l.file(f, depth+1)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return err
		case err != nil:
			l.errs = append(l.errs, err)
		}
	}
	return nil
}

// expand replaces aliases by what they stand for. Names that are not defined stay, as sudo treats
// them as names that match nothing or, for users and hosts, as themselves.
func (l *loader) expand() {
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		r.Users = l.members("User_Alias", r.Users)
		r.Hosts = l.members("Host_Alias", r.Hosts)
		e := &expansion{aliases: l.aliases, kind: "Cmnd_Alias", open: map[string]bool{}}
		e.addCommands(r.Commands, false)
		r.Commands = e.commands
		for j := range r.Commands {
			c := &r.Commands[j]
			c.RunAsUsers = l.members("Runas_Alias", c.RunAsUsers)
			c.RunAsGroups = l.members("Runas_Alias", c.RunAsGroups)
		}
		if e.cut {
			l.policy.Problems = append(l.policy.Problems, Problem{r.File, r.Line, "the aliases expand to too many commands; the rest is left out"})
		}
	}
}

func (l *loader) members(kind string, in []Member) []Member {
	if in == nil {
		return nil
	}
	e := &expansion{aliases: l.aliases, kind: kind, open: map[string]bool{}, members: []Member{}}
	e.addMembers(in, false)
	return e.members
}

// expansion is one list being expanded; open holds the aliases around the current one, so that an
// alias that contains itself ends.
type expansion struct {
	aliases  map[aliasKey]alias
	kind     string
	open     map[string]bool
	members  []Member
	commands []Command
	cut      bool
}

func (e *expansion) enter(name string) (alias, bool) {
	a, ok := e.aliases[aliasKey{e.kind, name}]
	if !ok || e.open[name] {
		return alias{}, false
	}
	e.open[name] = true
	return a, true
}

func (e *expansion) addMembers(in []Member, negate bool) {
	for _, m := range in {
		if len(e.members) >= maxExpanded {
			e.cut = true
			return
		}
		m.Negated = m.Negated != negate
		if m.Kind == KindUser || m.Kind == KindHost {
			if a, ok := e.enter(m.Name); ok {
				e.addMembers(a.members, m.Negated)
				delete(e.open, m.Name)
				continue
			}
		}
		e.members = append(e.members, m)
	}
}

func (e *expansion) addCommands(in []Command, negate bool) {
	for _, c := range in {
		if len(e.commands) >= maxExpanded {
			e.cut = true
			return
		}
		c.Negated = c.Negated != negate
		a, ok := e.enter(c.Path)
		if !ok || c.Arguments != "" {
			delete(e.open, c.Path)
			e.commands = append(e.commands, c)
			continue
		}
		inner := make([]Command, len(a.commands))
		for i, m := range a.commands {
			// An alias's members hold path, arguments and digests; who and how come from the rule.
			m.RunAsUsers, m.RunAsGroups, m.Tags, m.Options = c.RunAsUsers, c.RunAsGroups, c.Tags, c.Options
			inner[i] = m
		}
		e.addCommands(inner, c.Negated)
		delete(e.open, c.Path)
	}
}
