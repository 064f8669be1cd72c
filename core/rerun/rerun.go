package rerun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// State says how a verdict came out when it was made again.
type State string

// The states of a Result.
const (
	// Same is a verdict that comes out as it was recorded.
	Same State = "same"
	// Different is one that does not.
	Different State = "different"
	// Unavailable is one that cannot be made again.
	Unavailable State = "unavailable"
)

// Result is what came of making a verdict again.
type Result struct {
	State State `json:"state"`
	// Recorded is the verdict as it was recorded, Again as it comes out now.
	Recorded verdict.Verdict  `json:"recorded"`
	Again    *verdict.Verdict `json:"again,omitempty"`
	// Differences say what came out differently.
	Differences []string `json:"differences,omitempty"`
	// Missing says why it cannot be made again.
	Missing []string `json:"missing,omitempty"`
	// Engine is the version that runs now, where it is another than the one recorded.
	Engine string `json:"engine,omitempty"`
}

func (r *Result) missing(format string, args ...any) {
	r.State = Unavailable
	r.Missing = append(r.Missing, fmt.Sprintf(format, args...))
}

// mostBodies bounds how many versions of the same content are tried: they differ in what their plugin
// declares as volatile.
const mostBodies = 16

// Verdict makes a verdict on a resource again. An error says that it could not be tried; what is missing
// for it stands in the result.
func Verdict(ctx context.Context, tx *store.Tx, resource int64, recorded verdict.Verdict) (*Result, error) {
	r := &Result{State: Same, Recorded: recorded}
	if recorded.Evidence.Engine == "" {
		r.missing("no policy was run for it: %s", recorded.Reason)
		return r, nil
	}
	p, err := compile(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	items, err := versions(tx, resource, recorded.Evidence.Item)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		r.missing("the item with content %s is not kept any more", recorded.Evidence.Item)
	}
	// The version that was judged is the one captured at the time that the policy saw.
	slices.SortStableFunc(items, func(a, b *store.Current) int {
		return distance(a, recorded) - distance(b, recorded)
	})
	previous, err := versions(tx, resource, recorded.Evidence.Previous)
	if err != nil {
		return nil, err
	}
	if recorded.Evidence.Previous != "" && len(previous) == 0 {
		r.missing("the item before, with content %s, is not kept any more", recorded.Evidence.Previous)
	}
	reader, err := pin(tx, r)
	if err != nil || r.State == Unavailable {
		return r, err
	}
	var first *verdict.Verdict
	for _, item := range items[:min(len(items), mostBodies)] {
		again, err := judge(ctx, p, item, before(previous, item), recorded, reader)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = again
		}
		if len(differences(recorded, *again)) == 0 {
			first = again
			break
		}
	}
	r.Again = first
	if r.Differences = differences(recorded, *first); len(r.Differences) > 0 {
		r.State = Different
	}
	if first.Evidence.Engine != recorded.Evidence.Engine {
		r.Engine = first.Evidence.Engine
	}
	return r, nil
}

func distance(c *store.Current, v verdict.Verdict) int {
	if c.Item.CaptureTime.Equal(v.At) {
		return 0
	}
	if c.Item.CaptureTime.Before(v.At) {
		return 1
	}
	return 2
}

// before returns the last version that was captured no later than an item; the first where there is none.
func before(previous []*store.Current, item *store.Current) *store.Current {
	var out *store.Current
	for _, c := range previous {
		if out == nil || !c.Item.CaptureTime.After(item.Item.CaptureTime) {
			out = c
		}
	}
	return out
}

// versions returns the versions of a resource with a content, in the order of their capture.
func versions(tx *store.Tx, resource int64, hash string) ([]*store.Current, error) {
	if hash == "" {
		return nil, nil
	}
	var d record.Digest
	if err := d.UnmarshalText([]byte(hash)); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return tx.VersionsWith(resource, d)
}

