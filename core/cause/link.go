package cause

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

const (
	// reach is how far back events are looked for where the version before was last seen long ago: the
	// change was made some time since then.
	reach = 24 * time.Hour
	// pageLen and pages bound how many events are looked at for one name of a resource, the last ones.
	pageLen = 250
	pages   = 4
	// relatedPages is the same where the versions of a page of history are looked at together.
	relatedPages = 40
	// maxChanges and maxValue bound what a cause repeats of the fields that changed.
	maxChanges = 50
	maxValue   = 2 << 10
)

// work is a cause that is being linked.
type work struct {
	row     store.CauseRow
	subject *subject
	// watch is set where events are to be waited for on another resource or of another time than before.
	watch *store.CauseWatch
	next  verdict.Cause
	// failed is true where the versions could not be read.
	failed bool
}

// step links the causes that are due. It reports whether there may be more, and when the next is due.
func (l *Linker) step(ctx context.Context) (busy bool, next time.Time, err error) {
	now := l.o.Now().UTC().Truncate(time.Microsecond)
	var all []*work
	see := &seen{}
	err = l.o.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.CausesDue(now, chunk)
		if err != nil {
			return err
		}
		for i := range rows {
			w := &work{row: rows[i], next: rows[i].Cause}
			if err := l.prepare(tx, w); err != nil {
				// One that cannot be read holds up no other.
				l.o.Log.Error("a cause cannot be linked; it is tried again", "finding", w.row.Finding, "in", again, "err", err)
				w.failed = true
			}
			all = append(all, w)
		}
		if len(all) == 0 {
			at, any, err := tx.NextCause()
			if any {
				next = at
			}
			return err
		}
		return readSeen(tx, see, all)
	})
	if err != nil {
		return false, time.Time{}, fmt.Errorf("read causes: %w", err)
	}
	if len(all) > 0 {
		if err := l.find(ctx, all, see); err != nil {
			return false, time.Time{}, err
		}
	}
	if len(all) == 0 && now.Sub(l.lastTidy()) < tidy {
		return false, next, nil
	}
	if err := l.write(ctx, all, now); err != nil {
		return false, time.Time{}, err
	}
	if len(all) > 0 && len(all) < chunk {
		// What is due next is left to gather: each step is a transaction that others wait for.
		next = l.o.Now().Add(settleDelay)
	}
	return len(all) == chunk, next, nil
}

// readSeen reads who sends events, and in which gaps they were.
func readSeen(tx *store.Tx, see *seen, all []*work) (err error) {
	if see.sources, err = readSources(tx); err != nil {
		return err
	}
	var from time.Time
	for _, w := range all {
		if w.subject != nil && !w.failed && (from.IsZero() || w.next.From.Before(from)) {
			from = w.next.From
		}
	}
	see.gaps, err = tx.Gaps(from)
	return err
}

// prepare finds the versions and what changed between them.
func (l *Linker) prepare(tx *store.Tx, w *work) error {
	c := &w.next
	var v *store.Current
	var err error
	if c.Kind == verdict.CauseDependency {
		if v, err = other(tx, c); err != nil || v == nil {
			return err
		}
		c.Other = &verdict.OtherResource{Subject: verdict.Subject(v.Item.Key), Version: v.Version, At: v.Item.CaptureTime}
	} else if v, err = tx.Version(c.Version); err != nil || v == nil {
		return err
	}
	w.subject = &subject{item: &v.Item, at: v.Item.CaptureTime}
	sub := w.subject
	if c.Kind == verdict.CauseDependency || c.ID == 0 {
		// What changed was not at hand when this was written down.
		before, err := tx.Before(v)
		if err != nil {
			return err
		}
		if err := compare(c, l.settings.Load(), &v.Item, before); err != nil {
			return err
		}
	}
	sub.first, sub.since = c.Before == 0 && (c.Other == nil || c.Other.Before == 0), c.Since
	sub.from, sub.to, sub.changes = c.From, c.To, c.Changes
	if w.row.Watched != v.Resource || !c.From.Equal(w.row.From) || !c.To.Equal(w.row.To) {
		w.row.Watched = v.Resource
		watch := watchOf(&store.CauseRow{Cause: *c}, v.Resource, &v.Item)
		w.watch = &watch
	}
	return nil
}

// compare fills in what changed between two versions, and between when events are looked for.
func compare(c *verdict.Cause, s *Settings, now *record.Item, before *store.Current) error {
	at := now.CaptureTime
	c.From, c.To = at.Add(-s.Before), at.Add(s.After)
	c.Changes, c.MoreChanges, c.Since = nil, 0, time.Time{}
	if before == nil {
		return nil
	}
	c.Since = before.Confirmed
	if c.Since.Before(c.From) {
		c.From = c.Since
		if least := at.Add(-max(reach, s.Before)); c.From.Before(least) {
			c.From = least
		}
	}
	if c.Other != nil {
		c.Other.Before = before.Version
	} else {
		c.Before = before.Version
	}
	var err error
	c.Changes, c.MoreChanges, err = changes(&before.Item, now, c.Paths)
	return err
}

