package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// body is an answer.
type body[T any] struct{ Body T }

// Paging is what every list takes.
type Paging struct {
	Limit int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many entries to return."`
	After string `query:"after" doc:"Where to go on: next of the page before."`
}

// refused is an error of the request: it says what its maker can mend.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

func refusedf(format string, args ...any) error { return refused{fmt.Errorf(format, args...)} }

// operation registers one call. The role is checked before fn runs; what fn returns as unknown becomes
// 404, as refused 422, and everything else is the daemon's own trouble: 500.
func operation[I, O any](api huma.API, role Role, method, path, id, summary string, fn func(context.Context, *I) (O, error)) {
	huma.Register(api, huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary}, func(ctx context.Context, in *I) (*body[O], error) {
		if c := callerOf(ctx); c.role < role {
			return nil, huma.Error403Forbidden("the token's role does not allow this")
		}
		out, err := fn(ctx, in)
		switch {
		case err == nil:
			return &body[O]{out}, nil
		case errors.Is(err, errUnknown):
			return nil, huma.Error404NotFound(err.Error())
		case ctx.Err() != nil:
			return nil, huma.Error408RequestTimeout("the caller went away")
		}
		var fault refused
		if errors.As(err, &fault) {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return nil, huma.Error500InternalServerError("the daemon cannot answer: " + err.Error())
	})
}

func view[T any](ctx context.Context, s *store.Store, fn func(tx *store.Tx) (T, error)) (out T, err error) {
	err = s.View(ctx, func(tx *store.Tx) (err error) { out, err = fn(tx); return err })
	return out, err
}

func number(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, refusedf("after %q is not a place in this list", s)
	}
	return n, nil
}

func when(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := record.ParseTime(s)
	if err != nil {
		return t, refusedf("%s: %w", name, err)
	}
	return t, nil
}

// audited runs a call that changes something and records who made it, whether it succeeded or not.
func (s *Server) audited(ctx context.Context, action, target string, fn func() error) error {
	c := callerOf(ctx)
	err := fn()
	// What has been done is recorded though the caller has gone meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditLimit)
	defer cancel()
	if auditErr := s.b.Audit(ctx, Audit{Action: action, Actor: c.name, Address: c.address, Target: target, Err: err}); auditErr != nil && err == nil {
		return fmt.Errorf("done, but not recorded: %w", auditErr)
	}
	return err
}

// auditLimit bounds how long a call waits for being recorded: a daemon that stops records no more.
const auditLimit = 10 * time.Second

type done struct {
	Done string `json:"done"`
}

func (s *Server) register(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/status", "status", "Everything at a glance", func(ctx context.Context, _ *struct{}) (Status, error) {
		return s.b.Status(ctx)
	})
	operation(api, RoleRead, http.MethodGet, "/v1/plugins", "listPlugins", "Plugin instances", func(context.Context, *struct{}) ([]Instance, error) {
		return s.b.Instances(), nil
	})
	operation(api, RoleOperate, http.MethodPost, "/-/reload", "reload", "Read configuration and policies again", func(ctx context.Context, _ *struct{}) (Generation, error) {
		err := s.audited(ctx, "regent:Reload", "", func() error {
			err := s.b.Reload(ctx)
			if err != nil {
				// The files are what whoever asks can mend.
				err = refused{err}
			}
			return err
		})
		return s.b.Generation(), err
	})
	s.registerResources(api)
	s.registerFindings(api)
	s.registerEvents(api)
	s.registerAlarms(api)
	s.registerDeliveries(api)
	s.registerChannels(api)
	s.registerLake(api)
	s.registerSQL(api)
	s.registerModules(api)
	s.registerVerify(api)
	s.registerCompliance(api)
	s.registerTimeline(api)
}

// ResourceQuery names a resource.
type ResourceQuery struct {
	Type    string `query:"type" doc:"The resource type."`
	ID      string `query:"id" required:"true" doc:"The resource's id, name or ARN."`
	Account string `query:"account"`
	Region  string `query:"region"`
	At      string `query:"at" doc:"A version number, a time, current or previous."`
	KnownAt string `query:"knownAt" doc:"Only what had been received by this time."`
}

