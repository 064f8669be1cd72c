package sudoers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// opposites maps each tag to the one it takes out of force.
var opposites = map[string]string{
	"PASSWD": "NOPASSWD", "NOPASSWD": "PASSWD", "EXEC": "NOEXEC", "NOEXEC": "EXEC",
	"SETENV": "NOSETENV", "NOSETENV": "SETENV", "LOG_INPUT": "NOLOG_INPUT", "NOLOG_INPUT": "LOG_INPUT",
	"LOG_OUTPUT": "NOLOG_OUTPUT", "NOLOG_OUTPUT": "LOG_OUTPUT", "MAIL": "NOMAIL", "NOMAIL": "MAIL",
	"FOLLOW": "NOFOLLOW", "NOFOLLOW": "FOLLOW", "INTERCEPT": "NOINTERCEPT", "NOINTERCEPT": "INTERCEPT",
}

var options = []string{
	"ROLE", "TYPE", "PRIVS", "LIMITPRIVS", "APPARMOR_PROFILE", "CWD", "CHROOT", "TIMEOUT", "NOTBEFORE", "NOTAFTER",
}

var digests = []string{"sha224:", "sha256:", "sha384:", "sha512:"}

// commands reads a comma-separated list of commands. Who a command runs as, its tags and its options
// hold for those after it too.
func (s *scanner) commands() ([]Command, error) {
	var out []Command
	var in Command // what is in force
	for {
		s.space()
		if !s.done() && s.text[s.pos] == '(' {
			users, groups, err := s.runAs()
			if err != nil {
				return nil, err
			}
			in.RunAsUsers, in.RunAsGroups = users, groups
		}
		if err := s.prefixes(&in); err != nil {
			return nil, err
		}
		c := in
		c.Tags, c.Options = slices.Clone(in.Tags), maps.Clone(in.Options)
		if err := s.command(&c); err != nil {
			return nil, err
		}
		out = append(out, c)
		if !s.take(',') {
			return out, nil
		}
	}
}

// runAs reads "(users : groups)", either part of which may be left out.
func (s *scanner) runAs() (users, groups []Member, err error) {
	s.pos++
	users = []Member{}
	s.space()
	if !s.done() && s.text[s.pos] != ':' && s.text[s.pos] != ')' {
		if users, err = s.members(false); err != nil {
			return nil, nil, err
		}
	}
	if s.take(':') {
		s.space()
		if !s.done() && s.text[s.pos] != ')' {
			if groups, err = s.members(false); err != nil {
				return nil, nil, err
			}
		}
	}
	if !s.take(')') {
		return nil, nil, fmt.Errorf("expected ) at %q", brief(s.rest()))
	}
	return users, groups, nil
}

// prefixes reads options and tags.
func (s *scanner) prefixes(in *Command) error {
	for {
		s.space()
		end := s.pos
		for end < len(s.text) && (s.text[end] == '_' || s.text[end] >= 'A' && s.text[end] <= 'Z') {
			end++
		}
		word := s.text[s.pos:end]
		after := &scanner{text: s.text, pos: end}
		switch {
		case opposites[word] != "" && after.take(':'):
			s.pos = after.pos
			in.Tags = slices.DeleteFunc(slices.Clone(in.Tags), func(t string) bool { return t == opposites[word] || t == word })
			in.Tags = append(in.Tags, word)
		case slices.Contains(options, word) && after.take('='):
			after.space()
			v, err := after.word(" \t,:")
			if err != nil {
				return err
			}
			s.pos = after.pos
			in.Options = maps.Clone(in.Options)
			if in.Options == nil {
				in.Options = map[string]string{}
			}
			in.Options[word] = v
		default:
			return nil
		}
	}
}

// command reads digests, negation, the command and its arguments.
func (s *scanner) command(c *Command) error {
	for {
		s.space()
		i := slices.IndexFunc(digests, func(d string) bool { return strings.HasPrefix(s.rest(), d) })
		if i < 0 {
			break
		}
		start := s.pos
		s.pos += len(digests[i])
		if _, err := s.word(" \t,"); err != nil {
			return err
		}
		c.Digests = append(slices.Clone(c.Digests), s.text[start:s.pos])
		s.take(',')
	}
	for s.take('!') {
		c.Negated = !c.Negated
	}
	s.space()
	start := s.pos
	if strings.HasPrefix(s.rest(), "^") {
		c.Path = s.pattern()
	} else {
		w, err := s.word(" \t,:=#")
		if err != nil {
			return err
		}
		c.Path = w
	}
	if c.Path == "" {
		return fmt.Errorf("expected a command at %q", brief(s.text[start:]))
	}
	s.space()
	if strings.HasPrefix(s.rest(), "^") {
		c.Arguments = s.pattern()
		return nil
	}
	c.Arguments = s.arguments()
	return nil
}

// pattern reads a regular expression, from ^ to the $ that ends it.
func (s *scanner) pattern() string {
	start := s.pos
	for s.pos++; !s.done(); s.pos++ {
		if s.text[s.pos] == '\\' && s.pos+1 < len(s.text) {
			s.pos++
			continue
		}
		if s.text[s.pos] == '$' && (s.pos+1 == len(s.text) || strings.IndexByte(" \t,:=#", s.text[s.pos+1]) >= 0) {
			s.pos++
			break
		}
	}
	return s.text[start:s.pos]
}

// arguments reads up to an unescaped separator. Quotes mean nothing here, except that `""` alone
// allows no arguments.
func (s *scanner) arguments() string {
	var out strings.Builder
	for !s.done() {
		c := s.text[s.pos]
		if c == '\\' && s.pos+1 < len(s.text) {
			if next := s.text[s.pos+1]; strings.IndexByte(",:=\\# \t", next) >= 0 {
				out.WriteByte(next)
			} else {
				out.WriteString(s.text[s.pos : s.pos+2])
			}
			s.pos += 2
			continue
		}
		if strings.IndexByte(",:=#", c) >= 0 {
			break
		}
		out.WriteByte(c)
		s.pos++
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
