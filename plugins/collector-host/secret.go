package main

import (
	"regexp"
	"strings"
)

// hidden stands for what looked like a secret.
const hidden = "***"

// secretName matches names of options and variables whose values are secrets.
var secretName = regexp.MustCompile(`(?i)(pass(wd|word|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|auth[-_]?key)s?$`)

var (
	// assigned is NAME=value or NAME: value inside a longer text.
	assigned = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:pass(?:wd|word|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|auth[-_]?key)s?)([=:])("[^"]*"|'[^']*'|[^\s,;&]+)`)
	// spaced is --name value.
	spaced = regexp.MustCompile(`(?i)(\s--?[a-z0-9_.-]*(?:pass(?:wd|word|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|auth[-_]?key)s?\s+)("[^"]*"|'[^']*'|[^\s-][^\s]*)`)
	// inURL is the password in user:password@host.
	inURL = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:)([^/\s@]+)(@)`)
	// bearer is a header's value.
	bearer = regexp.MustCompile(`(?i)(authorization:\s*(?:bearer|basic|token)\s+)([^\s"']+)`)
)

// hideSecrets replaces what looks like a secret in a command line or an option: the values of names
// such as password and token, passwords in URLs, and authorization headers. Command lines are often
// world-readable, but what is recorded is kept, sent on and shown.
func hideSecrets(s string) string {
	s = inURL.ReplaceAllString(s, "${1}"+hidden+"${3}")
	s = bearer.ReplaceAllString(s, "${1}"+hidden)
	s = assigned.ReplaceAllStringFunc(s, func(m string) string {
		sub := assigned.FindStringSubmatch(m)
		if filePath(sub[3]) {
			return m
		}
		return sub[1] + sub[2] + hidden
	})
	return spaced.ReplaceAllStringFunc(s, func(m string) string {
		sub := spaced.FindStringSubmatch(m)
		if filePath(sub[2]) {
			return m
		}
		return sub[1] + hidden
	})
}

// filePath reports whether a value only says where a secret lies: --password-file and its like are
// not matched by name, but --token /run/token is.
func filePath(s string) bool { return strings.HasPrefix(strings.Trim(s, `"'`), "/") }

// hideArguments does it for a program's arguments, where an option and its value may stand apart.
func hideArguments(in []string) []string {
	out := make([]string, 0, len(in))
	next := false
	for _, a := range in {
		if next && !strings.HasPrefix(a, "-") && !filePath(a) {
			out, next = append(out, hidden), false
			continue
		}
		next = strings.HasPrefix(a, "-") && secretName.MatchString(a)
		out = append(out, hideSecrets(a))
	}
	return out
}

func hideEach(in []string) []string {
	if in == nil {
		return nil
	}
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, hideSecrets(s))
	}
	return out
}