func (s *Server) registerResources(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/resources", "listResources", "Resources, latest change first", func(ctx context.Context, in *struct {
		Paging
		Type    string `query:"type" doc:"Resource type; * and ? stand for anything."`
		ID      string `query:"id"`
		Account string `query:"account"`
		Region  string `query:"region"`
		Tag     string `query:"tag" doc:"key or key=value"`
		Gone    bool   `query:"gone" doc:"Include resources that exist no more."`
		Moment
	},
	) (List[Resource], error) {
		after, err := number(in.After)
		if err != nil {
			return List[Resource]{}, err
		}
		at, known, asked, err := in.times()
		if err != nil {
			return List[Resource]{}, err
		}
		return view(ctx, s.b.Store, func(tx *store.Tx) (List[Resource], error) {
			out := List[Resource]{Items: []Resource{}}
			f := store.ResourceFilter{Type: in.Type, ID: in.ID, Account: in.Account, Region: in.Region, Tag: in.Tag, Gone: in.Gone, After: after, Limit: in.Limit}
			st, err := newStaleness(tx, at)
			if err != nil {
				return out, err
			}
			var page []*store.Current
			var next int64
			if asked {
				page, next, err = tx.ResourcesAt(f, at, known, after)
			} else {
				page, err = tx.Resources(f)
				if len(page) == in.Limit {
					next = page[len(page)-1].Version
				}
			}
			for _, c := range page {
				r := shown(c)
				if err == nil {
					r.Stale, err = st.of(c.Resource)
				}
				out.Items = append(out.Items, r)
			}
			if next > 0 {
				out.Next = strconv.FormatInt(next, 10)
			}
			return out, err
		})
	})
	operation(api, RoleRead, http.MethodGet, "/v1/resource", "getResource", "One resource with all that is known of it", func(ctx context.Context, in *ResourceQuery) (ResourceDetail, error) {
		var v, before *store.Current
		d, err := view(ctx, s.b.Store, func(tx *store.Tx) (ResourceDetail, error) {
			c, err := find(tx, in.Type, in.ID, in.Account, in.Region)
			if err != nil {
				return ResourceDetail{}, err
			}
			if v, err = in.version(tx, c, in.At); err != nil {
				return ResourceDetail{}, err
			}
			if before, err = tx.Before(v); err != nil {
				return ResourceDetail{}, err
			}
			if in.At == "" && in.KnownAt == "" {
				return detail(tx, c)
			}
			return in.detailAt(tx, v)
		})
		if err == nil {
			err = s.relate(ctx, []*Resource{&d.Resource}, []*store.Current{v}, before)
		}
		return d, err
	})
	operation(api, RoleRead, http.MethodGet, "/v1/resource/history", "resourceHistory", "The versions of a resource, newest first", func(ctx context.Context, in *struct {
		ResourceQuery
		Paging
	},
	) (List[Version], error) {
		offset, err := number(in.After)
		if err != nil {
			return List[Version]{}, err
		}
		var versions []*store.Current
		out, err := view(ctx, s.b.Store, func(tx *store.Tx) (List[Version], error) {
			out := List[Version]{Items: []Version{}}
			c, err := find(tx, in.Type, in.ID, in.Account, in.Region)
			if err != nil {
				return out, err
			}
			versions, err = tx.Versions(c.Resource, in.Limit+1, int(offset))
			if err != nil {
				return out, err
			}
			for i, v := range versions {
				if i == in.Limit {
					out.Next = strconv.FormatInt(offset+int64(in.Limit), 10)
					break
				}
				entry := Version{Resource: shown(v)}
				if i+1 < len(versions) {
					if entry.Patch, err = store.Diff(versions[i+1].Item.Body, v.Item.Body); err != nil {
						return out, err
					}
				}
				out.Items = append(out.Items, entry)
			}
			return out, nil
		})
		if err != nil {
			return out, err
		}
		var before *store.Current
		if len(versions) > in.Limit {
			before, versions = versions[in.Limit], versions[:in.Limit]
		}
		shown := make([]*Resource, len(out.Items))
		for i := range out.Items {
			shown[i] = &out.Items[i].Resource
		}
		return out, s.relate(ctx, shown, versions, before)
	})
	operation(api, RoleRead, http.MethodGet, "/v1/resource/diff", "resourceDiff", "The difference of two versions as a JSON Patch", func(ctx context.Context, in *struct {
		ResourceQuery
		From string `query:"from" default:"previous" doc:"A version number, a time, current or previous."`
		To   string `query:"to" default:"current"`
	},
	) (Version, error) {
		return view(ctx, s.b.Store, func(tx *store.Tx) (Version, error) {
			c, err := find(tx, in.Type, in.ID, in.Account, in.Region)
			if err != nil {
				return Version{}, err
			}
			from, err := in.version(tx, c, in.From)
			if err != nil {
				return Version{}, err
			}
			to, err := in.version(tx, c, in.To)
			if err != nil {
				return Version{}, err
			}
			patch, err := store.Diff(from.Item.Body, to.Item.Body)
			if patch == nil {
				patch = []store.Op{}
			}
			return Version{Resource: shown(to), Patch: patch}, err
		})
	})
	operation(api, RoleOperate, http.MethodPost, "/v1/sweeps/confirm", "confirmSweep", "Let a held sweep take effect", func(ctx context.Context, in *struct {
		Instance string `query:"instance" required:"true"`
		Scope    string `query:"scope" required:"true"`
	},
	) (done, error) {
		err := s.audited(ctx, "regent:ConfirmSweep", in.Instance+" "+in.Scope, func() error {
			found, err := s.b.Confirm(ctx, record.Instance(in.Instance), in.Scope)
			if err == nil && !found {
				err = fmt.Errorf("held sweep of %s, scope %q: %w", in.Instance, in.Scope, errUnknown)
			}
			return err
		})
		return done{"confirmed"}, err
	})
}

