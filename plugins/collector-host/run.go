package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/plugins/collector-host/internal/filewatch"
	"github.com/regent-dev/regent/sdk"
)

// collector is a configured instance.
type collector struct {
	*host
	families   []family
	newWatcher func(filewatch.Options) (*filewatch.Watcher, error)
}

func newCollector(h *host, families []family) *collector {
	return &collector{host: h, families: families, newWatcher: filewatch.New}
}

// run is one call of Collect: passes over all families, and watching files between them.
type run struct {
	*collector
	out sdk.Emitter

	ignored, metadataOnly patterns
	names                 *nameTable
	files                 *tracker
	watcher               *filewatch.Watcher
	told                  *told
	// baseline is closed after the first look at all files.
	baseline chan struct{}
	// again asks for a look at all files before the next pass.
	again chan struct{}
	// limited is the limit that keeps folders from being watched, nil where all are.
	limited atomic.Pointer[filewatch.Limit]
}

// Collect implements sdk.Collector. It stays until ctx ends.
func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	r := &run{
		collector: c, out: out, names: &nameTable{}, files: newTracker(2 * c.cfg.MaxFiles), told: newTold(),
		baseline: make(chan struct{}), again: make(chan struct{}, 1),
	}
	var err error
	if r.ignored, err = compile(c.cfg.Ignore); err != nil {
		return err
	}
	if r.metadataOnly, err = compile(c.cfg.MetadataOnly); err != nil {
		return err
	}
	r.resume()
	group, ctx := errgroup.WithContext(ctx)
	if r.watches() {
		r.openWatcher()
	}
	if r.watcher != nil {
		group.Go(func() error { return r.watcher.Run(ctx) })
		group.Go(func() error { return r.follow(ctx) })
	}
	group.Go(func() error { return r.passes(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	// What was told since the last pass is covered too; the stream takes this after its end was asked for.
	return r.checkpoint(context.WithoutCancel(ctx))
}

// cursor is what a run leaves to the next. A new run looks at everything again, so that it is little.
type cursor struct {
	// Services are listeners that are services in spite of their ports.
	Services []string `json:"services"`
}

// checkpoint makes what was sent so far durable.
func (r *run) checkpoint(ctx context.Context) error {
	services := slices.Sorted(maps.Keys(r.settled.ids))
	b, err := json.Marshal(cursor{Services: services[:min(len(services), maxSettled)]})
	if err != nil {
		return fmt.Errorf("write the cursor: %w", err)
	}
	_, err = r.out.Checkpoint(ctx, b)
	return err
}

// resume takes over what the run before left. A cursor that cannot be read, as one of a version to
// come, is as good as none.
func (r *run) resume() {
	var c cursor
	if b := r.out.Cursor(); len(b) > 0 && json.Unmarshal(b, &c) != nil {
		r.log.Info("the cursor cannot be read; starting without it")
	}
	r.settled = settled{ids: map[string]bool{}}
	for _, id := range c.Services {
		r.settled.ids[id] = true
	}
}

// lookAgain asks for a look at all files before the next pass.
func (r *run) lookAgain() {
	select {
	case r.again <- struct{}{}:
	default: // asked for already
	}
}

// watches reports whether files are to be watched at all.
func (r *run) watches() bool {
	for _, f := range r.families {
		if f.typ == typeFile {
			return r.tree.Live() && len(r.cfg.Watch) > 0
		}
	}
	return false
}

func (r *run) openWatcher() {
	w, err := r.newWatcher(filewatch.Options{})
	if err != nil {
		r.noteLimit(err)
		return
	}
	r.watcher = w
}

// noteLimit takes an error of watching. A limit makes passes look at all files more often.
func (r *run) noteLimit(err error) {
	var limit *filewatch.Limit
	switch {
	case errors.As(err, &limit):
		r.limited.Store(limit)
	case !errors.Is(err, fs.ErrNotExist) && !unreadable(err):
		r.log.Warn("a folder cannot be watched; its files are looked at in every pass", "err", err)
	}
}

// watchFolder watches a folder where watching is possible.
func (r *run) watchFolder(name string) {
	if r.watcher == nil {
		return
	}
	if err := r.watcher.Add(name); err != nil {
		r.noteLimit(err)
	}
}

// watchParent watches the folder of a watched path, so that the path itself may come and go. The root
// has none.
func (r *run) watchParent(name string) {
	if dir := path.Dir(name); dir != name && dir != "/" {
		r.watchFolder(dir)
	}
}

// passes goes through all families at the instance's interval, and through the files alone in between
// where they cannot be watched or hints were lost.
func (r *run) passes(ctx context.Context) error {
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		full := true
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			full = !time.Now().Before(next)
		case <-r.again:
			full = false
		}
		if full {
			next = time.Now().Add(r.every)
		}
		if err := r.pass(ctx, full); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wait := time.Until(next)
		if r.limited.Load() != nil {
			wait = min(wait, r.cfg.Poll)
		}
		timer.Reset(max(wait, 0))
	}
}

