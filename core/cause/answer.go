package cause

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Describe fills in what a cause that was not looked at yet can say without events: the versions and what
// changed between them. Others stay as they are.
func (l *Linker) Describe(tx *store.Tx, r *store.CauseRow) error {
	if r.Revision > 0 {
		return nil
	}
	if r.Kind != verdict.CauseDependency {
		return nil
	}
	w := &work{row: *r, next: r.Cause}
	if err := l.prepare(tx, w); err != nil {
		return fmt.Errorf("describe cause %d: %w", r.ID, err)
	}
	r.Cause = w.next
	return nil
}

// Of returns the causes of a finding, the last first. A finding from before causes were kept, or whose
// causes were let go of, has the one that opened it, looked for on the spot.
func (l *Linker) Of(ctx context.Context, f *store.ResourceFinding) ([]verdict.Cause, error) {
	out := []verdict.Cause{}
	var w *work
	see := &seen{}
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.CausesOf(f.Resource, f.ID, keep)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := l.Describe(tx, &rows[i]); err != nil {
				return err
			}
			out = append(out, rows[i].Cause)
		}
		opened := slices.ContainsFunc(out, func(c verdict.Cause) bool { return c.Step == verdict.CauseOpened })
		if opened || f.FlippedBy == 0 {
			return nil
		}
		c := verdict.Cause{
			Finding: f.ID, Policy: f.Policy, Subject: f.Subject, Step: verdict.CauseOpened, Kind: verdict.CauseVersion,
			Outcome: verdict.NonCompliant, At: f.FirstSeen, Version: f.FlippedBy, Paths: Paths(f.Denials),
		}
		w = &work{row: store.CauseRow{Cause: c, Resource: f.Resource}, next: c}
		if err := l.prepare(tx, w); err != nil {
			return err
		}
		return readSeen(tx, see, []*work{w})
	})
	if err != nil {
		return nil, fmt.Errorf("read causes of finding %s: %w", f.ID, err)
	}
	if w != nil {
		if err := l.find(ctx, []*work{w}, see); err != nil {
			return nil, err
		}
		out = append(out, w.next)
	}
	return out, nil
}

// Paths are the places that denials name, each once.
func Paths(denials []verdict.Denial) []string {
	var out []string
	for _, d := range denials {
		if d.Path != "" && !slices.Contains(out, d.Path) {
			out = append(out, d.Path)
		}
	}
	return out
}

// Related returns the ids of the events that may belong to versions of one resource, by the version's
// number: those on the resource that succeeded and changed something, from when the version before was last
// seen until a little after the capture. versions are newest first and follow one another; before is the
// one before the last of them, nil where there is none. Of a resource with very many events in that time
// the last 10,000 are looked at.
func (l *Linker) Related(ctx context.Context, versions []*store.Current, before *store.Current) (map[int64][]string, error) {
	if len(versions) == 0 {
		return nil, nil
	}
	s := l.settings.Load()
	subjects := make([]*subject, len(versions))
	var from, to time.Time
	for i, v := range versions {
		sub := &subject{item: &v.Item, at: v.Item.CaptureTime, from: v.Item.CaptureTime.Add(-s.Before), to: v.Item.CaptureTime.Add(s.After)}
		prev := before
		if i+1 < len(versions) {
			prev = versions[i+1]
		}
		if prev != nil {
			sub.since = prev.Confirmed
		}
		sub.first = prev == nil
		subjects[i] = sub
		if from.IsZero() || sub.from.Before(from) {
			from = sub.from
		}
		if sub.to.After(to) {
			to = sub.to
		}
	}
	events, _, err := l.events(ctx, &versions[0].Item, from, to, relatedPages)
	if err != nil {
		return nil, fmt.Errorf("look for events on %s: %w", versions[0].Item.Key, err)
	}
	out := map[int64][]string{}
	for i, sub := range subjects {
		var mine []store.EventRow
		for _, e := range events {
			// What the version before was seen after is of an earlier one.
			if e.Event.ID != "" && !e.Event.Time.Before(sub.from) && !e.Event.Time.After(sub.to) && !e.Event.Time.Before(sub.since) {
				mine = append(mine, e)
			}
		}
		for _, c := range rank(sub, mine) {
			if c.Excluded == "" && !slices.Contains(out[versions[i].Version], c.ID) {
				out[versions[i].Version] = append(out[versions[i].Version], c.ID)
			}
		}
	}
	return out, nil
}