func (s *Server) registerFindings(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/findings", "listFindings", "Findings, newest first", func(ctx context.Context, in *struct {
		Paging
		Status   string `query:"status" enum:"OPEN,RESOLVED," doc:"OPEN or RESOLVED."`
		Severity string `query:"severity"`
		Policy   string `query:"policy" doc:"Policy id; * and ? stand for anything."`
		Type     string `query:"type"`
		Resource string `query:"resource"`
		Account  string `query:"account"`
		Waived   string `query:"waived" enum:"true,false,"`
	},
	) (List[FoundFinding], error) {
		before, err := number(in.After)
		if err != nil {
			return List[FoundFinding]{}, err
		}
		f := store.FindingFilter{
			Status: in.Status, Severity: in.Severity, Policy: in.Policy, Type: in.Type, Resource: in.Resource,
			Account: in.Account, Before: before, Limit: in.Limit,
		}
		if in.Waived != "" {
			w := in.Waived == "true"
			f.Waived = &w
		}
		return view(ctx, s.b.Store, func(tx *store.Tx) (List[FoundFinding], error) {
			out := List[FoundFinding]{Items: []FoundFinding{}}
			st, err := newStaleness(tx, time.Time{})
			if err != nil {
				return out, err
			}
			page, err := tx.Findings(f)
			for _, r := range page {
				found := FoundFinding{Finding: r.Finding}
				if err == nil {
					found.Stale, err = st.of(r.Resource)
				}
				out.Items = append(out.Items, found)
			}
			if len(page) == in.Limit {
				out.Next = strconv.FormatInt(page[len(page)-1].Row, 10)
			}
			return out, err
		})
	})
	operation(api, RoleRead, http.MethodGet, "/v1/findings/{id}", "getFinding", "One finding with what changed it, and who", func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) (FindingDetail, error) {
		var gap *Gap
		f, err := view(ctx, s.b.Store, func(tx *store.Tx) (*store.ResourceFinding, error) {
			f, err := tx.FindingByID(in.ID)
			if err == nil && f == nil {
				err = fmt.Errorf("finding %s: %w", in.ID, errUnknown)
			}
			if err == nil {
				gap, err = stale(tx, f.Resource)
			}
			return f, err
		})
		if err != nil {
			return FindingDetail{}, err
		}
		return s.explained(ctx, f, gap)
	})
}

