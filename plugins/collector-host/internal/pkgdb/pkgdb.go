package pkgdb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The package managers.
const (
	ManagerDpkg = "dpkg"
	ManagerRPM  = "rpm"
	ManagerAPK  = "apk"
)

// Package is one package that a manager knows.
type Package struct {
	Manager, Name, Version, Architecture string
	// Status is dpkg's ("installed", "config-files", "half-configured"…); "installed" elsewhere.
	Status string
	// Hold is true where the package is kept from being upgraded.
	Hold      bool
	Essential bool
	// Source is what it was built from, "" where that has the same name.
	Source              string
	Maintainer, License string
	Section, Priority   string
	Summary             string
	// Size is what it takes installed, in KiB; negative where that is unknown.
	Size int64
	// Installed is when it was installed; zero where the manager does not keep that.
	Installed time.Time
	// Conffiles are the configuration files that the manager keeps the administrator's changes of.
	Conffiles []string
}

// ID identifies a package among those of a machine: "name:architecture".
func (p *Package) ID() string {
	if p.Architecture == "" {
		return p.Name
	}
	return p.Name + ":" + p.Architecture
}

// ParseDpkg reads dpkg's status file.
func ParseDpkg(b []byte) ([]Package, error) {
	var out []Package
	var errs []error
	bad := 0
	for n, stanza := range stanzas(b) {
		p := Package{Manager: ManagerDpkg, Size: -1}
		var status []string
		for key, value := range fields(stanza) {
			switch key {
			case "Package":
				p.Name = value
			case "Version":
				p.Version = value
			case "Architecture":
				p.Architecture = value
			case "Status":
				status = strings.Fields(value)
			case "Source":
				p.Source = value
			case "Maintainer":
				p.Maintainer = value
			case "Section":
				p.Section = value
			case "Priority":
				p.Priority = value
			case "Essential":
				p.Essential = value == "yes"
			case "Installed-Size":
				p.Size = size(value)
			case "Description":
				p.Summary, _, _ = strings.Cut(value, "\n")
			case "Conffiles":
				p.Conffiles = conffiles(value)
			}
		}
		if p.Name == "" || len(status) != 3 {
			if bad++; bad <= 5 {
				errs = append(errs, fmt.Errorf("stanza %d: no package or no status of three words", n+1))
			}
			continue
		}
		p.Hold, p.Status = status[0] == "hold", status[2]
		if p.Status == "not-installed" {
			continue
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

// conffiles reads lines of "path md5 [obsolete]".
func conffiles(value string) []string {
	var out []string
	for line := range strings.SplitSeq(value, "\n") {
		f := strings.Fields(line)
		if len(f) >= 2 && strings.HasPrefix(f[0], "/") && f[len(f)-1] != "remove-on-upgrade" {
			out = append(out, f[0])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ParseAutomatic reads apt's extended_states: the ids of packages that were installed only because
// others need them.
func ParseAutomatic(b []byte) map[string]bool {
	out := map[string]bool{}
	for _, stanza := range stanzas(b) {
		p := Package{}
		auto := false
		for key, value := range fields(stanza) {
			switch key {
			case "Package":
				p.Name = value
			case "Architecture":
				p.Architecture = value
			case "Auto-Installed":
				auto = value == "1"
			}
		}
		if auto && p.Name != "" {
			out[p.ID()] = true
		}
	}
	return out
}

// ParseAPK reads apk's database, lib/apk/db/installed. owned is called with every file and the
// package it belongs to; nil means that nobody asks.
func ParseAPK(b []byte, owned func(file string, p *Package)) ([]Package, error) {
	var out []Package
	var errs []error
	for n, stanza := range stanzas(b) {
		p := Package{Manager: ManagerAPK, Size: -1, Status: "installed"}
		dir := "/"
		for line := range bytes.Lines(stanza) {
			key, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
			if !ok || len(key) != 1 {
				continue
			}
			switch key[0] {
			case 'P':
				p.Name = value
			case 'V':
				p.Version = value
			case 'A':
				p.Architecture = value
			case 'T':
				p.Summary = value
			case 'L':
				p.License = value
			case 'm':
				p.Maintainer = value
			case 'o':
				if value != p.Name {
					p.Source = value
				}
			case 'I':
				if s := size(value); s >= 0 {
					p.Size = (s + 1023) / 1024
				}
			case 'F':
				dir = path.Join("/", value)
			case 'R':
				if owned != nil && p.Name != "" {
					owned(path.Join(dir, value), &p)
				}
			}
		}
		if p.Name == "" || p.Version == "" {
			if len(errs) < 5 {
				errs = append(errs, fmt.Errorf("stanza %d: no name or no version", n+1))
			}
			continue
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

// RPMQuery are the arguments of the program rpm that ParseRPM reads the answer to.
var RPMQuery = []string{"-qa", "--qf", `%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t` +
	`%{LICENSE}\t%{GROUP}\t%{SIZE}\t%{INSTALLTIME}\t%{SUMMARY}\n`}

// ParseRPM reads the answer to RPMQuery.
func ParseRPM(b []byte) ([]Package, error) {
	var out []Package
	var errs []error
	n := 0
	for line := range bytes.Lines(b) {
		n++
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), "\t")
		if len(f) != 10 || f[0] == "" {
			if len(errs) < 5 {
				errs = append(errs, fmt.Errorf("line %d: %d fields, want 10", n, len(f)))
			}
			continue
		}
		for i := range f {
			if f[i] == "(none)" {
				f[i] = ""
			}
		}
		p := Package{
			Manager: ManagerRPM, Name: f[0], Version: f[1], Architecture: f[2], Status: "installed",
			Maintainer: f[4], License: f[5], Section: f[6], Size: -1, Summary: f[9],
		}
		// bash-5.1.8-6.el9.src.rpm: version and release follow the last two hyphens.
		if parts := strings.Split(f[3], "-"); len(parts) > 2 {
			if s := strings.Join(parts[:len(parts)-2], "-"); s != p.Name {
				p.Source = s
			}
		}
		if s := size(f[7]); s >= 0 {
			p.Size = (s + 1023) / 1024
		}
		if sec, err := strconv.ParseInt(f[8], 10, 64); err == nil && sec > 0 && sec < 1<<40 {
			p.Installed = time.Unix(sec, 0).UTC()
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

// RPMFilesQuery are the arguments of the program rpm that ScanRPMFiles reads the answer to.
var RPMFilesQuery = []string{"-qa", "--qf", `[%{=NAME}:%{=ARCH}\t%{FILENAMES}\n]`}

// ScanRPMFiles calls owned with every file and the id of its package.
func ScanRPMFiles(b []byte, owned func(file, id string)) {
	for line := range bytes.Lines(b) {
		if id, file, ok := strings.Cut(strings.TrimRight(string(line), "\n"), "\t"); ok {
			owned(file, strings.TrimSuffix(id, ":(none)"))
		}
	}
}

// Distinguish gives packages that stand several times in a manager's database under one id, as
// kernels do, ids of their own. It returns one id for each package.
func Distinguish(ps []Package) []string {
	count := map[string]int{}
	for i := range ps {
		count[ps[i].ID()]++
	}
	out := make([]string, len(ps))
	for i := range ps {
		out[i] = ps[i].ID()
		if count[out[i]] > 1 {
			out[i] += "=" + cmp.Or(ps[i].Version, "none")
		}
	}
	return out
}

// stanzas splits at empty lines.
func stanzas(b []byte) [][]byte {
	var out [][]byte
	start, at := 0, 0
	for line := range bytes.Lines(b) {
		if len(bytes.TrimSpace(line)) == 0 {
			if start < at {
				out = append(out, b[start:at])
			}
			start = at + len(line)
		}
		at += len(line)
	}
	if start < at {
		out = append(out, b[start:at])
	}
	return out
}

// fields iterates over "Key: value" with continuation lines, which are joined by newlines.
func fields(stanza []byte) func(yield func(key, value string) bool) {
	return func(yield func(string, string) bool) {
		var key string
		var value []string
		flush := func() bool {
			return key == "" || yield(key, strings.Join(value, "\n"))
		}
		for raw := range bytes.Lines(stanza) {
			line := strings.TrimRight(string(raw), "\r\n")
			if line[:min(1, len(line))] == " " || line[:min(1, len(line))] == "\t" {
				value = append(value, strings.TrimSpace(line))
				continue
			}
			if !flush() {
				return
			}
			k, v, ok := strings.Cut(line, ":")
			if !ok {
				key = ""
				continue
			}
			key, value = k, []string{strings.TrimSpace(v)}
		}
		flush()
	}
}

func size(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