// pass lists the families, or the files alone.
func (r *run) pass(ctx context.Context, full bool) error {
	began := time.Now()
	s := &scan{host: r.host}
	r.names.set(s.who())
	total := 0
	for i := range r.families {
		f := &r.families[i]
		if !full && f.typ != typeFile {
			continue
		}
		n, err := r.sweep(ctx, s, f)
		if err != nil {
			return err
		}
		total += n
	}
	if full {
		r.log.Debug("pass done", "resources", total, "took", time.Since(began).Round(time.Millisecond).String())
	}
	if err := r.told.report(ctx, r.out, "", s.notes); err != nil {
		return err
	}
	return r.checkpoint(ctx)
}

// sweep lists one family and returns how many resources it has.
func (r *run) sweep(ctx context.Context, s *scan, f *family) (int, error) {
	list := f.list
	if f.typ == typeFile {
		list = r.listFiles
		// The walk tries again to watch what could not be; a limit may have been raised.
		if r.watcher != nil {
			r.limited.Store(nil)
		}
	}
	sweep, err := r.out.SweepBegin(ctx, f.typ, f.typ)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	seen := map[string]bool{}
	var sent error
	listErr := list(ctx, s, func(res resource) error {
		if seen[res.id] {
			r.log.Debug("two resources of a family have one id; the first is kept", "resource", res.id)
			return nil
		}
		seen[res.id] = true
		if res.captured.IsZero() {
			res.captured = began
		}
		sent = r.out.Item(ctx, r.item(f.typ, res))
		return sent
	})
	if sent == nil {
		sent = ctx.Err()
	}
	if sent != nil {
		// What the stream still takes is for it to say.
		return len(seen), errors.Join(sent, sweep.End(ctx, false))
	}
	if err := sweep.End(ctx, listErr == nil); err != nil {
		return len(seen), err
	}
	var notes []note
	if listErr != nil {
		detail := fmt.Sprintf("%s: %v. What is recorded stays; nothing is taken for deleted.", f.typ, listErr)
		if unreadable(listErr) {
			detail += permissionAdvice()
		}
		notes = append(notes, note{"Not everything can be read: " + f.name, detail})
	}
	if f.typ == typeFile {
		notes = append(notes, r.limitNotes()...)
		r.baselined()
	}
	return len(seen), r.told.report(ctx, r.out, f.typ, notes)
}

func (r *run) baselined() {
	select {
	case <-r.baseline:
	default:
		close(r.baseline)
	}
}

// limitNotes says which sysctl to raise where not all folders could be watched.
func (r *run) limitNotes() []note {
	limit := r.limited.Load()
	if limit == nil {
		return nil
	}
	now := r.line("/proc/sys/" + strings.ReplaceAll(limit.Sysctl, ".", "/"))
	return []note{{
		"The kernel's limit keeps folders unwatched",
		fmt.Sprintf("%s is reached (it is %s now), so that changes of files are found by looking at all of them every %s instead of at once. "+
			"Raise it, for example: sysctl -w %s=524288; and keep it in a file of /etc/sysctl.d.", limit.Sysctl, now, r.cfg.Poll, limit.Sysctl),
	}}
}

// permissionAdvice says what helps against what may not be read.
func permissionAdvice() string {
	if os.Geteuid() == 0 {
		return " The daemon runs as root, so that the machine itself confines it: as a container does, or a security module."
	}
	return " Run the daemon as root, or give it CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, to record everything."
}

// told remembers which problems were reported, so that each is reported once until it has gone away.
type told struct {
	reported map[string]map[note]bool
}

func newTold() *told { return &told{reported: map[string]map[note]bool{}} }

// report sends the problems of one source that were not there the last time.
func (t *told) report(ctx context.Context, out sdk.Emitter, source string, notes []note) error {
	before := t.reported[source]
	now := map[note]bool{}
	t.reported[source] = now
	for _, n := range notes {
		if now[n] {
			continue
		}
		now[n] = true
		if before[n] {
			continue
		}
		if err := out.Problem(ctx, sdk.Problem{Warning: true, Summary: n.summary, Detail: n.detail}); err != nil {
			return err
		}
	}
	return nil
}