// EventQuery chooses events by any combination of what they have.
type EventQuery struct {
	ID           string `query:"id"`
	Resource     string `query:"resource" doc:"A resource's id or name."`
	ResourceType string `query:"type"`
	Actor        string `query:"actor" doc:"An actor's id or name."`
	Action       string `query:"action"`
	Source       string `query:"source"`
	Outcome      string `query:"outcome" enum:"success,failure,unknown,"`
	Account      string `query:"account"`
	Region       string `query:"region"`
	Address      string `query:"address"`
	Text         string `query:"text"`
	ErrorCode    string `query:"error" doc:"The source's word for why it failed."`
}

func (q *EventQuery) filter() store.EventFilter {
	return store.EventFilter{
		ID: q.ID, Resource: q.Resource, ResourceType: q.ResourceType, Actor: q.Actor, Action: q.Action, Source: q.Source,
		Outcome: q.Outcome, ErrorCode: q.ErrorCode, Account: q.Account, Region: q.Region, Address: q.Address, Text: q.Text,
	}
}

func (s *Server) registerEvents(api huma.API) {
	s.registerFollow(api)
	operation(api, RoleRead, http.MethodGet, "/v1/events", "listEvents", "Recorded events, newest first", func(ctx context.Context, in *struct {
		Paging
		EventQuery
		From string `query:"from"`
		To   string `query:"to"`
	},
	) (List[Event], error) {
		f := in.filter()
		f.After, f.Limit = in.After, in.Limit
		var err error
		if f.From, err = when("from", in.From); err != nil {
			return List[Event]{}, err
		}
		if f.To, err = when("to", in.To); err != nil {
			return List[Event]{}, err
		}
		if _, err := store.ParseEventPlace(in.After); in.After != "" && err != nil {
			return List[Event]{}, refused{err}
		}
		page, next, err := s.b.Events(ctx, f)
		out := List[Event]{Items: []Event{}, Next: next}
		for i := range page {
			out.Items = append(out.Items, shownEvent(&page[i]))
		}
		return out, err
	})
	operation(api, RoleRead, http.MethodGet, "/v1/events/{id}", "getEvent", "Events with an id", func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) ([]Event, error) {
		rows, _, err := s.b.Events(ctx, store.EventFilter{ID: in.ID})
		if err == nil && len(rows) == 0 {
			err = fmt.Errorf("event %s: %w", in.ID, errUnknown)
		}
		var out []Event
		for i := range rows {
			out = append(out, shownEvent(&rows[i]))
		}
		return out, err
	})
	operation(api, RoleRead, http.MethodGet, "/v1/quarantine", "listQuarantine", "Refused records, newest first", func(ctx context.Context, in *Paging) (List[Quarantined], error) {
		before, err := number(in.After)
		if err != nil {
			return List[Quarantined]{}, err
		}
		return view(ctx, s.b.Store, func(tx *store.Tx) (List[Quarantined], error) {
			out := List[Quarantined]{Items: []Quarantined{}}
			page, err := tx.Quarantine(before, in.Limit)
			for _, q := range page {
				out.Items = append(out.Items, Quarantined{q.Row, q.Instance, q.Received, q.Kind, q.Reason, q.Origin, string(q.Bytes)})
			}
			if len(page) == in.Limit {
				out.Next = strconv.FormatInt(page[len(page)-1].Row, 10)
			}
			return out, err
		})
	})
}