// other finds the version of another resource whose change the verdict's look-ups tell of.
func other(tx *store.Tx, c *verdict.Cause) (*store.Current, error) {
	for _, read := range c.Reads {
		var found *store.Current
		if read.ResourceID == "" {
			// The whole type was read: the one that changed last is the one.
			all, err := tx.Resources(store.ResourceFilter{Type: read.ResourceType, Gone: true, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(all) > 0 {
				found = all[0]
			}
		} else {
			all, err := tx.Named(read.ResourceType, read.ResourceID)
			if err != nil {
				return nil, err
			}
			near := -1
			for _, r := range all {
				n := 0
				if r.Item.AccountID == c.Subject.AccountID || r.Item.AccountID == read.AccountID {
					n += 2
				}
				if r.Item.Region == c.Subject.Region || r.Item.Region == read.Region {
					n++
				}
				if n > near {
					found, near = r, n
				}
			}
		}
		if found == nil {
			continue
		}
		if read.Found && read.ResourceID != "" && found.Item.Hash.String() != read.Hash {
			// It has changed again meanwhile.
			versions, err := tx.Versions(found.Resource, 50, 0)
			if err != nil {
				return nil, err
			}
			for _, v := range versions {
				if hex.EncodeToString(v.Item.Hash[:]) == read.Hash {
					return v, nil
				}
			}
		}
		return found, nil
	}
	return nil, nil
}

// changes are the fields that differ, those at paths first. Of a resource that is gone only that is told.
func changes(before, now *record.Item, paths []string) ([]verdict.FieldChange, int, error) {
	ops, err := store.Diff(before.Body, now.Body)
	if err != nil {
		return nil, 0, err
	}
	var out []verdict.FieldChange
	for _, op := range ops {
		top, _, _ := strings.Cut(strings.TrimPrefix(op.Path, "/"), "/")
		status := top == "configurationItemStatus"
		if status && before.Status.Recorded() == now.Status.Recorded() || !status && (record.Bookkeeping(top) || !now.Status.Recorded()) {
			continue
		}
		f := verdict.FieldChange{Op: op.Op, Path: op.Path, Old: op.Old, Value: op.Value}
		if len(f.Old) > maxValue {
			f.Old, f.Cut = nil, true
		}
		if len(f.Value) > maxValue {
			f.Value, f.Cut = nil, true
		}
		out = append(out, f)
	}
	named := func(f *verdict.FieldChange) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return within(f.Path, p) || within(p, f.Path) })
	}
	slices.SortStableFunc(out, func(a, b verdict.FieldChange) int {
		switch x, y := named(&a), named(&b); {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	})
	if n := len(out) - maxChanges; n > 0 {
		return out[:maxChanges], n, nil
	}
	return out, 0, nil
}

// within reports whether a JSON pointer leads to another one or into it.
func within(path, root string) bool {
	return root != "" && (path == root || strings.HasPrefix(path, root+"/"))
}

// find looks for the events of each cause. Findings that one version changed share a look.
func (l *Linker) find(ctx context.Context, all []*work, see *seen) error {
	type look struct {
		resource int64
		from, to time.Time
	}
	type found struct {
		events []store.EventRow
		cut    bool
	}
	looked := map[look]found{}
	var from, to time.Time
	for _, w := range all {
		if w.subject == nil || w.failed {
			continue
		}
		if from.IsZero() || w.subject.from.Before(from) {
			from = w.subject.from
		}
		if w.subject.to.After(to) {
			to = w.subject.to
		}
	}
	none := from.IsZero()
	if !none {
		// A first listing makes many causes at a time of which there is no event at all.
		page, _, err := l.o.Events.Events(ctx, store.EventFilter{From: from, To: to.Add(time.Microsecond), Limit: 1})
		if err != nil {
			return fmt.Errorf("look for events: %w", err)
		}
		none = len(page) == 0
	}
	for _, w := range all {
		if w.failed {
			continue
		}
		c := &w.next
		c.Actor, c.Origin, c.Event, c.Candidates = nil, nil, nil, nil
		if w.subject == nil {
			if c.Kind == verdict.CauseVersion {
				c.Text = "the version that did it is past its retention"
			} else {
				c.Text = linkedText(c, see)
			}
			continue
		}
		k := look{w.row.Watched, w.subject.from, w.subject.to}
		f, done := looked[k]
		if !done && !none {
			var err error
			if f.events, f.cut, err = l.events(ctx, w.subject.item, w.subject.from, w.subject.to, pages); err != nil {
				return fmt.Errorf("look for events on %s: %w", w.subject.item.Key, err)
			}
			looked[k] = f
		}
		name(c, rank(w.subject, f.events))
		c.Text = linkedText(c, &seen{sources: see.sources, gaps: see.gaps, cut: f.cut})
	}
	return nil
}

