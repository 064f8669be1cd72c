package reload

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/regent-dev/regent/core/record"
)

// Options are the settings of a loop. Zero durations take the defaults.
type Options struct {
	Log *slog.Logger
	// Read reads everything the next generation is made of. It returns the digest of the bytes, the
	// folders to watch, and what Build is to work on. An error is a failed generation too.
	Read func() (Snapshot, error)
	// Build makes the generation and puts it in force. It returns an error where it did not.
	Build func(ctx context.Context, s Snapshot) error
	// Failed is told of an error of Read, once for each different text.
	Failed func(error)
	// Quiet is how long the folders must be quiet (200 ms), Longest how long a busy folder may put
	// off the reading (2 s), Every how often to read without an event (30 s), Retry when to read
	// again after a failure (1 s).
	Quiet, Longest, Every, Retry time.Duration
}

// Snapshot is what was read.
type Snapshot struct {
	Digest  record.Digest
	Folders []string
	// Content is for Build.
	Content any
	// Forced is true where somebody asked for the reload: it is built even where nothing changed.
	Forced bool
}

// Loop reloads. Make it with New.
type Loop struct {
	o       Options
	now     chan chan error
	last    record.Digest
	lastErr string
	watched map[string]bool
}

// New returns a loop. last is the digest of what is in force.
func New(o Options, last record.Digest) *Loop {
	def := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	def(&o.Quiet, 200*time.Millisecond)
	def(&o.Longest, 2*time.Second)
	def(&o.Every, 30*time.Second)
	def(&o.Retry, time.Second)
	return &Loop{o: o, now: make(chan chan error), last: last, watched: map[string]bool{}}
}

// Now reads and builds at once, and returns what came of it. It is safe for concurrent use while Run
// runs.
func (l *Loop) Now(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case l.now <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run watches until ctx ends. folders are those to watch at first.
func (l *Loop) Run(ctx context.Context, folders []string) error {
	w, err := fsnotify.NewWatcher()
	var events chan fsnotify.Event
	var failures chan error
	if err != nil {
		l.o.Log.Warn("file events are not available; changes are found by reading again", "every", l.o.Every, "err", err)
	} else {
		defer w.Close()
		events, failures = w.Events, w.Errors
		l.watch(w, folders)
	}
	stopped := time.NewTimer(time.Hour)
	stopped.Stop()
	quiet := stopped
	defer quiet.Stop()
	var first time.Time
	every := time.NewTicker(l.o.Every)
	defer every.Stop()
	soon := func(d time.Duration) {
		if first.IsZero() {
			first = time.Now()
		}
		quiet.Reset(min(d, max(0, l.o.Longest-time.Since(first))))
	}
	for {
		var answer chan error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if relevant(ev) {
				soon(l.o.Quiet)
			}
			continue
		case err, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			// Overflow among others: events were lost, so read.
			l.o.Log.Warn("file events were lost; reading again", "err", err)
			soon(l.o.Quiet)
			continue
		case <-quiet.C:
		case <-every.C:
		case answer = <-l.now:
		}
		first = time.Time{}
		err := l.once(ctx, answer != nil, w)
		if answer != nil {
			answer <- err
		}
		if err != nil && ctx.Err() == nil && answer == nil {
			// A tree that was half written when it was read is whole a moment later.
			quiet.Reset(l.o.Retry)
		}
	}
}

// once reads, and builds where something changed.
func (l *Loop) once(ctx context.Context, forced bool, w *fsnotify.Watcher) error {
	s, err := l.o.Read()
	if err != nil {
		if err.Error() != l.lastErr {
			l.lastErr = err.Error()
			l.o.Failed(err)
		}
		return err
	}
	if w != nil {
		l.watch(w, s.Folders)
	}
	if s.Digest == l.last && !forced && l.lastErr == "" {
		return nil
	}
	// The digest is remembered whether the build succeeds or not: the same bytes give the same
	// result, and its problems were shown.
	l.last, l.lastErr = s.Digest, ""
	s.Forced = forced
	return l.o.Build(ctx, s)
}

// relevant leaves out what cannot change what is read.
func relevant(ev fsnotify.Event) bool {
	if ev.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.Base(ev.Name)
	return !strings.HasPrefix(name, ".") || strings.HasPrefix(name, "..")
}

// watch adds folders that are not watched yet, and forgets those that are gone.
func (l *Loop) watch(w *fsnotify.Watcher, folders []string) {
	wanted := map[string]bool{}
	for _, f := range folders {
		wanted[f] = true
	}
	for f := range l.watched {
		if !wanted[f] {
			// It may be gone already, and with it the watch.
			_ = w.Remove(f)
			delete(l.watched, f)
		}
	}
	// What was renamed away keeps its place in our list and has lost its watch: add all again.
	for f := range wanted {
		if err := w.Add(f); err != nil {
			if !l.watched[f] {
				l.o.Log.Warn("a folder cannot be watched; its changes are found by reading again", "folder", f, "every", l.o.Every, "err", err)
			}
		}
		l.watched[f] = true
	}
}
