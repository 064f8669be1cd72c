package backtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// The kinds of difference.
const (
	NewlyFailing  = "newly failing"
	NewlyPassing  = "newly passing"
	NewlyErroring = "newly erroring"
	Changed       = "changed"
	Added         = "added"
	Removed       = "removed"
)

// Difference is one thing of which two sets of policies say different things.
type Difference struct {
	What   string           `json:"what"`
	Policy verdict.PolicyID `json:"policy"`
	// Resource is what a compliance policy judged, as it was at the end; nil where the difference is
	// about an alarm or the policy itself.
	Resource *verdict.Subject `json:"resource,omitempty"`
	// Account, Key and StartedAt name an alarm's episode.
	Account   string     `json:"accountId,omitempty"`
	Key       string     `json:"key,omitempty"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	// Before and After are outcomes; "" where there was none.
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
	Message string `json:"msg,omitempty"`
}

// PolicyDifference counts what became of one policy.
type PolicyDifference struct {
	Policy        verdict.PolicyID `json:"policy"`
	Kind          policy.Kind      `json:"kind"`
	NewlyFailing  int64            `json:"newlyFailing"`
	NewlyPassing  int64            `json:"newlyPassing"`
	NewlyErroring int64            `json:"newlyErroring"`
	Changed       int64            `json:"changed"`
	// Added and Removed count resources and episodes that only one side says anything of without that
	// being one of the above.
	Added     int64 `json:"added"`
	Removed   int64 `json:"removed"`
	Unchanged int64 `json:"unchanged"`
	// State is "added" or "removed" where only one side has the policy.
	State string `json:"state,omitempty"`
}

// Diff is how two results differ.
type Diff struct {
	Policies    []*PolicyDifference `json:"policies"`
	Differences []Difference        `json:"differences"`
	// Incomplete says that a run was ended before it was through.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Same reports whether there is no difference at all.
func (d *Diff) Same() bool {
	return len(d.Differences) == 0 && !slices.ContainsFunc(d.Policies, func(p *PolicyDifference) bool { return p.State != "" || p.Added+p.Removed > 0 })
}

// Erroring reports whether something is newly erroring.
func (d *Diff) Erroring() bool {
	return slices.ContainsFunc(d.Policies, func(p *PolicyDifference) bool { return p.NewlyErroring > 0 })
}

// differ collects differences.
type differ struct {
	Diff
	byID map[verdict.PolicyID]*PolicyDifference
}

// Compare compares the results of one Run of two engines: what each policy says of each resource at the
// end, and the episodes and the number of findings on the way there.
func Compare(ctx context.Context, before, after *Result) (*Diff, error) {
	d := &differ{byID: map[verdict.PolicyID]*PolicyDifference{}}
	d.Incomplete = before.Incomplete || after.Incomplete
	was := map[verdict.PolicyID]*Summary{}
	for _, s := range before.Policies {
		was[s.Policy] = s
		d.policy(s).State = Removed
	}
	for _, s := range after.Policies {
		p := d.policy(s)
		p.State = ""
		if was[s.Policy] == nil {
			p.State = Added
		}
	}
	if err := d.resources(ctx, before.e, after.e); err != nil {
		return nil, err
	}
	if err := d.episodes(before, after); err != nil {
		return nil, err
	}
	for _, s := range after.Policies {
		d.course(was[s.Policy], s)
	}
	slices.SortFunc(d.Policies, func(a, b *PolicyDifference) int { return cmp.Compare(a.Policy, b.Policy) })
	slices.SortStableFunc(d.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.What, b.What))
	})
	return &d.Diff, nil
}

func (d *differ) policy(s *Summary) *PolicyDifference {
	p := d.byID[s.Policy]
	if p == nil {
		p = &PolicyDifference{Policy: s.Policy, Kind: s.Kind}
		d.byID[s.Policy] = p
		d.Policies = append(d.Policies, p)
	}
	return p
}

func (d *differ) add(x Difference) {
	p := d.byID[x.Policy]
	switch x.What {
	case NewlyFailing:
		p.NewlyFailing++
	case NewlyPassing:
		p.NewlyPassing++
	case NewlyErroring:
		p.NewlyErroring++
	case Changed:
		p.Changed++
	}
	d.Differences = append(d.Differences, x)
}

// resources compares the verdicts on each resource. Both engines were fed alike and number resources
// alike.
func (d *differ) resources(ctx context.Context, before, after *Engine) error {
	const page = 500
	for from := int64(1); from <= before.resources; from += page {
		a, err := before.verdictsOf(ctx, from, from+page)
		if err != nil {
			return err
		}
		b, err := after.verdictsOf(ctx, from, from+page)
		if err != nil {
			return err
		}
		for i := range a {
			d.resource(a[i], b[i])
		}
	}
	return nil
}

// verdictsOf returns the verdicts on the resources from one number up to another.
func (e *Engine) verdictsOf(ctx context.Context, from, to int64) (out [][]verdict.Verdict, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		for n := from; n < to; n++ {
			v, err := tx.Verdicts(n)
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compare verdicts: %w", err)
	}
	return out, nil
}

// resource compares two sorted lists of verdicts on one resource.
func (d *differ) resource(a, b []verdict.Verdict) {
	for len(a)+len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Policy < b[0].Policy:
			d.verdict(&a[0], nil)
			a = a[1:]
		case len(a) == 0 || b[0].Policy < a[0].Policy:
			d.verdict(nil, &b[0])
			b = b[1:]
		default:
			d.verdict(&a[0], &b[0])
			a, b = a[1:], b[1:]
		}
	}
}

func (d *differ) verdict(a, b *verdict.Verdict) {
	x := Difference{}
	is := func(v *verdict.Verdict, o verdict.Outcome) bool { return v != nil && v.Outcome == o }
	if a != nil {
		x.Policy, x.Resource, x.Before = a.Policy, &a.Subject, string(a.Outcome)
	}
	if b != nil {
		x.Policy, x.Resource, x.After = b.Policy, &b.Subject, string(b.Outcome)
		x.Message = b.Reason
		if len(b.Denials) > 0 {
			x.Message = b.Denials[0].Message
		}
	}
	bad := is(a, verdict.NonCompliant) || is(a, verdict.Error)
	p := d.byID[x.Policy]
	switch {
	case is(b, verdict.NonCompliant) && !is(a, verdict.NonCompliant):
		x.What = NewlyFailing
	case is(b, verdict.Error) && !is(a, verdict.Error):
		x.What = NewlyErroring
	case b == nil && bad:
		// Nobody says that it is well now; it is only not looked at any more.
		x.What = Removed
		p.Removed++
	case b == nil:
		p.Removed++
		return
	case a == nil:
		p.Added++
		return
	case bad && (is(b, verdict.Compliant) || is(b, verdict.NotApplicable)):
		x.What = NewlyPassing
	case a.Outcome != b.Outcome || sameText(a.Denials) != sameText(b.Denials):
		x.What = Changed
	default:
		p.Unchanged++
		return
	}
	d.add(x)
}

// sameText is what two lists of denials must have in common.
func sameText(ds []verdict.Denial) string {
	// Denials hold nothing that JSON lacks; their raw members were checked when they were made.
	b, _ := json.Marshal(ds)
	return string(b)
}

// episodeKey is what makes an episode of one side that of the other.
type episodeKey struct {
	policy       verdict.PolicyID
	account, key string
	started      int64
}

// episodes compares the episodes of alarms.
func (d *differ) episodes(before, after *Result) error {
	type shape struct {
		matches, last int64
		msg           string
	}
	was := map[episodeKey]shape{}
	key := func(f *Firing) (episodeKey, shape) {
		ep := f.Episode
		return episodeKey{ep.Policy, ep.AccountID, ep.Key, ep.StartedAt.UnixMicro()}, shape{ep.Matches, ep.LastMatch.UnixMicro(), ep.Message}
	}
	for f, err := range before.Firings() {
		if err != nil {
			return err
		}
		if f.Episode != nil {
			k, s := key(&f)
			was[k] = s
		}
	}
	difference := func(what, a, b string, k episodeKey, msg string) Difference {
		at := time.UnixMicro(k.started).UTC()
		return Difference{What: what, Policy: k.policy, Account: k.account, Key: k.key, StartedAt: &at, Before: a, After: b, Message: msg}
	}
	const firing = string(verdict.AlarmFiring)
	for f, err := range after.Firings() {
		if err != nil {
			return err
		}
		if f.Episode == nil {
			continue
		}
		k, s := key(&f)
		old, known := was[k]
		delete(was, k)
		switch {
		case !known:
			d.add(difference(NewlyFailing, "", firing, k, s.msg))
		case old != s:
			d.add(difference(Changed, fmt.Sprintf("%d matches", old.matches), fmt.Sprintf("%d matches", s.matches), k, s.msg))
		default:
			d.byID[k.policy].Unchanged++
		}
	}
	left := make([]episodeKey, 0, len(was))
	for k := range was {
		left = append(left, k)
	}
	slices.SortFunc(left, func(a, b episodeKey) int {
		return cmp.Or(cmp.Compare(a.started, b.started), cmp.Compare(a.account, b.account), cmp.Compare(a.key, b.key), cmp.Compare(a.policy, b.policy))
	})
	for _, k := range left {
		if p := d.byID[k.policy]; p.State == Removed {
			p.Removed++
			d.add(difference(Removed, firing, "", k, was[k].msg))
			continue
		}
		d.add(difference(NewlyPassing, firing, "", k, was[k].msg))
	}
	return nil
}

// course tells of a policy that comes to the same end by another way.
func (d *differ) course(a, b *Summary) {
	if a == nil {
		a = &Summary{}
	}
	p := d.byID[b.Policy]
	if b.Errors > a.Errors && p.NewlyErroring == 0 {
		msg := ""
		if len(b.Samples) > 0 {
			msg = b.Samples[0].Reason
		}
		d.add(Difference{What: NewlyErroring, Policy: b.Policy, Before: fmt.Sprintf("%d errors", a.Errors), After: fmt.Sprintf("%d errors", b.Errors), Message: msg})
	}
	if b.Kind == policy.KindCompliance && p.State == "" && p.NewlyFailing+p.NewlyPassing+p.Changed == 0 && (a.Opened != b.Opened || a.Resolved != b.Resolved) {
		d.add(Difference{
			What: Changed, Policy: b.Policy, Before: fmt.Sprintf("opened %d, resolved %d", a.Opened, a.Resolved),
			After: fmt.Sprintf("opened %d, resolved %d", b.Opened, b.Resolved), Message: "the same at the end, and not on the way there",
		})
	}
}