// name puts candidates into a cause, and the best of those that are possible before it.
func name(c *verdict.Cause, candidates []verdict.Candidate) {
	c.Candidates = candidates
	if len(candidates) == 0 || candidates[0].Excluded != "" {
		return
	}
	best := candidates[0]
	event := best.CauseEvent
	c.Event = &event
	if best.Actor.ID != "" || best.Actor.Name != "" {
		c.Actor = &best.Actor
	}
	if best.Origin != (verdict.Origin{}) {
		c.Origin = &best.Origin
	}
}

// events looks for the events on a resource between two times, by each of its names.
func (l *Linker) events(ctx context.Context, it *record.Item, from, to time.Time, pages int) (out []store.EventRow, cut bool, err error) {
	names := []string{it.ResourceID}
	for _, n := range []string{it.ResourceName, it.ARN} {
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	known := map[int64]bool{}
	for _, n := range names {
		f := store.EventFilter{Resource: n, From: from, To: to.Add(time.Microsecond), Limit: pageLen}
		for page := 0; ; page++ {
			if page == pages {
				cut = true
				break
			}
			rows, next, err := l.o.Events.Events(ctx, f)
			if err != nil {
				return nil, false, err
			}
			for _, r := range rows {
				// A target may bear both the id and the name.
				if !known[r.Number] {
					known[r.Number] = true
					out = append(out, r)
				}
			}
			if next == "" {
				break
			}
			f.After = next
		}
	}
	return out, cut, nil
}

// write writes what was found, and lets go of what is waited for no longer.
func (l *Linker) write(ctx context.Context, all []*work, now time.Time) error {
	told := false
	tell := l.settings.Load().Tell
	err := l.o.Store.Update(ctx, func(tx *store.Tx) error {
		told = false
		for _, w := range all {
			t, err := l.writeOne(tx, w, now, tell)
			if err != nil {
				return err
			}
			told = told || t
		}
		if now.Sub(l.tidied) >= tidy {
			if err := tx.ForgetCauseWatches(now); err != nil {
				return err
			}
			tx.OnCommit(func() { l.index.expire(now.UnixMicro()); l.tidied = now; l.tidyAt.Store(now.UnixMicro()) })
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write causes: %w", err)
	}
	if told {
		l.o.Told()
	}
	return nil
}

func (l *Linker) writeOne(tx *store.Tx, w *work, now time.Time, tell bool) (told bool, err error) {
	old := w.row.Cause
	row := w.row
	if w.failed {
		row.Due = now.Add(again)
		return false, tx.PutCause(&row, false)
	}
	row.Cause = w.next
	settled := !now.Before(row.Until)
	room := true
	if w.watch != nil && !settled {
		if room, err = l.watch(tx, *w.watch); err != nil {
			return false, err
		}
	} else if !settled && row.Watched != 0 {
		_, known := l.index.watches[row.Watched]
		_, fresh := l.fresh[row.Watched]
		room = known || fresh && l.tx == tx
	}
	switch {
	case settled:
		row.Due = time.Time{}
	case w.watch != nil && room:
		// An event may have been committed between the look and this.
		row.Due = now.Add(settleDelay)
	case room:
		row.Due = row.Until
	default:
		row.Due = now.Add(again)
		if row.Until.Before(row.Due) {
			row.Due = row.Until
		}
	}
	revised := old.Revision == 0 || !same(&old, &row.Cause)
	if revised {
		row.Revision = old.Revision + 1
	}
	if err := tx.PutCause(&row, revised); err != nil {
		return false, err
	}
	if row.Watched != 0 {
		tx.OnCommit(func() {
			if in, ok := l.index.watches[row.Watched]; ok {
				in.looked = now.UnixMicro()
				l.index.watches[row.Watched] = in
			}
		})
	}
	if tell && revised && row.Actor != nil && old.Actor == nil {
		told, err = true, l.tell(tx, &row, now)
		if err != nil {
			return false, err
		}
	}
	if settled {
		if !told {
			if err := tx.ForgetCauseTold(row.ID); err != nil {
				return false, err
			}
		}
		if _, err := tx.TrimCauses(row.Resource, row.Finding, keep); err != nil {
			return false, err
		}
	}
	return told, nil
}

// same reports whether a look brought nothing new.
func same(a, b *verdict.Cause) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// tell has routing told that an actor became known.
func (l *Linker) tell(tx *store.Tx, r *store.CauseRow, now time.Time) error {
	f, err := tx.FindingByID(r.Finding)
	if err != nil || f == nil {
		return err
	}
	data, err := json.Marshal(f.Finding)
	if err != nil {
		return fmt.Errorf("describe finding %s: %w", r.Finding, err)
	}
	subject := r.Subject
	_, err = tx.AddChange(verdict.Change{
		Class: verdict.ClassCause, At: now, RecordedAt: r.Cause.At, Key: r.Finding, Policy: r.Policy, Severity: f.Severity, Title: f.Title,
		Message: r.Text, Resource: &subject, Account: subject.AccountID, Labels: f.Labels, New: string(f.Outcome),
		Active: f.Status == verdict.Open && f.Waiver == "", Cause: r.ID, Data: data,
	})
	return err
}
