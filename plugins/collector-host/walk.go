package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fileFamily is listed by a run itself, because watching files outlives a pass.
func fileFamily() family {
	return family{
		name: "file", typ: typeFile, example: fileConfiguration{},
		doc: "A watched file, folder or link, one of the files a system's security rests on, or the program of a process that listens.",
		// A file that is only touched is the same file.
		volatile: []string{"/configuration/modifiedAt"},
	}
}

// keyFiles are recorded whatever is watched. The last element may hold wildcards.
var keyFiles = []string{
	"/etc/passwd", "/etc/passwd-", "/etc/shadow", "/etc/shadow-", "/etc/group", "/etc/group-", "/etc/gshadow", "/etc/gshadow-",
	"/etc/sudoers", "/etc/sudoers.d", "/etc/sudoers.d/*", "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*", "/etc/ssh/*_key",
	"/etc/crontab", "/etc/cron.*", "/etc/cron.d/*", "/etc/fstab", "/etc/hosts", "/etc/pam.d/*", "/etc/ld.so.preload", "/etc/login.defs",
	"/var/spool/cron/crontabs", "/var/spool/cron/crontabs/*", "/root", "/root/.ssh", "/root/.ssh/authorized_keys",
	"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/tmp", "/var/tmp", "/dev/shm", "/run/docker.sock", "/var/run/docker.sock",
}

// unlisted are folders that a walk does not go down into unless they are watched themselves: what lies
// there is the kernel's.
var unlisted = []string{"/proc", "/sys", "/dev"}

// nameTable maps ids of accounts to their names. It is safe for concurrent use.
type nameTable struct {
	mu          sync.Mutex
	user, group map[uint32]string
}

func (t *nameTable) set(a *accounts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.user, t.group = a.user, a.group
}

func (t *nameTable) of(uid, gid uint32) (user, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.user[uid], t.group[gid]
}

// watched reports whether a path is one of those whose changes are events.
func (r *run) watched(name string) bool {
	for _, w := range r.cfg.Watch {
		if name == w || w == "/" || strings.HasPrefix(name, w+"/") {
			return !r.ignored.match(name)
		}
	}
	return false
}

// walk looks at files, and at everything below folders that are watched.
type walk struct {
	*run
	// seen holds what was found by path; it is bounded by max_files.
	seen map[string]*observed
	// faults are what kept the walk from being complete.
	faults []error
	full   bool
}

// tree looks at a path and everything below it. top is the watched path itself: a link there is
// followed, as whoever configured it means the folder.
func (w *walk) tree(ctx context.Context, name string, top bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := w.visit(name)
	if o == nil {
		return nil
	}
	if o.conf.Type != "directory" && !(top && o.conf.Type == "symlink") {
		return nil
	}
	for _, u := range unlisted {
		if name == u && !top {
			return nil
		}
	}
	// Watching comes before listing, so that nothing falls between the two.
	w.watchFolder(name)
	entries, err := w.run.tree.ReadDir(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil
	case err != nil:
		w.fault(fmt.Errorf("list %s: %w", name, err))
		return nil
	}
	for _, e := range entries {
		if err := w.tree(ctx, path.Join(name, e.Name()), false); err != nil {
			return err
		}
	}
	return nil
}

// visit records one path, nil where there is nothing, or nothing more to see.
func (w *walk) visit(name string) *observed {
	if o := w.seen[name]; o != nil {
		return o
	}
	if w.ignored.match(name) {
		return nil
	}
	if len(w.seen) >= w.cfg.MaxFiles {
		if !w.full {
			w.full = true
			w.fault(fmt.Errorf("there are more than max_files = %d files; the rest is not recorded", w.cfg.MaxFiles))
		}
		return nil
	}
	o, err := w.observe(name)
	if err != nil {
		if !errors.Is(err, errGone) {
			w.fault(err)
		}
		return nil
	}
	w.seen[name] = o
	return o
}

// fault notes what is missing, the first few by name.
func (w *walk) fault(err error) {
	const named = 5
	switch n := len(w.faults); {
	case n < named:
		w.faults = append(w.faults, err)
	case n == named:
		w.faults = append(w.faults, errors.New("and others"))
	}
}

// listFiles is the file family's sweep: it sends every file, and the events of what has changed since
// the last look without inotify having told of it.
func (r *run) listFiles(ctx context.Context, s *scan, emit func(resource) error) error {
	began := time.Now()
	w := &walk{run: r, seen: map[string]*observed{}}
	for _, top := range r.cfg.Watch {
		r.watchParent(top)
		if err := w.tree(ctx, top, true); err != nil {
			return err
		}
	}
	r.visitKeyFiles(ctx, s, w)
	names := make([]string, 0, len(w.seen))
	for n := range w.seen {
		names = append(names, n)
	}
	slices.Sort(names)
	r.owners.look(ctx, names, false)
	for _, n := range names {
		if err := emit(r.fileResource(w.seen[n])); err != nil {
			return err
		}
	}
	changes := r.files.compare(w.seen, began, len(w.faults) == 0, func(name string) (*observed, bool) {
		o, err := r.observe(name)
		return o, err == nil || errors.Is(err, errGone)
	})
	if err := r.tell(ctx, changes, detectedByComparison, false); err != nil {
		return err
	}
	return errors.Join(w.faults...)
}

// visitKeyFiles adds the files that are recorded whatever is watched.
func (r *run) visitKeyFiles(ctx context.Context, s *scan, w *walk) {
	for _, pattern := range keyFiles {
		names := []string{pattern}
		if strings.ContainsAny(path.Base(pattern), "*?[") {
			var err error
			if names, err = r.tree.Glob(pattern); err != nil {
				w.fault(err)
			}
		}
		for _, n := range names {
			w.visit(n)
		}
	}
	for _, p := range s.look(ctx).processes {
		if p.onHost() && !p.replaced {
			w.visit(p.executable)
		}
	}
}
