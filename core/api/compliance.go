package api

import (
	"context"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Judged is what a policy says of a resource.
type Judged struct {
	verdict.Verdict
	// Stale is the gap of the collector on which the verdict rests.
	Stale *Gap `json:"stale,omitempty"`
}

// PolicyCompliance is how many resources a policy says what of.
type PolicyCompliance struct {
	Policy   verdict.PolicyID          `json:"policy"`
	Outcomes map[verdict.Outcome]int64 `json:"outcomes"`
	// Stale counts the verdicts that rest on a gap.
	Stale int64 `json:"stale"`
}

// ComplianceQuery chooses verdicts.
type ComplianceQuery struct {
	Policy   string `query:"policy" doc:"Policy id; * and ? stand for anything."`
	Outcome  string `query:"outcome" enum:"COMPLIANT,NON_COMPLIANT,NOT_APPLICABLE,ERROR,INSUFFICIENT_DATA,"`
	Type     string `query:"type" doc:"Resource type; * and ? stand for anything."`
	Resource string `query:"resource" doc:"Resource id; * and ? stand for anything."`
	Account  string `query:"account"`
	Stale    bool   `query:"stale" doc:"Only what rests on a gap of its collector."`
	Moment
}

// Moment is the time that is asked about.
type Moment struct {
	At      string `query:"at" doc:"The state at this time (RFC 3339), by capture time; now where it is empty."`
	KnownAt string `query:"knownAt" doc:"Only what had been received by this time."`
}

// times reads a moment. asked is false where it is now.
func (m *Moment) times() (at, known time.Time, asked bool, err error) {
	if at, err = when("at", m.At); err != nil {
		return at, known, false, err
	}
	if known, err = when("knownAt", m.KnownAt); err != nil {
		return at, known, false, err
	}
	if at.IsZero() {
		at = known
	}
	return at, known, !at.IsZero(), nil
}

// glob is path.Match in which a slash is like any other character and all matches an empty pattern.
func glob(pattern, s string) bool {
	if pattern == "" || pattern == s {
		return true
	}
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(s))
	return err == nil && ok
}

