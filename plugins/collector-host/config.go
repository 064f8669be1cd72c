package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/gobwas/glob"

	"github.com/regent-dev/regent/sdk"
)

// config is the instance's configuration.
type config struct {
	Watch        []string      `config:"watch" default:"[\"/etc\"]" doc:"Folders and files whose files are recorded and whose changes are also activity events. Folders are taken with everything below them."`
	Ignore       []string      `config:"ignore" doc:"Patterns of watched paths to leave out; * stands for any part of a name, ** for any number of folders."`
	MetadataOnly []string      `config:"metadata_only" default:"[\"/var/log/**\"]" doc:"Patterns of files that change all the time: their content and size are not recorded."`
	Include      []string      `config:"include" doc:"Families to record; all where it is left out."`
	Exclude      []string      `config:"exclude" doc:"Families not to record."`
	Root         string        `config:"root" default:"/" format:"path" doc:"Where the machine's file system is mounted. Below another root than / no programs are asked and nothing is watched."`
	MachineID    string        `config:"machine_id" doc:"The account of all resources, instead of /etc/machine-id."`
	MaxFileSize  int64         `config:"max_file_size" default:"67108864" doc:"Files of more bytes are recorded without their SHA-256."`
	MaxFiles     int           `config:"max_files" default:"20000" doc:"How many watched files and folders are recorded at most."`
	Poll         time.Duration `config:"poll" default:"10s" doc:"How often watched files are looked at where the kernel's limits keep them from being watched."`
}

// check finds what is wrong with the configuration, and returns the families it chooses.
func (c *config) check() ([]family, error) {
	var errs []error
	if !path.IsAbs(c.Root) {
		errs = append(errs, sdk.Invalid("root", fmt.Errorf("%q is not an absolute path", c.Root)))
	}
	for i, p := range c.Watch {
		if !path.IsAbs(p) {
			errs = append(errs, sdk.Invalid("watch", fmt.Errorf("%q is not an absolute path", p)))
			continue
		}
		c.Watch[i] = path.Clean(p)
	}
	if c.MaxFileSize < 0 {
		errs = append(errs, sdk.Invalid("max_file_size", errors.New("it is negative")))
	}
	if c.MaxFiles < 1 {
		errs = append(errs, sdk.Invalid("max_files", errors.New("it is below 1")))
	}
	if c.Poll < time.Second {
		errs = append(errs, sdk.Invalid("poll", errors.New("it is below one second")))
	}
	if strings.ContainsAny(c.MachineID, "/ \t\n") {
		errs = append(errs, sdk.Invalid("machine_id", fmt.Errorf("%q holds a slash or a space", c.MachineID)))
	}
	type list struct {
		attribute string
		of        []string
	}
	for _, l := range []list{{"ignore", c.Ignore}, {"metadata_only", c.MetadataOnly}} {
		if _, err := compile(l.of); err != nil {
			errs = append(errs, sdk.Invalid(l.attribute, err))
		}
	}
	all := families()
	for _, l := range []list{{"include", c.Include}, {"exclude", c.Exclude}} {
		for _, n := range l.of {
			if !slices.ContainsFunc(all, func(f family) bool { return f.name == n }) {
				errs = append(errs, sdk.Invalid(l.attribute, unknownFamily(n, all)))
			}
		}
	}
	chosen := slices.DeleteFunc(all, func(f family) bool {
		return len(c.Include) > 0 && !slices.Contains(c.Include, f.name) || slices.Contains(c.Exclude, f.name)
	})
	if len(chosen) == 0 {
		errs = append(errs, sdk.Invalid("exclude", errors.New("no family is left to record")))
	}
	return chosen, errors.Join(errs...)
}

// unknownFamily says what was probably meant, or what there is.
func unknownFamily(name string, all []family) error {
	names := make([]string, 0, len(all))
	best, distance := "", 3
	for _, f := range all {
		names = append(names, f.name)
		if d := levenshtein.Distance(name, f.name, nil); d < distance {
			best, distance = f.name, d
		}
	}
	if best != "" {
		return fmt.Errorf("there is no family %q; did you mean %q?", name, best)
	}
	return fmt.Errorf("there is no family %q; there are %s", name, strings.Join(names, ", "))
}

// patterns are compiled patterns of paths.
type patterns []*glob.Pattern

func compile(in []string) (patterns, error) {
	var out patterns
	compiler := glob.Compiler{Separators: []rune{'/'}, Globstar: true}
	for _, p := range in {
		g, err := compiler.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
		out = append(out, g)
	}
	return out, nil
}

func (p patterns) match(name string) bool {
	return slices.ContainsFunc(p, func(g *glob.Pattern) bool { return g.Match(name) })
}
