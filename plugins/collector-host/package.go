package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/pkgdb"
)

// packageConfiguration is one package that a manager knows.
type packageConfiguration struct {
	Name         string   `json:"name" doc:"Name."`
	Version      string   `json:"version,omitempty" doc:"Version with epoch and release."`
	Architecture string   `json:"architecture,omitempty" doc:"Architecture, as the manager names it."`
	Manager      string   `json:"manager" doc:"dpkg, rpm or apk."`
	Status       string   `json:"status" doc:"dpkg's status (installed, config-files, half-configured…); installed elsewhere."`
	Installed    bool     `json:"installed" doc:"Whether its files are there; false where only its configuration was left behind."`
	Hold         bool     `json:"hold" doc:"Whether it is kept from being upgraded."`
	Essential    bool     `json:"essential" doc:"Whether the system needs it."`
	Automatic    bool     `json:"automatic" doc:"Whether it was installed only because others need it."`
	Source       string   `json:"source,omitempty" doc:"Source package, where it has another name."`
	Maintainer   string   `json:"maintainer,omitempty" doc:"Maintainer or vendor."`
	License      string   `json:"license,omitempty" doc:"Licence, where the manager keeps it."`
	Section      string   `json:"section,omitempty" doc:"Section or group."`
	Priority     string   `json:"priority,omitempty" doc:"dpkg's priority."`
	Summary      string   `json:"summary,omitempty" doc:"One line about it."`
	InstalledKiB *int64   `json:"installedKiB,omitempty" doc:"What it takes installed."`
	InstalledAt  string   `json:"installedAt,omitempty" doc:"When it was installed, where the manager keeps it."`
	ConfigFiles  []string `json:"configFiles,omitempty" doc:"Configuration files that the manager keeps the administrator's changes of."`
}

func packageFamily() family {
	return family{
		name: "package", typ: typePackage, example: packageConfiguration{}, list: listPackages,
		doc: "A package of dpkg, rpm or apk. The id is name:architecture.",
	}
}

const (
	dpkgStatus = "/var/lib/dpkg/status"
	dpkgFolder = "/var/lib/dpkg/status.d"
	dpkgLists  = "/var/lib/dpkg/info"
	aptStates  = "/var/lib/apt/extended_states"
)

// apkDatabases and rpmDatabases are where these managers have kept their databases over time.
var (
	apkDatabases = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}
	rpmDatabases = []string{
		"/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages", "/usr/lib/sysimage/rpm/Packages",
		"/var/lib/rpm/Packages.db", "/usr/lib/sysimage/rpm/Packages.db",
	}
)

func listPackages(ctx context.Context, s *scan, emit func(resource) error) error {
	all, err := s.packages(ctx)
	automatic := map[string]bool{}
	if b, err := s.tree.ReadFile(aptStates, maxDatabase); err == nil {
		automatic = pkgdb.ParseAutomatic(b)
	}
	ids := distinct{}
	for i, id := range pkgdb.Distinguish(all) {
		p := &all[i]
		c := packageConfiguration{
			Name: p.Name, Version: p.Version, Architecture: p.Architecture, Manager: p.Manager, Status: p.Status, Hold: p.Hold,
			Installed: p.Status != "config-files", Essential: p.Essential, Automatic: automatic[p.ID()], Source: p.Source,
			Maintainer: p.Maintainer, License: p.License, Section: p.Section, Priority: p.Priority, Summary: p.Summary, ConfigFiles: p.Conffiles,
		}
		if p.Size >= 0 {
			c.InstalledKiB = &p.Size
		}
		if !p.Installed.IsZero() {
			c.InstalledAt = p.Installed.Format(time.RFC3339)
		}
		r := resource{id: ids.id(id), name: p.Name, configuration: c}
		for _, f := range p.Conffiles {
			r.relationships = append(r.relationships, relation(typeFile, f, "Owns file"))
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return err
}

// packages reads the databases that are there. A machine may have more than one.
func (s *scan) packages(ctx context.Context) ([]pkgdb.Package, error) {
	var all []pkgdb.Package
	var errs []error
	add := func(ps []pkgdb.Package, err error) {
		all = append(all, ps...)
		errs = append(errs, present(err))
	}
	add(s.dpkg())
	for _, db := range apkDatabases {
		if b, err := s.tree.ReadFile(db, maxDatabase); err == nil {
			ps, err := pkgdb.ParseAPK(b, nil)
			add(ps, inFile(db, err))
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			add(nil, err)
		}
	}
	if s.rpmDatabase() != "" {
		add(s.rpmPackages(ctx))
	}
	return all, errors.Join(errs...)
}

func (h *host) dpkg() ([]pkgdb.Package, error) {
	b, err := h.tree.ReadFile(dpkgStatus, maxDatabase)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all, bad := pkgdb.ParseDpkg(b)
	errs := []error{inFile(dpkgStatus, bad)}
	// Images without dpkg itself have a file for each package, which says no status.
	names, err := h.tree.Names(dpkgFolder)
	errs = append(errs, present(err))
	slices.Sort(names)
	for _, n := range names {
		if strings.Contains(n, ".") {
			continue
		}
		b, err := h.read(path.Join(dpkgFolder, n))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ps, bad := pkgdb.ParseDpkg(append([]byte("Status: install ok installed\n"), b...))
		all = append(all, ps...)
		errs = append(errs, inFile(path.Join(dpkgFolder, n), bad))
	}
	return all, errors.Join(errs...)
}

// rpmDatabase returns where rpm keeps its database, "" where it has none.
func (h *host) rpmDatabase() string {
	for _, db := range rpmDatabases {
		if h.tree.Exists(db) {
			return db
		}
	}
	return ""
}

// rpmCache keeps rpm's answer as long as its database does not change: asking takes seconds.
type rpmCache struct {
	stamp    string
	packages []pkgdb.Package
}

func (s *scan) rpmPackages(ctx context.Context) ([]pkgdb.Package, error) {
	stamp := s.databaseStamp()
	if s.rpm.stamp == stamp && stamp != "" {
		return slices.Clone(s.rpm.packages), nil
	}
	if s.run == nil {
		return nil, fmt.Errorf("the database %s can only be read by the program rpm, which is not asked below another root than /", s.rpmDatabase())
	}
	out, err := s.run(ctx, "rpm", pkgdb.RPMQuery...)
	if err != nil {
		return nil, err
	}
	ps, err := pkgdb.ParseRPM(out)
	if err == nil {
		s.rpm.stamp, s.rpm.packages = stamp, ps
	}
	return slices.Clone(ps), err
}

// databaseStamp changes when one of the package managers' databases does.
func (h *host) databaseStamp() string {
	var out strings.Builder
	names := slices.Concat([]string{dpkgStatus, dpkgFolder}, apkDatabases, rpmDatabases)
	for _, db := range rpmDatabases {
		names = append(names, db+"-wal") // what is not yet in the database itself
	}
	for _, n := range names {
		if info, err := h.tree.Stat(n); err == nil {
			fmt.Fprintf(&out, "%s %d %d\n", n, info.Size(), info.ModTime().UnixNano())
		}
	}
	return out.String()
}
