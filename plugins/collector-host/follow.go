package main

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/regent-dev/regent/plugins/collector-host/internal/filewatch"
	"github.com/regent-dev/regent/sdk"
)

// How a change was found.
const (
	detectedByInotify    = "inotify"
	detectedByComparison = "comparison"
)

// follow turns hints about watched files into their items and events.
func (r *run) follow(ctx context.Context) error {
	// Until all files were looked at once, every hint would be about a file that looks new.
	select {
	case <-ctx.Done():
		return nil
	case <-r.baseline:
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-r.watcher.Batches():
			if err := r.batch(ctx, b); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
	}
}

// batch looks at the files that hints name.
func (r *run) batch(ctx context.Context, b filewatch.Batch) error {
	if b.Lost {
		if err := r.out.Gap(ctx, b.From, b.To, "inotify lost events about watched files; all files are compared with what was known"); err != nil {
			return err
		}
		r.lookAgain()
	}
	looks := map[string]*observed{}
	var folders []string
	for name := range b.Hints {
		if r.lookAt(name, looks) {
			folders = append(folders, name)
		}
	}
	// New folders come after everything that is gone was forgotten: a folder that moved has one watch
	// under two names, and forgetting the old name ends it.
	w := &walk{run: r, seen: map[string]*observed{}}
	for _, name := range folders {
		if err := w.tree(ctx, name, false); err != nil {
			return err
		}
	}
	if len(folders) > 0 && r.limited.Load() != nil {
		r.lookAgain() // which says so, and goes on to look more often
	}
	for name, o := range w.seen {
		looks[name] = o
	}
	names := make([]string, 0, len(looks))
	for n := range looks {
		names = append(names, n)
	}
	r.owners.look(ctx, names, true)
	return r.tell(ctx, r.files.apply(looks, b.Hints, time.Now()), detectedByInotify, true)
}

// lookAt looks at one path, and at everything that was below it where it is no longer what it was.
// inotify tells nothing of what was in a folder that was moved away, nor of what is in one that was not
// watched yet: it reports whether the path is such a folder, to be gone through.
func (r *run) lookAt(name string, looks map[string]*observed) (folder bool) {
	if !r.watched(name) {
		return false
	}
	o, err := r.observe(name)
	if err != nil && !errors.Is(err, errGone) {
		r.log.Debug("a watched file cannot be looked at", "resource", name, "err", err)
		return false
	}
	looks[name] = o
	known, same := r.files.has(name, o)
	if known && !same {
		r.watcher.Forget(name)
		for _, below := range r.files.below(name) {
			r.watcher.Forget(below)
			if o, err := r.observe(below); err == nil || errors.Is(err, errGone) {
				looks[below] = o
			}
		}
	}
	return o != nil && o.conf.Type == "directory" && !same
}

// tell sends the events of changes of watched files, and their items where no sweep does.
func (r *run) tell(ctx context.Context, changes []change, detectedBy string, items bool) error {
	for _, c := range changes {
		if items {
			if err := r.tellItems(ctx, c); err != nil {
				return err
			}
		}
		if c.after == nil {
			r.sums.forget(c.name)
		}
		if !r.watched(c.name) && (c.from == "" || !r.watched(c.from)) {
			continue
		}
		for _, e := range r.events(c, detectedBy) {
			if err := r.out.Event(ctx, e); err != nil {
				return err
			}
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return r.out.Flush(ctx)
}

func (r *run) tellItems(ctx context.Context, c change) error {
	if c.after != nil {
		if err := r.out.Item(ctx, r.item(typeFile, r.fileResource(c.after))); err != nil {
			return err
		}
	}
	gone := ""
	switch {
	case c.from != "":
		gone = c.from
	case c.after == nil && c.before != nil:
		gone = c.name
	}
	if gone == "" {
		return nil
	}
	last := c.before
	if c.from != "" {
		last = c.after
	}
	conf := last.conf
	conf.Path = printable(gone)
	return r.out.Item(ctx, sdk.Item{
		AccountID: r.account, Region: region, ResourceType: typeFile, ResourceID: conf.Path, ResourceName: path.Base(conf.Path),
		CaptureTime: time.Now(), Status: sdk.StatusDeleted, Configuration: conf,
	})
}

// events says what a change was: one event for each action, because a policy asks for an action.
func (r *run) events(c change, detectedBy string) []sdk.Event {
	detail := fileChange{Path: printable(c.name), From: printable(c.from), Changes: []string{}, DetectedBy: detectedBy, Transient: c.transient}
	if c.before != nil {
		detail.Before = &c.before.conf
	}
	if c.after != nil {
		detail.After = &c.after.conf
	}
	one := func(action string, changes []string) sdk.Event {
		d := detail
		d.Changes = append(d.Changes, changes...)
		return r.event(action, c.at, d)
	}
	switch {
	case c.transient:
		return []sdk.Event{one(actionCreate, nil), one(actionDelete, nil)}
	case c.from != "":
		return []sdk.Event{one(actionRename, []string{"path"})}
	case c.before == nil:
		return []sdk.Event{one(actionCreate, nil)}
	case c.after == nil:
		return []sdk.Event{one(actionDelete, nil)}
	}
	content, mode, owner := differences(c.before, c.after)
	var out []sdk.Event
	if len(content) > 0 {
		out = append(out, one(actionModify, content))
	}
	if len(mode) > 0 {
		out = append(out, one(actionChmod, mode))
	}
	if len(owner) > 0 {
		out = append(out, one(actionChown, owner))
	}
	return out
}
