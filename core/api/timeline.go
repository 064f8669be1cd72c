package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Happening is one entry of a resource's timeline: exactly one of Version, Verdict and Event is there.
type Happening struct {
	At       time.Time        `json:"at"`
	Received time.Time        `json:"received"`
	Version  *Version         `json:"version,omitempty"`
	Verdict  *verdict.Verdict `json:"verdict,omitempty"`
	Event    *Event           `json:"event,omitempty"`
}

// rank orders what has the same time: an event makes a version, and that a verdict.
func (h *Happening) rank() int {
	switch {
	case h.Event != nil:
		return 0
	case h.Version != nil:
		return 1
	}
	return 2
}

func (s *Server) registerTimeline(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/resource/timeline", "resourceTimeline", "What happened to a resource: versions, verdicts and events, the last first", func(ctx context.Context, in *struct {
		Type    string `query:"type" doc:"The resource type."`
		ID      string `query:"id" required:"true" doc:"The resource's id, name or ARN."`
		Account string `query:"account"`
		Region  string `query:"region"`
		KnownAt string `query:"knownAt" doc:"Only what had been received by this time."`
		Paging
	},
	) (List[Happening], error) {
		known, err := when("knownAt", in.KnownAt)
		if err != nil {
			return List[Happening]{}, err
		}
		// What is told of the future is part of it.
		before := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		if in.After != "" {
			if before, err = record.ParseTime(in.After); err != nil {
				return List[Happening]{}, refusedf("after %q is not a place in this list", in.After)
			}
		}
		var c *store.Current
		var all []Happening
		// full says of a source that it has more, from this time back.
		var full time.Time
		more := func(oldest time.Time) {
			if oldest.After(full) {
				full = oldest
			}
		}
		err = s.b.Store.View(ctx, func(tx *store.Tx) (err error) {
			if c, err = find(tx, in.Type, in.ID, in.Account, in.Region); err != nil {
				return err
			}
			versions, err := tx.VersionsBefore(c.Resource, before, in.Limit)
			if err != nil {
				return err
			}
			for _, v := range versions {
				entry := &Version{Resource: shown(v)}
				was, err := tx.Before(v)
				if err != nil {
					return err
				}
				if was != nil {
					if entry.Patch, err = store.Diff(was.Item.Body, v.Item.Body); err != nil {
						return err
					}
				}
				all = append(all, Happening{At: v.Item.CaptureTime, Received: v.Received, Version: entry})
			}
			if n := len(versions); n >= in.Limit {
				more(versions[n-1].Item.CaptureTime)
			}
			changes, err := tx.VerdictHistory(c.Resource, before, in.Limit)
			for i := range changes {
				all = append(all, Happening{At: changes[i].At, Received: changes[i].Received, Verdict: &changes[i].Verdict})
			}
			if n := len(changes); n >= in.Limit {
				more(changes[n-1].At)
			}
			return err
		})
		if err != nil {
			return List[Happening]{}, err
		}
		events, oldest, err := s.eventsOn(ctx, c, before, in.Limit)
		if err != nil {
			return List[Happening]{}, err
		}
		all = append(all, events...)
		more(oldest)
		all = slices.DeleteFunc(all, func(h Happening) bool { return h.At.Before(full) || !known.IsZero() && h.Received.After(known) })
		slices.SortStableFunc(all, func(a, b Happening) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.rank(), a.rank())) })
		out := List[Happening]{Items: []Happening{}}
		for i := range all {
			// All of one time stand on one page.
			if len(out.Items) >= in.Limit && !all[i].At.Equal(out.Items[len(out.Items)-1].At) {
				full = out.Items[len(out.Items)-1].At
				break
			}
			out.Items = append(out.Items, all[i])
		}
		if !full.IsZero() {
			out.Next = record.FormatTime(full)
		}
		return out, nil
	})
}

// eventsOn looks up the events on a resource before a time by its id, its name and its ARN, about limit of
// each; oldest is from when on they are all there, zero where there are no others.
func (s *Server) eventsOn(ctx context.Context, c *store.Current, before time.Time, limit int) (out []Happening, oldest time.Time, err error) {
	names := []string{c.Item.ResourceID}
	for _, n := range []string{c.Item.ResourceName, c.Item.ARN} {
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	seen := map[int64]bool{}
	for _, name := range names {
		f := store.EventFilter{Resource: name, ResourceType: c.Item.ResourceType, To: before, Limit: limit}
		for n := 0; ; {
			page, next, err := s.b.Events(ctx, f)
			if err != nil {
				return nil, oldest, err
			}
			for i := range page {
				// A target may bear both the id and the name.
				if r := &page[i]; !seen[r.Number] {
					seen[r.Number] = true
					ev := shownEvent(r)
					out = append(out, Happening{At: r.Event.Time, Received: r.Received, Event: &ev})
				}
			}
			if n += len(page); next == "" {
				break
			}
			if n >= limit && f.From.IsZero() {
				// The rest of this time is wanted still.
				f.From = page[len(page)-1].Event.Time
				if f.From.After(oldest) {
					oldest = f.From
				}
			}
			f.After = next
		}
	}
	return out, oldest, nil
}
