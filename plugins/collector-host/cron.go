package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/regent-dev/regent/plugins/collector-host/internal/crontab"
	"github.com/regent-dev/regent/sdk"
)

// cronConfiguration is one thing that cron runs.
type cronConfiguration struct {
	Kind        string            `json:"kind" doc:"system: a table of the system; user: a user's own table; script: a script that run-parts runs; anacron."`
	File        string            `json:"file" doc:"File it stands in."`
	Line        int               `json:"line,omitempty" doc:"Line it stands in."`
	Schedule    string            `json:"schedule" doc:"Five fields, a word such as @daily, or every N days."`
	UserName    string            `json:"userName,omitempty" doc:"User it runs as."`
	Command     string            `json:"command" doc:"What is run; what looks like a secret is hidden."`
	Environment map[string]string `json:"environment,omitempty" doc:"PATH, SHELL, HOME and MAILTO, where the table sets them."`
	Ignored     bool              `json:"ignored" doc:"Whether cron passes over the file because of its name, as Debian's does where it holds a dot."`
}

func cronFamily() family {
	return family{
		name: "cron", typ: typeCron, example: cronConfiguration{}, list: listCron,
		doc:      "An entry of a cron table, a script of cron.daily and its like, or a job of anacron.",
		volatile: []string{"/configuration/line"},
	}
}

func listCron(_ context.Context, s *scan, emit func(resource) error) error {
	c := &cronList{scan: s, emit: emit, ids: distinct{}}
	// run-parts and Debian's cron take files whose names have no dot; other crons are less strict.
	c.strict = s.tree.Exists(dpkgStatus)
	steps := []func() error{
		func() error { return c.table("/etc/crontab", "system", "", true) },
		func() error {
			return c.folder("/etc/cron.d", func(f string) error { return c.table(f, "system", "", true) })
		},
		// Debian's, Red Hat's and Alpine's places for users' tables; the file's name is the user's.
		func() error { return c.userTables("/var/spool/cron/crontabs") },
		func() error { return c.userTables("/var/spool/cron") },
		func() error { return c.userTables("/etc/crontabs") },
		func() error { return c.table("/etc/anacrontab", "anacron", "", false) },
	}
	for _, p := range []string{"hourly", "daily", "weekly", "monthly", "yearly"} {
		steps = append(steps,
			func() error {
				return c.folder("/etc/cron."+p, func(f string) error { return c.script(f, "@"+p) })
			},
			func() error {
				return c.folder("/etc/periodic/"+p, func(f string) error { return c.script(f, "@"+p) })
			})
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return errors.Join(c.errs...)
}

type cronList struct {
	*scan
	emit   func(resource) error
	ids    distinct
	strict bool
	// errs are what cannot be read; the methods' own errors are emit's.
	errs []error
}

// leftBehind reports whether a file is what an editor or package manager left behind.
func leftBehind(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") {
		return true
	}
	switch path.Ext(name) {
	case ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-tmp", ".rpmsave", ".rpmnew", ".rpmorig", ".apk-new", ".swp":
		return true
	}
	return false
}

func (c *cronList) folder(dir string, each func(file string) error) error {
	entries, err := c.tree.ReadDir(dir)
	if err != nil {
		c.errs = append(c.errs, present(err))
		return nil
	}
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		info, err := c.tree.Stat(file)
		if err != nil || !info.Mode().IsRegular() || leftBehind(e.Name()) {
			continue
		}
		if err := each(file); err != nil {
			return err
		}
	}
	return nil
}

func (c *cronList) userTables(dir string) error {
	return c.folder(dir, func(f string) error { return c.table(f, "user", path.Base(f), false) })
}

// table records the entries of one file.
func (c *cronList) table(file, kind, user string, system bool) error {
	b, err := c.read(file)
	if err != nil {
		c.errs = append(c.errs, present(err))
		return nil
	}
	parse := func(b []byte) ([]crontab.Entry, error) { return crontab.Parse(b, system) }
	if kind == "anacron" {
		parse = crontab.ParseAnacron
	}
	entries, err := parse(b)
	if err != nil {
		c.note("A cron table has unreadable lines", inFile(file, err).Error())
	}
	for _, e := range entries {
		conf := cronConfiguration{
			Kind: kind, File: file, Line: e.Line, Schedule: e.Schedule, UserName: e.User, Command: hideSecrets(e.Command),
			Ignored: path.Dir(file) == "/etc/cron.d" && c.ignored(file),
		}
		if conf.UserName == "" {
			conf.UserName = user
		}
		for _, k := range []string{"PATH", "SHELL", "HOME", "MAILTO"} {
			if v, ok := e.Environment[k]; ok {
				if conf.Environment == nil {
					conf.Environment = map[string]string{}
				}
				conf.Environment[k] = v
			}
		}
		// What is run names an entry, so that another schedule is a change of it and not another one.
		id := fmt.Sprintf("%s:%s", file, strings.Join(strings.Fields(conf.Command), " "))
		if err := c.record(id, commandName(conf.Command), conf); err != nil {
			return err
		}
	}
	return nil
}

// script records a script of a folder that run-parts works through.
func (c *cronList) script(file, schedule string) error {
	info, err := c.tree.Stat(file)
	if err != nil {
		return nil
	}
	return c.record(file, path.Base(file), cronConfiguration{
		Kind: "script", File: file, Schedule: schedule, UserName: "root", Command: file,
		Ignored: c.ignored(file) || info.Mode()&0o111 == 0,
	})
}

func (c *cronList) ignored(file string) bool {
	return c.strict && strings.Trim(path.Base(file), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != ""
}

func (c *cronList) record(id, name string, conf cronConfiguration) error {
	r := resource{id: c.ids.id(id), name: name, configuration: conf}
	r.relationships = []sdk.Relationship{relation(typeFile, conf.File, "Is defined in")}
	if conf.UserName != "" {
		r.relationships = append(r.relationships, relation(typeUser, conf.UserName, "Runs as"))
	}
	return c.emit(r)
}

// commandName is the first program of a command line.
func commandName(command string) string {
	for _, w := range strings.Fields(command) {
		if !strings.Contains(w, "=") && !slices.Contains([]string{"cd", "test", "[", "if", "nice", "ionice", "exec", "command"}, w) {
			return path.Base(w)
		}
	}
	return command
}

// unreadable reports whether err says that something may not be read.
func unreadable(err error) bool { return errors.Is(err, fs.ErrPermission) }
