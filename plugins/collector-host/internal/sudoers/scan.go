package sudoers

import (
	"fmt"
	"slices"
	"strings"
)

type logicalLine struct {
	number int
	text   string
}

// logicalLines joins lines that end in a backslash. A comment does not continue.
func logicalLines(text string) []logicalLine {
	var out []logicalLine
	var open bool
	n := 0
	for raw := range strings.Lines(text) {
		n++
		line := strings.TrimRight(raw, "\r\n")
		if !open {
			out = append(out, logicalLine{number: n})
		}
		cur := &out[len(out)-1]
		trimmed := strings.TrimLeft(line, " \t")
		comment := !open && strings.HasPrefix(trimmed, "#") && !directive(trimmed)
		open = !comment && strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, `\\`)
		if open {
			line = line[:len(line)-1] + " "
		}
		cur.text += line
	}
	return out
}

// directive reports whether a line that begins with # is an include or names a user by number.
func directive(s string) bool {
	return strings.HasPrefix(s, "#include") || len(s) > 1 && (s[1] >= '0' && s[1] <= '9' || s[1] == '-')
}

// scanner reads one logical line.
type scanner struct {
	text string
	pos  int
}

func (s *scanner) rest() string { return s.text[s.pos:] }
func (s *scanner) done() bool   { return s.pos >= len(s.text) }