func (s *Server) registerAlarms(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/alarms", "listAlarms", "Alarm episodes, newest first", func(ctx context.Context, in *struct {
		Paging
		Active   bool   `query:"active" doc:"Only those in ALARM."`
		Policy   string `query:"policy"`
		Severity string `query:"severity"`
		Account  string `query:"account"`
	},
	) (List[verdict.Episode], error) {
		return view(ctx, s.b.Store, func(tx *store.Tx) (List[verdict.Episode], error) {
			out := List[verdict.Episode]{Items: []verdict.Episode{}}
			f := store.EpisodeFilter{Active: in.Active, Policy: in.Policy, Severity: in.Severity, Account: in.Account, Limit: in.Limit}
			if in.After != "" {
				ep, err := tx.Episode(in.After)
				if err != nil {
					return out, err
				}
				if ep == nil {
					return out, refusedf("after %q is not a place in this list", in.After)
				}
				f.Before = ep
			}
			page, err := tx.Episodes(f)
			out.Items = append(out.Items, page...)
			if len(page) == in.Limit {
				out.Next = page[len(page)-1].ID
			}
			return out, err
		})
	})
	operation(api, RoleOperate, http.MethodPost, "/v1/alarms/{id}/ack", "ackAlarm", "Say that an episode has been seen", func(ctx context.Context, in *struct {
		ID   string `path:"id"`
		Body struct {
			Note string `json:"note,omitempty"`
			By   string `json:"by,omitempty" doc:"Who has seen it; the token's name where it is left out."`
		}
	},
	) (verdict.Episode, error) {
		var out verdict.Episode
		err := s.audited(ctx, "regent:AcknowledgeAlarm", in.ID, func() error {
			return s.b.Store.Update(ctx, func(tx *store.Tx) error {
				ep, err := tx.Episode(in.ID)
				if err != nil {
					return err
				}
				if ep == nil {
					return fmt.Errorf("episode %s: %w", in.ID, errUnknown)
				}
				due, err := tx.EpisodeDue(in.ID)
				if err != nil {
					return err
				}
				by := in.Body.By
				if by == "" {
					by = callerOf(ctx).name
				}
				ep.Acknowledged = &verdict.Acknowledgement{By: by, At: s.b.Now().UTC().Truncate(time.Microsecond), Note: in.Body.Note}
				out = *ep
				return tx.PutEpisode(*ep, due)
			})
		})
		return out, err
	})
}

func (s *Server) registerDeliveries(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/deliveries", "listDeliveries", "Deliveries, newest first", func(ctx context.Context, in *struct {
		Paging
		State    string `query:"state" enum:"pending,delivered,dead,"`
		Instance string `query:"instance"`
		Route    string `query:"route"`
	},
	) (List[store.Delivery], error) {
		before, err := number(in.After)
		if err != nil {
			return List[store.Delivery]{}, err
		}
		return view(ctx, s.b.Store, func(tx *store.Tx) (List[store.Delivery], error) {
			out := List[store.Delivery]{Items: []store.Delivery{}}
			page, err := tx.Deliveries(store.DeliveryFilter{State: in.State, Instance: in.Instance, Route: in.Route, Before: before, Limit: in.Limit})
			out.Items = append(out.Items, page...)
			if len(page) == in.Limit {
				out.Next = strconv.FormatInt(page[len(page)-1].Seq, 10)
			}
			return out, err
		})
	})
	operation(api, RoleOperate, http.MethodPost, "/v1/deliveries/{id}/retry", "retryDelivery", "Try a dead or waiting delivery now", func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) (done, error) {
		err := s.audited(ctx, "regent:RetryDelivery", in.ID, func() error {
			d, err := view(ctx, s.b.Store, func(tx *store.Tx) (*store.Delivery, error) { return tx.Delivery(in.ID) })
			switch {
			case err != nil:
				return err
			case d == nil:
				return fmt.Errorf("delivery %s: %w", in.ID, errUnknown)
			case d.State == store.Delivered:
				return refusedf("delivery %s is delivered already", in.ID)
			}
			return s.b.Retry(ctx, in.ID)
		})
		return done{"queued"}, err
	})
}
