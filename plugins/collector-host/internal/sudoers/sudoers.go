package sudoers

import "fmt"

// Kind says what a member of a list stands for.
type Kind string

// The kinds of member.
const (
	KindUser         Kind = "user"
	KindUID          Kind = "uid"
	KindGroup        Kind = "group"
	KindGID          Kind = "gid"
	KindNetgroup     Kind = "netgroup"
	KindNonUnixGroup Kind = "non-unix-group"
	KindHost         Kind = "host"
	KindAll          Kind = "all"
)

// Member is one element of a list of users, groups or hosts. Name is without its sigil; for KindAll
// it is "ALL".
type Member struct {
	Kind    Kind
	Name    string
	Negated bool
}

// Command is one command of a rule with what applies to it.
type Command struct {
	// Path is an absolute path, a folder ending in a slash, a regular expression, "ALL", "list",
	// "sudoedit", or the name of an alias that is not defined.
	Path string
	// Arguments is what may follow, as it is written; "" allows any and `""` none.
	Arguments string
	Negated   bool
	Digests   []string
	// RunAs is nil where the rule names nobody: root, then.
	RunAsUsers, RunAsGroups []Member
	// Tags are the tags in force, in upper case: NOPASSWD, SETENV, NOEXEC…
	Tags []string
	// Options are CWD, CHROOT, TIMEOUT, ROLE, TYPE, NOTBEFORE, NOTAFTER…
	Options map[string]string
}

// Has reports whether tag is in force for the command.
func (c *Command) Has(tag string) bool {
	for _, t := range c.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

// Rule is what one list of users may run on one list of hosts.
type Rule struct {
	File string
	Line int
	// Text is the rule's logical line with single spaces.
	Text string
	// Who is the list of users as it is written, aliases not expanded.
	Who      string
	Users    []Member
	Hosts    []Member
	Commands []Command
}

// Default is one parameter of a Defaults line.
type Default struct {
	File string
	Line int
	// Scope is "", "user", "host", "runas" or "command"; Of is what it is bound to, as written.
	Scope, Of string
	Name      string
	// Operator is "=", "+=", "-=", or "" for a flag.
	Operator string
	Value    string
	Negated  bool
}

// Problem is a line that could not be read.
type Problem struct {
	File   string
	Line   int
	Reason string
}

// String returns the problem as "file:line: reason".
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Reason) }

// Policy is everything a sudoers file says.
type Policy struct {
	Rules    []Rule
	Defaults []Default
	// Files are the files that were read, in order.
	Files    []string
	Problems []Problem
}