// flat leaves of the signs of path.Match only * and ?.
var flat = strings.NewReplacer("/", "\x00", `\`, "\x01", "[", "\x02")

func (q *ComplianceQuery) wants(v *verdict.Verdict) bool {
	return glob(q.Policy, string(v.Policy)) && (q.Outcome == "" || q.Outcome == string(v.Outcome)) && glob(q.Type, v.Subject.ResourceType) &&
		glob(q.Resource, v.Subject.ResourceID) && (q.Account == "" || q.Account == v.Subject.AccountID)
}

// walk calls fn with the verdicts that are wanted, resource by resource after one.
func (q *ComplianceQuery) walk(tx *store.Tx, after int64, fn func(resource int64, all []Judged) (enough bool, err error)) error {
	at, known, asked, err := q.times()
	if err != nil {
		return err
	}
	s, err := newStaleness(tx, at)
	if err != nil {
		return err
	}
	each := func(resource int64, all []verdict.Verdict) (bool, error) {
		var out []Judged
		for i := range all {
			if q.wants(&all[i]) {
				out = append(out, Judged{Verdict: all[i]})
			}
		}
		if len(out) == 0 {
			return false, nil
		}
		gap, err := s.of(resource)
		if err != nil || q.Stale && gap == nil {
			return false, err
		}
		for i := range out {
			out[i].Stale = gap
		}
		return fn(resource, out)
	}
	if asked {
		return tx.WalkVerdictsAt(after, at, known, each)
	}
	return tx.WalkVerdicts(after, each)
}

func (s *Server) registerCompliance(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/compliance", "listCompliance", "What policies say of resources, now or at a time", func(ctx context.Context, in *struct {
		ComplianceQuery
		Paging
	},
	) (List[Judged], error) {
		after, err := number(in.After)
		if err != nil {
			return List[Judged]{}, err
		}
		return view(ctx, s.b.Store, func(tx *store.Tx) (List[Judged], error) {
			out := List[Judged]{Items: []Judged{}}
			err := in.walk(tx, after, func(resource int64, all []Judged) (bool, error) {
				out.Items = append(out.Items, all...)
				if len(out.Items) >= in.Limit {
					// All verdicts on a resource stand on one page.
					out.Next = strconv.FormatInt(resource, 10)
				}
				return out.Next != "", nil
			})
			return out, err
		})
	})
	operation(api, RoleRead, http.MethodGet, "/v1/compliance/summary", "complianceSummary", "How many resources each policy says what of, now or at a time", func(ctx context.Context, in *ComplianceQuery) ([]PolicyCompliance, error) {
		return view(ctx, s.b.Store, func(tx *store.Tx) ([]PolicyCompliance, error) {
			by := map[verdict.PolicyID]*PolicyCompliance{}
			err := in.walk(tx, 0, func(_ int64, all []Judged) (bool, error) {
				for i := range all {
					p := by[all[i].Policy]
					if p == nil {
						p = &PolicyCompliance{Policy: all[i].Policy, Outcomes: map[verdict.Outcome]int64{}}
						by[p.Policy] = p
					}
					p.Outcomes[all[i].Outcome]++
					if all[i].Stale != nil {
						p.Stale++
					}
				}
				return false, nil
			})
			out := []PolicyCompliance{}
			for _, id := range slices.Sorted(maps.Keys(by)) {
				out = append(out, *by[id])
			}
			return out, err
		})
	})
	operation(api, RoleRead, http.MethodGet, "/v1/gaps", "listGaps", "Times in which collectors may have missed something, newest first", func(ctx context.Context, in *struct {
		Instance string `query:"instance"`
		Since    string `query:"since" doc:"Those that lasted or ended after this time; all where it is empty."`
		Open     bool   `query:"open" doc:"Only those that last."`
	},
	) ([]Gap, error) {
		since, err := when("since", in.Since)
		if err != nil {
			return nil, err
		}
		return view(ctx, s.b.Store, func(tx *store.Tx) ([]Gap, error) {
			gaps, err := tx.Gaps(since)
			out := []Gap{}
			for _, g := range gaps {
				if (in.Instance == "" || in.Instance == string(g.Instance)) && (!in.Open || g.To.IsZero()) {
					out = append(out, Gap{Instance: g.Instance, From: g.From, To: g.To, Reason: g.Reason})
				}
			}
			return out, err
		})
	})
}

// staleness says which resources rest on a gap.
type staleness struct {
	tx   *store.Tx
	gaps map[record.Instance]*Gap
}

// newStaleness reads the gaps that lasted at a time, those that last where it is zero.
func newStaleness(tx *store.Tx, at time.Time) (*staleness, error) {
	since := at
	if at.IsZero() {
		since = time.Now()
	}
	gaps, err := tx.Gaps(since)
	if err != nil {
		return nil, err
	}
	s := &staleness{tx: tx, gaps: map[record.Instance]*Gap{}}
	for _, g := range gaps {
		if !at.IsZero() && g.From.After(at) || at.IsZero() && !g.To.IsZero() {
			continue
		}
		// Of several the first to begin says since when nothing is known.
		if old := s.gaps[g.Instance]; old == nil || g.From.Before(old.From) {
			s.gaps[g.Instance] = &Gap{Instance: g.Instance, From: g.From, To: g.To, Reason: g.Reason}
		}
	}
	return s, nil
}

// of returns the gap that a resource's state rests on: all instances that list it are in one.
func (s *staleness) of(resource int64) (*Gap, error) {
	if len(s.gaps) == 0 {
		return nil, nil
	}
	owners, err := s.tx.Owners(resource)
	if err != nil || len(owners) == 0 {
		return nil, err
	}
	var found *Gap
	for _, o := range owners {
		g := s.gaps[o]
		if g == nil {
			return nil, nil
		}
		// It was seen until the last of them began to miss something.
		if found == nil || g.From.After(found.From) {
			found = g
		}
	}
	return found, nil
}
