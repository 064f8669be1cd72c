package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Causes says what changed findings, and which events belong to versions.
type Causes interface {
	// Of returns the causes of a finding, the last first.
	Of(ctx context.Context, f *store.ResourceFinding) ([]verdict.Cause, error)
	// Related returns the ids of events by version; versions are newest first and follow one another.
	Related(ctx context.Context, versions []*store.Current, before *store.Current) (map[int64][]string, error)
}

// explained adds to a finding what changed it.
func (s *Server) explained(ctx context.Context, f *store.ResourceFinding, gap *Gap) (FindingDetail, error) {
	out := FindingDetail{Finding: f.Finding, Stale: gap}
	var err error
	if out.Causes, err = s.b.Causes.Of(ctx, f); err != nil {
		return out, err
	}
	for _, c := range out.Causes {
		if c.Step == verdict.CauseOpened {
			out.Cause = c.Text
			break
		}
	}
	return out, nil
}

// relate fills relatedEvents into the items of an answer; what is recorded stays as it is. versions are
// those of the resources, newest first.
func (s *Server) relate(ctx context.Context, resources []*Resource, versions []*store.Current, before *store.Current) error {
	ids, err := s.b.Causes.Related(ctx, versions, before)
	if err != nil {
		return err
	}
	for _, r := range resources {
		if len(ids[r.Version]) == 0 {
			continue
		}
		if r.Item, err = withRelated(r.Item, ids[r.Version]); err != nil {
			return fmt.Errorf("version %d: %w", r.Version, err)
		}
	}
	return nil
}

// withRelated returns an item with further related events.
func withRelated(item json.RawMessage, ids []string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(item, &members); err != nil {
		return nil, fmt.Errorf("read item: %w", err)
	}
	var have []string
	if raw := members["relatedEvents"]; raw != nil {
		if err := json.Unmarshal(raw, &have); err != nil {
			// The collector's own are of another form, and stay.
			return item, nil
		}
	}
	for _, id := range ids {
		if !slices.Contains(have, id) {
			have = append(have, id)
		}
	}
	raw, err := json.Marshal(have)
	if err != nil {
		return nil, fmt.Errorf("write related events: %w", err)
	}
	members["relatedEvents"] = raw
	return json.Marshal(members)
}
