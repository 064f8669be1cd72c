package crontab

import (
	"errors"
	"fmt"
	"strings"
)

// Entry is one line that runs something.
type Entry struct {
	Line int
	// Schedule is five fields with single spaces, or a word like "@daily". For anacron it is "@daily",
	// "@weekly", "@monthly" or "every N days".
	Schedule string
	// User is who runs it, "" where the table does not say.
	User    string
	Command string
	// Name is anacron's name of the job.
	Name string
	// Environment is what the table sets before the line.
	Environment map[string]string
}

// Parse reads a cron table. system says that a user stands before the command, as in /etc/crontab
// and cron.d.
func Parse(b []byte, system bool) ([]Entry, error) {
	return parse(b, func(e *Entry, line string) error {
		line = strings.TrimPrefix(line, "-") // cronie: do not log
		n := 5
		if strings.HasPrefix(line, "@") {
			n = 1
		}
		var fields []string
		for range n {
			var f string
			if f, line = cut(line); f == "" {
				return errors.New("the schedule is incomplete")
			}
			if n == 5 && strings.Trim(strings.ToLower(f), "0123456789*,-/~#?abcdefghijklmnopqrstuvwxyz") != "" {
				return fmt.Errorf("%q is no part of a schedule", f)
			}
			fields = append(fields, f)
		}
		e.Schedule = strings.Join(fields, " ")
		if system {
			if e.User, line = cut(line); e.User == "" {
				return errors.New("no user")
			}
		}
		if e.Command = line; line == "" {
			return errors.New("no command")
		}
		return nil
	})
}

// ParseAnacron reads anacrontab(5).
func ParseAnacron(b []byte) ([]Entry, error) {
	return parse(b, func(e *Entry, line string) error {
		period, rest := cut(line)
		delay, rest := cut(rest)
		name, rest := cut(rest)
		if rest == "" || strings.Trim(delay, "0123456789") != "" {
			return errors.New("expected period, delay, name and command")
		}
		switch {
		case strings.HasPrefix(period, "@"):
			e.Schedule = period
		case strings.Trim(period, "0123456789") == "":
			e.Schedule = "every " + period + " days"
		default:
			return fmt.Errorf("%q is no period", period)
		}
		e.Name, e.Command, e.User = name, rest, "root"
		return nil
	})
}

func parse(b []byte, read func(*Entry, string) error) ([]Entry, error) {
	var out []Entry
	var errs []error
	env := map[string]string(nil)
	n, bad := 0, 0
	for raw := range strings.Lines(string(b)) {
		n++
		line := strings.Trim(raw, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if name, value, ok := assignment(line); ok {
			next := make(map[string]string, len(env)+1)
			for k, v := range env {
				next[k] = v
			}
			next[name] = value
			env = next
			continue
		}
		e := Entry{Line: n, Environment: env}
		if err := read(&e, line); err != nil {
			if bad++; bad <= 5 {
				errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			}
			continue
		}
		out = append(out, e)
	}
	return out, errors.Join(errs...)
}

// assignment reads NAME = value, either of which may be quoted.
func assignment(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, "=")
	name = unquote(strings.TrimSpace(name))
	if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" ||
		name[0] >= '0' && name[0] <= '9' {
		return "", "", false
	}
	return name, unquote(strings.TrimSpace(value)), true
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// cut splits off the first word.
func cut(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}
