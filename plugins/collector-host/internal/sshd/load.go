package sshd

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// maxDepth is how deeply files may include each other, as in sshd.
const (
	maxDepth = 16
	maxFiles = 1000
)

// Source is where configuration files are read.
type Source interface {
	ReadFile(name string) ([]byte, error)
	// Glob lists the files that match pattern, sorted.
	Glob(pattern string) ([]string, error)
}

// Setting is one line: a keyword in lower case and its arguments.
type Setting struct {
	Keyword string
	Args    []string
}

// Match is a block of settings that hold for some connections.
type Match struct {
	// Criteria is what stands after Match, with single spaces; those of an outer Match come first.
	Criteria string
	Settings []Setting
}

// Config is what the files say, in order.
type Config struct {
	Settings []Setting
	// All are the settings inside "Match all", which override the others.
	All     []Setting
	Matches []Match
	// Files are the files that were read.
	Files []string
	// Problems name lines that could not be read.
	Problems []string
}

// Load reads the file named main and what it includes. The error says that a file could not be read;
// the configuration then holds what could be.
func Load(main string, src Source) (*Config, error) {
	l := &loader{src: src, dir: path.Dir(main), config: &Config{}}
	err := l.file(main, "", 0)
	return l.config, errors.Join(err, errors.Join(l.errs...))
}

type loader struct {
	src    Source
	dir    string
	config *Config
	errs   []error
}

// file reads one file whose lines hold where outer, the criteria around its Include, do.
func (l *loader) file(name, outer string, depth int) error {
	b, err := l.src.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	l.config.Files = append(l.config.Files, name)
	criteria, n := outer, 0
	for raw := range strings.Lines(string(b)) {
		n++
		words, err := fields(raw)
		if err == nil && len(words) == 1 {
			err = fmt.Errorf("%s has no value", words[0])
		}
		if err != nil {
			l.config.Problems = append(l.config.Problems, fmt.Sprintf("%s:%d: %v", name, n, err))
			continue
		}
		if len(words) == 0 {
			continue
		}
		keyword, args := strings.ToLower(words[0]), words[1:]
		switch keyword {
		case "include":
			l.include(args, criteria, depth)
		case "match":
			criteria = join(outer, args)
			if criteria != everything {
				l.config.Matches = append(l.config.Matches, Match{Criteria: criteria})
			}
		default:
			l.add(criteria, Setting{canonical(keyword), args})
		}
	}
	return nil
}

// everything is the criteria of "Match all".
const everything = "all"

// join adds a Match line's criteria to those around it, to which "all" adds nothing.
func join(outer string, args []string) string {
	inner := strings.Join(args, " ")
	switch {
	case strings.EqualFold(inner, everything):
		if outer == "" {
			return everything
		}
		return outer
	case outer == "" || outer == everything:
		return inner
	}
	return outer + " " + inner
}

func (l *loader) add(criteria string, s Setting) {
	c := l.config
	switch criteria {
	case "":
		c.Settings = append(c.Settings, s)
		return
	case everything:
		c.All = append(c.All, s)
		return
	}
	// An Include inside a Match may have opened blocks of its own since.
	for i := len(c.Matches) - 1; i >= 0; i-- {
		if c.Matches[i].Criteria == criteria {
			c.Matches[i].Settings = append(c.Matches[i].Settings, s)
			return
		}
	}
	c.Matches = append(c.Matches, Match{Criteria: criteria, Settings: []Setting{s}})
}

func (l *loader) include(patterns []string, criteria string, depth int) {
	for _, p := range patterns {
		if !path.IsAbs(p) {
			p = path.Join(l.dir, p)
		}
		if depth >= maxDepth {
			l.config.Problems = append(l.config.Problems, "files include each other too deeply at "+p)
			return
		}
		names, err := l.src.Glob(p)
		if err != nil {
			l.errs = append(l.errs, fmt.Errorf("list %s: %w", p, err))
			continue
		}
		for _, n := range names {
			if len(l.config.Files) >= maxFiles {
				l.config.Problems = append(l.config.Problems, fmt.Sprintf("more than %d files are included", maxFiles))
				return
			}
			if err := l.file(n, criteria, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.errs = append(l.errs, err)
			}
		}
	}
}

// aliases are keywords by the names that sshd still takes for them.
var aliases = map[string]string{
	"challengeresponseauthentication": "kbdinteractiveauthentication",
	"skeyauthentication":              "kbdinteractiveauthentication",
	"pubkeyacceptedkeytypes":          "pubkeyacceptedalgorithms",
	"hostbasedacceptedkeytypes":       "hostbasedacceptedalgorithms",
	"keepalive":                       "tcpkeepalive",
}

func canonical(keyword string) string {
	if c := aliases[keyword]; c != "" {
		return c
	}
	return keyword
}

// fields splits a line into words. The keyword may be followed by "="; words may be quoted; "#"
// begins a comment.
func fields(line string) ([]string, error) {
	var out []string
	rest := strings.Trim(line, " \t\r\n\f")
	for rest != "" && rest[0] != '#' {
		var w string
		if rest[0] == '"' || rest[0] == '\'' {
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			w, rest = rest[1:1+end], rest[end+2:]
		} else {
			stop := " \t"
			if len(out) == 0 {
				stop = " \t="
			}
			end := strings.IndexAny(rest, stop)
			if end < 0 {
				end = len(rest)
			}
			w, rest = rest[:end], rest[end:]
		}
		rest = strings.TrimLeft(rest, " \t")
		if len(out) == 0 {
			if w == "" {
				return nil, errors.New("no keyword")
			}
			if after, ok := strings.CutPrefix(rest, "="); ok {
				rest = strings.TrimLeft(after, " \t")
			}
		}
		out = append(out, w)
	}
	return out, nil
}