// compile compiles the policy of a verdict from its kept text, nil where that is not possible.
func compile(ctx context.Context, tx *store.Tx, r *Result) (*policy.Policy, error) {
	v := r.Recorded
	texts, err := kept(tx, v.Evidence.Policy)
	if err != nil {
		return nil, err
	}
	if texts == nil {
		r.missing("the text of the policy with digest %s is not kept", v.Evidence.Policy)
		return nil, nil
	}
	var parameters json.RawMessage
	if v.Evidence.Parameters != "" {
		files, err := kept(tx, v.Evidence.Parameters)
		if err != nil {
			return nil, err
		}
		if parameters = files[parametersFile]; parameters == nil {
			r.missing("the parameters with digest %s are not kept", v.Evidence.Parameters)
			return nil, nil
		}
	}
	var files []policy.File
	for path, text := range texts {
		files = append(files, policy.File{Path: path, Bytes: text})
	}
	var best *policy.Policy
	var why error
	// What the policy says of its parameters itself needs no override, and may not bear one.
	for _, o := range []policy.Override{{}, {Parameters: parameters}} {
		opt := policy.Options{Overrides: map[verdict.PolicyID]policy.Override{v.Policy: o}}
		set, problems := policy.Compile(ctx, files, opt)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if why = problems.Err(); why != nil {
			continue
		}
		p := set.Get(v.Policy)
		if p == nil {
			continue
		}
		best = p
		if p.Digest.String() == v.Evidence.Policy {
			return p, nil
		}
		if parameters == nil || string(p.Parameters) == string(parameters) {
			break
		}
	}
	if best == nil {
		r.missing("the policy does not compile with this version of Regent: %v", why)
	}
	// Under another engine the digest is another one: the engine is part of it.
	return best, nil
}

func kept(tx *store.Tx, digest string) (map[string][]byte, error) {
	var d record.Digest
	if err := d.UnmarshalText([]byte(digest)); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return tx.PolicyText(d)
}

func judge(ctx context.Context, p *policy.Policy, item, previous *store.Current, v verdict.Verdict, reader policy.Reader) (*verdict.Verdict, error) {
	s := policy.Subject{
		Key: item.Item.Key, Gone: !item.Item.Status.Recorded(), Time: v.At, ItemHash: v.Evidence.Item, PreviousHash: v.Evidence.Previous,
	}
	var err error
	if s.Resource, err = policy.Parse(item.Item.Body); err != nil {
		return nil, fmt.Errorf("parse %s: %w", item.Item.Key, err)
	}
	if previous != nil {
		if s.Previous, err = policy.Parse(previous.Item.Body); err != nil {
			return nil, fmt.Errorf("parse %s: %w", item.Item.Key, err)
		}
	}
	again := p.Judge(ctx, s, reader)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &again, nil
}

// differences compares what people see of a verdict.
func differences(a, b verdict.Verdict) (out []string) {
	if a.Outcome != b.Outcome {
		out = append(out, fmt.Sprintf("the outcome was %s and is %s", a.Outcome, b.Outcome))
	}
	if a.Reason != b.Reason {
		out = append(out, fmt.Sprintf("the reason was %q and is %q", a.Reason, b.Reason))
	}
	x, errA := json.Marshal(a.Denials)
	y, errB := json.Marshal(b.Denials)
	if err := errors.Join(errA, errB); err != nil {
		return append(out, fmt.Sprintf("the denials cannot be compared: %v", err))
	}
	if len(a.Denials)+len(b.Denials) > 0 && !bytes.Equal(x, y) {
		out = append(out, fmt.Sprintf("the denials were %s and are %s", messages(a.Denials), messages(b.Denials)))
	}
	if !slices.Equal(reads(a), reads(b)) {
		out = append(out, "it read other resources than it did")
	}
	return out
}

func messages(denials []verdict.Denial) string {
	var out []string
	for _, d := range denials {
		out = append(out, fmt.Sprintf("%q", d.Message))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// reads are the look-ups of a verdict in an order of their own: that of the evaluation is nobody's promise.
func reads(v verdict.Verdict) []string {
	var out []string
	for _, r := range v.Evidence.Reads {
		out = append(out, fmt.Sprintf("%q", []any{r.AccountID, r.Region, r.ResourceType, r.ResourceID, r.Found, r.Hash}))
	}
	slices.Sort(out)
	return out
}
