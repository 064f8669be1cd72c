package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/store"
)

// The bounds of a call that waits for events.
const (
	followEvery  = 200 * time.Millisecond
	followLimit  = 1000
	followBudget = 50_000
)

func (s *Server) registerFollow(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/events/follow", "followEvents", "Events as they are recorded, in the order of their numbers", func(ctx context.Context, in *struct {
		EventQuery
		After string `query:"after" doc:"The number after which to begin: next of the call before. Where it is empty the answer only says from where to go on."`
		Wait  int    `query:"wait" minimum:"0" maximum:"60" default:"25" doc:"How many seconds to wait for an event that matches."`
	},
	) (List[Event], error) {
		out := List[Event]{Items: []Event{}}
		if in.After == "" {
			last, err := view(ctx, s.b.Store, func(tx *store.Tx) (int64, error) { return tx.LastEvent() })
			out.Next = strconv.FormatInt(last, 10)
			return out, err
		}
		after, err := strconv.ParseInt(in.After, 10, 64)
		if err != nil || after < 0 {
			return out, refusedf("after %q is not the number of an event", in.After)
		}
		f := in.filter()
		text := store.NewText(f.Text)
		over := time.NewTimer(time.Duration(in.Wait) * time.Second)
		defer over.Stop()
		for scanned := 0; ; {
			page, err := s.b.EventsAfter(ctx, after, followLimit)
			if err != nil {
				return out, err
			}
			for i := range page {
				r := &page[i]
				after = r.Number
				if f.Matches(&r.Event) && text.In(r.Event.Body) {
					out.Items = append(out.Items, shownEvent(r))
				}
			}
			scanned += len(page)
			out.Next = strconv.FormatInt(after, 10)
			if len(out.Items) > 0 || scanned >= followBudget {
				return out, nil
			}
			if len(page) > 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return out, ctx.Err()
			case <-over.C:
				return out, nil
			case <-time.After(followEvery):
			}
		}
	})
}
