package filewatch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Hint is what was told of one path since the last batch.
type Hint struct {
	// First is when the first hint came.
	First time.Time
	// Created, Removed and Moved say that the name was made, deleted, or renamed to another, in any
	// order.
	Created, Removed, Moved bool

	last time.Time
}

// Batch is what happened since the batch before.
type Batch struct {
	Hints map[string]Hint
	// Lost is true where hints were lost between From and To: any path may have changed.
	Lost     bool
	From, To time.Time
}

// Limit says that a limit of the kernel keeps folders from being watched.
type Limit struct {
	// Sysctl is the parameter to raise.
	Sysctl string
	Err    error
}

// Error says which limit was reached.
func (l *Limit) Error() string { return fmt.Sprintf("%s is reached: %v", l.Sysctl, l.Err) }

// Unwrap returns the system's error.
func (l *Limit) Unwrap() error { return l.Err }

// Options are how long hints are collected.
type Options struct {
	// Quiet is how long a path has to be left alone before its hints are handed over, Delay how long
	// they wait at most. Defaults: 50 ms and 1 s.
	Quiet, Delay time.Duration
	// MaxPaths is how many paths may wait; more are handed over as lost. Default: 100,000.
	MaxPaths int
}

// Watcher watches folders. Its methods are safe for concurrent use.
type Watcher struct {
	opt     Options
	fs      *fsnotify.Watcher
	batches chan Batch

	mu      sync.Mutex
	watched map[string]bool
}

// New returns a watcher of no folder. A *Limit says that this user has too many watchers.
func New(opt Options) (*Watcher, error) {
	if opt.Quiet <= 0 {
		opt.Quiet = 50 * time.Millisecond
	}
	if opt.Delay <= 0 {
		opt.Delay = time.Second
	}
	if opt.MaxPaths <= 0 {
		opt.MaxPaths = 100_000
	}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, limit(err)
	}
	return &Watcher{opt: opt, fs: fs, batches: make(chan Batch), watched: map[string]bool{}}, nil
}

// limit recognises the two errors that mean a limit: the kernel tells them as "too many open files"
// and "no space left on device", which send people looking in the wrong place.
func limit(err error) error {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return &Limit{Sysctl: "fs.inotify.max_user_instances", Err: err}
	case errors.Is(err, syscall.ENOSPC):
		return &Limit{Sysctl: "fs.inotify.max_user_watches", Err: err}
	}
	return err
}

// Add watches a folder, without those below it. Adding one again does nothing.
func (w *Watcher) Add(dir string) error {
	dir = filepath.Clean(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched[dir] {
		return nil
	}
	if err := w.fs.Add(dir); err != nil {
		return limit(err)
	}
	w.watched[dir] = true
	return nil
}

// Forget makes the next Add of a folder watch it anew. A folder that was moved away keeps its watch
// under its old name otherwise.
func (w *Watcher) Forget(dir string) {
	dir = filepath.Clean(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched[dir] {
		delete(w.watched, dir)
		// The kernel has removed the watch already where the folder was deleted; that is no error.
		_ = w.fs.Remove(dir)
	}
}

// Watched returns how many folders are watched.
func (w *Watcher) Watched() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.watched)
}

// Batches is where Run hands over what happened. It is never closed.
func (w *Watcher) Batches() <-chan Batch { return w.batches }

// Run collects hints until ctx ends, which is no error, or until inotify fails.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.fs.Close()
	p := newPending(w.opt, time.Now())
	tick := time.NewTimer(time.Hour)
	defer tick.Stop()
	ticking := false
	for {
		if waiting := len(p.hints) > 0; waiting && !ticking {
			// Half of what is waited for, so that hints are late by half of it at most. Ripening costs
			// a look at every hint, which is too much for every event.
			tick.Reset(min(w.opt.Quiet, w.opt.Delay) / 2)
			ticking = true
		}
		var out chan Batch
		if p.ready.Lost || len(p.ready.Hints) > 0 {
			out = w.batches
		}
		select {
		case <-ctx.Done():
			return nil
		case out <- p.ready:
			p.ready = Batch{Hints: map[string]Hint{}}
		case <-tick.C:
			ticking = false
			p.ripen(time.Now())
		case e, ok := <-w.fs.Events:
			if !ok {
				return errors.New("inotify was closed")
			}
			p.add(e, time.Now())
		case err, ok := <-w.fs.Errors:
			switch {
			case !ok:
				return errors.New("inotify was closed")
			case errors.Is(err, fsnotify.ErrEventOverflow):
				p.lose(time.Now())
			default:
				return fmt.Errorf("read inotify: %w", err)
			}
		}
	}
}

// pending are the hints that wait, and the batch that waits to be taken.
type pending struct {
	opt   Options
	hints map[string]Hint
	ready Batch
	// since is when the last hint came: what was lost was lost after it.
	since time.Time
}

func newPending(opt Options, now time.Time) *pending {
	return &pending{opt: opt, hints: map[string]Hint{}, ready: Batch{Hints: map[string]Hint{}}, since: now}
}

func (p *pending) add(e fsnotify.Event, now time.Time) {
	h, ok := p.hints[e.Name]
	if !ok {
		if len(p.hints)+len(p.ready.Hints) >= p.opt.MaxPaths {
			// What the hints would say, looking at everything says too.
			clear(p.hints)
			clear(p.ready.Hints)
			p.lose(now)
			return
		}
		h.First = now
	}
	p.since = now
	h.last = now
	h.note(e)
	p.hints[e.Name] = h
}

func (h *Hint) note(e fsnotify.Event) {
	h.Created = h.Created || e.Has(fsnotify.Create)
	h.Removed = h.Removed || e.Has(fsnotify.Remove)
	h.Moved = h.Moved || e.Has(fsnotify.Rename)
}

func (p *pending) lose(now time.Time) {
	if !p.ready.Lost {
		p.ready.Lost, p.ready.From = true, p.since
	}
	p.ready.To, p.since = now, now
}

// ripen moves what has been quiet, or has waited long enough, to the batch. Hints that came at nearly
// the same time ripen together, so that the two names of a renaming do.
func (p *pending) ripen(now time.Time) {
	some := false
	for _, h := range p.hints {
		if some = now.Sub(h.last) >= p.opt.Quiet || now.Sub(h.First) >= p.opt.Delay; some {
			break
		}
	}
	if !some {
		return
	}
	for path, h := range p.hints {
		if now.Sub(h.last) < p.opt.Quiet/2 && now.Sub(h.First) < p.opt.Delay {
			continue
		}
		delete(p.hints, path)
		if was, ok := p.ready.Hints[path]; ok {
			h.First = was.First
			h.Created, h.Removed, h.Moved = h.Created || was.Created, h.Removed || was.Removed, h.Moved || was.Moved
		}
		p.ready.Hints[path] = h
	}
}