func (s *scanner) space() {
	for !s.done() && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

// take skips c, and spaces before it, if it comes next.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.done() || s.text[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// comment reports whether the rest of the line is a comment or empty. "#" before a digit names a
// user by number.
func (s *scanner) comment() bool {
	s.space()
	return s.done() || s.text[s.pos] == '#' && !directive(s.rest())
}

// word reads up to an unquoted byte of stop, with quotes and backslashes resolved.
func (s *scanner) word(stop string) (string, error) {
	var out strings.Builder
	for !s.done() {
		c := s.text[s.pos]
		switch {
		case c == '\\' && s.pos+1 < len(s.text):
			out.WriteByte(s.text[s.pos+1])
			s.pos += 2
		case c == '"':
			end := strings.IndexByte(s.text[s.pos+1:], '"')
			if end < 0 {
				return "", fmt.Errorf("a quote is not closed")
			}
			out.WriteString(s.text[s.pos+1 : s.pos+1+end])
			s.pos += end + 2
		case strings.IndexByte(stop, c) >= 0:
			return out.String(), nil
		default:
			out.WriteByte(c)
			s.pos++
		}
	}
	return out.String(), nil
}

// include reads "@include x", "#includedir x" and the like.
func (s *scanner) include() (name string, dir, ok bool) {
	rest := s.rest()
	if rest[0] != '@' && rest[0] != '#' {
		return "", false, false
	}
	for _, w := range []struct {
		word string
		dir  bool
	}{{"includedir", true}, {"include", false}} {
		after, found := strings.CutPrefix(rest[1:], w.word)
		if !found || after == "" || after[0] != ' ' && after[0] != '\t' {
			continue
		}
		s.pos = len(s.text) - len(after)
		s.space()
		name, err := s.word(" \t")
		return name, w.dir, err == nil && name != ""
	}
	return "", false, false
}

var scopes = map[byte]string{':': "user", '@': "host", '>': "runas", '!': "command"}

// defaults reads the keyword Defaults with what it is bound to.
func (s *scanner) defaults() (Default, bool) {
	after, ok := strings.CutPrefix(s.rest(), "Defaults")
	if !ok || after == "" {
		return Default{}, false
	}
	scope := scopes[after[0]]
	if scope == "" && after[0] != ' ' && after[0] != '\t' {
		return Default{}, false
	}
	s.pos = len(s.text) - len(after)
	d := Default{Scope: scope}
	if scope != "" {
		s.pos++
		s.space()
		start := s.pos
		for {
			s.space()
			if _, err := s.word(" \t,"); err != nil {
				break
			}
			end := s.pos
			if !s.take(',') {
				s.pos = end
				break
			}
		}
		d.Of = strings.TrimSpace(s.text[start:s.pos])
	}
	return d, true
}

// parameters reads the comma-separated parameters of a Defaults line.
func (s *scanner) parameters(scope Default) ([]Default, error) {
	var out []Default
	for {
		if s.comment() {
			if len(out) == 0 {
				return nil, fmt.Errorf("no parameter after Defaults")
			}
			return out, nil
		}
		d := scope
		for s.take('!') {
			d.Negated = !d.Negated
		}
		s.space()
		start := s.pos
		for !s.done() && strings.IndexByte(" \t,=+-!\"#", s.text[s.pos]) < 0 {
			s.pos++
		}
		d.Name = s.text[start:s.pos]
		if d.Name == "" {
			return out, fmt.Errorf("expected a parameter's name at %q", brief(s.rest()))
		}
		s.space()
		for _, op := range []string{"+=", "-=", "="} {
			if strings.HasPrefix(s.rest(), op) {
				d.Operator = op
				s.pos += len(op)
				s.space()
				v, err := s.word(" \t,")
				if err != nil {
					return out, err
				}
				d.Value = v
				break
			}
		}
		out = append(out, d)
		if !s.take(',') && !s.comment() {
			return out, fmt.Errorf("expected a comma at %q", brief(s.rest()))
		}
	}
}

// aliasKeyword reads User_Alias and its like.
func (s *scanner) aliasKeyword() (string, bool) {
	for word, kind := range map[string]string{
		"User_Alias": "User_Alias", "Runas_Alias": "Runas_Alias", "Host_Alias": "Host_Alias",
		"Cmnd_Alias": "Cmnd_Alias", "Cmd_Alias": "Cmnd_Alias",
	} {
		after, ok := strings.CutPrefix(s.rest(), word)
		if ok && after != "" && (after[0] == ' ' || after[0] == '\t') {
			s.pos = len(s.text) - len(after)
			return kind, true
		}
	}
	return "", false
}

func (s *scanner) aliasDefinitions(kind string, into map[aliasKey]alias) error {
	for {
		s.space()
		start := s.pos
		for !s.done() && (s.text[s.pos] == '_' || s.text[s.pos] >= 'A' && s.text[s.pos] <= 'Z' || s.text[s.pos] >= '0' && s.text[s.pos] <= '9') {
			s.pos++
		}
		name := s.text[start:s.pos]
		if name == "" || !s.take('=') {
			return fmt.Errorf("expected NAME = at %q", brief(s.text[start:]))
		}
		var a alias
		var err error
		if kind == "Cmnd_Alias" {
			a.commands, err = s.commands()
		} else {
			a.members, err = s.members(kind == "Host_Alias")
		}
		if err != nil {
			return fmt.Errorf("alias %s: %w", name, err)
		}
		if _, twice := into[aliasKey{kind, name}]; twice {
			return fmt.Errorf("alias %s is defined twice; the first counts", name)
		}
		into[aliasKey{kind, name}] = a
		if s.take(':') {
			continue
		}
		if !s.comment() {
			return fmt.Errorf("expected a colon or the end at %q", brief(s.rest()))
		}
		return nil
	}
}

// members reads a comma-separated list of users, groups or hosts.
func (s *scanner) members(hosts bool) ([]Member, error) {
	var out []Member
	for {
		m := Member{}
		for s.take('!') {
			m.Negated = !m.Negated
		}
		s.space()
		if s.done() {
			return nil, fmt.Errorf("a list ends in nothing")
		}
		start := s.pos
		stop := " \t,=:()"
		if hosts {
			stop = " \t,=()" // an IPv6 address holds colons
		}
		if s.text[s.pos] == '%' && strings.HasPrefix(s.rest()[1:], ":") {
			s.pos += 2 // %:nonunix_group
		}
		w, err := s.word(stop)
		if err != nil {
			return nil, err
		}
		if hosts {
			w = s.hostEnd(w)
		}
		if strings.HasPrefix(s.text[start:], "%:") {
			w = "%:" + w
		}
		m.Kind, m.Name = classify(w, hosts)
		if m.Name == "" {
			return nil, fmt.Errorf("expected a name at %q", brief(s.text[start:]))
		}
		out = append(out, m)
		if !s.take(',') {
			return out, nil
		}
	}
}

// hostEnd gives back the colon that ends a host list's last element, which word took for part of an
// IPv6 address: "host:" ends a definition, "fe80::1" does not.
func (s *scanner) hostEnd(w string) string {
	if strings.Count(w, ":") == 1 || strings.Count(w, ":") > 1 && strings.Trim(w, "0123456789abcdefABCDEF:./") != "" {
		i := strings.IndexByte(w, ':')
		s.pos -= len(w) - i
		return w[:i]
	}
	return w
}

func classify(w string, host bool) (Kind, string) {
	switch {
	case w == "ALL":
		return KindAll, w
	case strings.HasPrefix(w, "+"):
		return KindNetgroup, w[1:]
	case host:
		return KindHost, w
	case strings.HasPrefix(w, "%:"):
		return KindNonUnixGroup, w[2:]
	case strings.HasPrefix(w, "%#"):
		return KindGID, w[2:]
	case strings.HasPrefix(w, "%"):
		return KindGroup, w[1:]
	case strings.HasPrefix(w, "#"):
		return KindUID, w[1:]
	}
	return KindUser, w
}

// rules reads "users hosts = commands : hosts = commands".
func (s *scanner) rules() ([]Rule, error) {
	start := s.pos
	users, err := s.members(false)
	if err != nil {
		return nil, err
	}
	who := strings.Join(strings.Fields(s.text[start:s.pos]), " ")
	var out []Rule
	for {
		hosts, err := s.members(true)
		if err != nil {
			return out, err
		}
		if !s.take('=') {
			return out, fmt.Errorf("expected = at %q", brief(s.rest()))
		}
		commands, err := s.commands()
		if err != nil {
			return out, err
		}
		out = append(out, Rule{Who: who, Users: slices.Clone(users), Hosts: hosts, Commands: commands})
		if s.take(':') {
			continue
		}
		if !s.comment() {
			return out, fmt.Errorf("expected a colon or the end at %q", brief(s.rest()))
		}
		return out, nil
	}
}

func brief(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
