package main

import (
	"bytes"
	"context"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/regent-dev/regent/plugins/collector-host/internal/pkgdb"
)

// owners answers which package a file belongs to. It remembers answers until a package manager's
// database changes, so that file lists are read only for files it was not asked about before. It is
// safe for concurrent use.
type owners struct {
	h *host

	mu    sync.Mutex
	stamp string
	// known maps files to ids of packages, "" for files that no package has.
	known map[string]string
}

func newOwners(h *host) *owners { return &owners{h: h, known: map[string]string{}} }

// of returns the id of the package that owns a file, "" where none does or it was not looked up.
func (o *owners) of(file string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known[file]
}

// look finds the owners of files. What cannot be read leaves files without an owner: that a file
// belongs to a package is an addition to what is recorded of it. quick leaves it at what is known
// where finding out takes seconds, as it does with rpm.
func (o *owners) look(ctx context.Context, files []string, quick bool) {
	rpm := o.h.run != nil && o.h.rpmDatabase() != ""
	if rpm && quick {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if stamp := o.h.databaseStamp(); stamp != o.stamp {
		o.stamp = stamp
		clear(o.known)
	}
	wanted := map[string]string{} // name in a list → file that was asked about
	merged := o.h.mergedUsr()
	for _, f := range files {
		if _, ok := o.known[f]; ok {
			continue
		}
		o.known[f] = ""
		wanted[f] = f
		if merged {
			wanted[unmerged(f)] = f
		}
	}
	if len(wanted) == 0 {
		return
	}
	found := func(file, id string) {
		if f, ok := wanted[file]; ok {
			o.known[f] = id
		}
	}
	o.dpkg(found)
	for _, db := range apkDatabases {
		if b, err := o.h.tree.ReadFile(db, maxDatabase); err == nil {
			_, _ = pkgdb.ParseAPK(b, func(file string, p *pkgdb.Package) { found(file, p.ID()) })
		}
	}
	if rpm {
		out, err := o.h.run(ctx, "rpm", pkgdb.RPMFilesQuery...)
		if err != nil {
			o.h.log.Debug("rpm does not say which files belong to which package", "err", err)
		}
		pkgdb.ScanRPMFiles(out, found)
	}
}

// dpkg goes through dpkg's file lists: info/name.list, or info/name:architecture.list where several
// architectures of a package may be installed beside each other.
func (o *owners) dpkg(found func(file, id string)) {
	names, err := o.h.tree.Names(dpkgLists)
	if err != nil {
		return
	}
	all, _ := o.h.dpkg()
	ids := make(map[string]string, len(all))
	for i := range all {
		ids[all[i].Name] = all[i].ID()
		ids[all[i].ID()] = all[i].ID()
	}
	for _, n := range names {
		base, ok := strings.CutSuffix(n, ".list")
		id := ids[base]
		if !ok || id == "" {
			continue
		}
		b, err := o.h.tree.ReadFile(path.Join(dpkgLists, n), maxDatabase)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			found(string(bytes.TrimRight(line, "\n")), id)
		}
	}
}

// mergedUsr reports whether /bin leads to /usr/bin, so that a program has two names of which packages
// may list either.
func (h *host) mergedUsr() bool {
	info, err := h.tree.Lstat("/bin")
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

// unmerged returns a file's other name on such a system.
func unmerged(file string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(file, "/usr"+dir) {
			return strings.TrimPrefix(file, "/usr")
		}
		if strings.HasPrefix(file, dir) {
			return "/usr" + file
		}
	}
	return file
}
