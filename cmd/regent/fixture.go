package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/fixture"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/policies"
)

// fixtureFlags are those of `regent fixture`.
type fixtureFlags struct {
	at, policy, account, region string
	policies                    []string
	redact                      []string
	redactIDs                   bool
}

func newFixture(c *client) *cobra.Command {
	var f fixtureFlags
	cmd := &cobra.Command{
		Use: "fixture RESOURCE|EVENT", Short: "Turn a recorded item or event into a Rego test", GroupID: "author", Args: cobra.RangeArgs(1, 2),
		Long: `Writes a *_test.rego for a resource ([TYPE] ID) or an event (its id) that the daemon recorded: the record
as input, the version before it as input.previous, and, with --policy, the resources that the policy looks
up and what the policy says now, as what the test expects.

--redact replaces what a JSON pointer leads to, and --redact-all-ids all names, accounts, addresses and keys,
each by the same stand-in wherever it stands. Look the file over before you give it away: free text is
not understood.`,
		Example: "  regent fixture AWS::EC2::Volume vol-1 --policy compliance.aws.encrypted_volumes > policy_test.rego\n  regent fixture vol-1 --at 2026-03-01T12:00:00Z --redact /configuration/kmsKeyId --redact-all-ids",
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := f.make(cmd, c, args)
			if err != nil {
				return err
			}
			return x.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&f.at, "at", "", "the resource as it was at a time, or a version number")
	cmd.Flags().StringVar(&f.account, "account", "", "account id, where several resources match")
	cmd.Flags().StringVar(&f.region, "region", "", "region, where several resources match")
	cmd.Flags().StringVar(&f.policy, "policy", "", "the policy that the test is about")
	cmd.Flags().StringArrayVarP(&f.policies, "policies", "p", nil, "folder or file that has the policy, instead of those in force (may be repeated)")
	cmd.Flags().StringArrayVar(&f.redact, "redact", nil, "JSON pointer into records to replace; * stands for any member (may be repeated)")
	cmd.Flags().BoolVar(&f.redactIDs, "redact-all-ids", false, "replace all that names somebody or something")
	return cmd
}

func (f *fixtureFlags) make(cmd *cobra.Command, c *client, args []string) (*fixture.Fixture, error) {
	ctx := cmd.Context()
	var p *policy.Policy
	if f.policy != "" {
		var err error
		if p, err = f.find(cmd, c); err != nil {
			return nil, err
		}
	}
	x := &fixture.Fixture{Policy: f.policy}
	if len(args) == 1 && !strings.Contains(args[0], "::") && f.at == "" {
		ev, err := recordedEvent(ctx, c, args[0])
		if err != nil {
			return nil, err
		}
		if ev != nil {
			x.Event, x.Name = ev.Event, "event "+args[0]
			x.Comments = []string{fmt.Sprintf("Event %s, recorded by %s.", args[0], ev.Instance)}
		}
	}
	reads := &apiReader{client: c, at: f.at}
	if x.Event == nil {
		typ, id := named(args)
		if err := f.resource(ctx, c, query("type", typ, "id", id, "account", f.account, "region", f.region), x); err != nil {
			return nil, err
		}
		if p != nil {
			// What the policy looks up is found out by letting it judge.
			v, err := judgeFixture(ctx, p, x, reads)
			if err != nil {
				return nil, err
			}
			if err := reads.into(x, v.Evidence.Reads); err != nil {
				return nil, err
			}
		}
	}
	if p != nil {
		x.Parameters = p.Parameters
	}
	if err := x.Redact(fixture.Redaction{Paths: f.redact, IDs: f.redactIDs}); err != nil {
		return nil, usage("%v", err)
	}
	if p == nil {
		return x, nil
	}
	return x, expect(ctx, p, x)
}

// find returns the policy that the test is about.
func (f *fixtureFlags) find(cmd *cobra.Command, c *client) (*policy.Policy, error) {
	schemas, err := policies.Schemas()
	if err != nil {
		return nil, err
	}
	t := terms{schemas: schemas}
	var files []policy.File
	if len(f.policies) > 0 {
		files, _, err = readPolicies(f.policies, false)
	} else {
		files, err = askModules(cmd.Context(), c, &t)
	}
	if err != nil {
		return nil, err
	}
	o := t.overrides[verdict.PolicyID(f.policy)]
	o.Disabled = false
	if t.overrides != nil {
		t.overrides[verdict.PolicyID(f.policy)] = o
	}
	plan, err := compilePlan(cmd, files, t)
	if err != nil {
		return nil, err
	}
	if p := plan.Policies.Get(verdict.PolicyID(f.policy)); p != nil {
		return p, nil
	}
	if len(f.policies) > 0 {
		return nil, usage("there is no policy %s in %s", f.policy, strings.Join(f.policies, ", "))
	}
	return nil, usage("no policy %s is in force; name its file with --policies", f.policy)
}

// recordedEvent asks for an event, and returns nil where there is none with this id.
func recordedEvent(ctx context.Context, c *client, id string) (*api.Event, error) {
	var found []api.Event
	err := c.call(ctx, http.MethodGet, "/v1/events/"+url.PathEscape(id), nil, nil, &found)
	var e *exit
	switch {
	case errors.As(err, &e) && e.code == exitFindings:
		return nil, nil
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, nil
	}
	return &found[0], nil
}

// resource fills in a version of a resource and the one before it.
func (f *fixtureFlags) resource(ctx context.Context, c *client, q url.Values, x *fixture.Fixture) error {
	if f.at != "" {
		q.Set("at", f.at)
	}
	var d api.ResourceDetail
	if err := c.call(ctx, http.MethodGet, "/v1/resource", q, nil, &d); err != nil {
		return err
	}
	x.Resource = d.Item
	it := itemOf(d.Item)
	x.Name = fmt.Sprintf("%s %s version %d", it.ResourceType, it.ResourceID, d.Version)
	x.Comments = []string{fmt.Sprintf("%s %s, version %d captured %s.", it.ResourceType, it.ResourceID, d.Version, it.Capture)}
	q.Del("at")
	q.Set("limit", "1000")
	for {
		var page api.List[api.Version]
		if err := c.call(ctx, http.MethodGet, "/v1/resource/history", q, nil, &page); err != nil {
			return err
		}
		for i, v := range page.Items {
			if v.Version != d.Version {
				continue
			}
			if i+1 < len(page.Items) {
				x.Previous = page.Items[i+1].Item
				return nil
			}
			if page.Next == "" {
				return nil
			}
			q.Set("after", page.Next)
			q.Set("limit", "1")
			var next api.List[api.Version]
			if err := c.call(ctx, http.MethodGet, "/v1/resource/history", q, nil, &next); err != nil {
				return err
			}
			if len(next.Items) > 0 {
				x.Previous = next.Items[0].Item
			}
			return nil
		}
		if page.Next == "" {
			return nil
		}
		q.Set("after", page.Next)
	}
}

// judgeFixture runs a compliance policy on the fixture's item.
func judgeFixture(ctx context.Context, p *policy.Policy, x *fixture.Fixture, r policy.Reader) (verdict.Verdict, error) {
	it, value, err := parseItem(x.Resource)
	if err != nil {
		return verdict.Verdict{}, err
	}
	s := policy.Subject{Key: it.Key, Resource: value, Gone: !it.Status.Recorded(), Time: it.CaptureTime}
	if x.Previous != nil {
		if _, s.Previous, err = parseItem(x.Previous); err != nil {
			return verdict.Verdict{}, err
		}
	}
	v := p.Judge(ctx, s, r)
	return v, ctx.Err()
}

func parseItem(text []byte) (record.Item, *policy.Value, error) {
	canon, err := record.Canonical(text)
	if err != nil {
		return record.Item{}, nil, fmt.Errorf("read item: %w", err)
	}
	it, err := record.ParseItem(canon, nil)
	if err != nil {
		return it, nil, fmt.Errorf("read item: %w", err)
	}
	value, err := policy.Parse(canon)
	return it, value, err
}

// expect writes down what the policy says of the fixture as it is now, redacted where that was wanted.
func expect(ctx context.Context, p *policy.Policy, x *fixture.Fixture) error {
	if p.Kind == policy.KindAlarm {
		if x.Event == nil {
			return usage("%s is an alarm and judges events, not resources", p.ID)
		}
		value, err := policy.Parse(x.Event)
		if err != nil {
			return err
		}
		var at struct{ Time time.Time }
		if err := json.Unmarshal(x.Event, &at); err != nil {
			return fmt.Errorf("read the event's time: %w", err)
		}
		found, err := p.Match(ctx, value, at.Time)
		if err != nil {
			x.Comments = append(x.Comments, "The policy fails on it: "+err.Error())
		}
		x.Expect = fmt.Sprintf("count($.alarm) == %d", len(found))
		return ctx.Err()
	}
	if x.Event != nil {
		return usage("%s judges resources, not events", p.ID)
	}
	v, err := judgeFixture(ctx, p, x, fixtureReader{x})
	if err != nil {
		return err
	}
	x.Comments = append(x.Comments, strings.TrimSuffix(fmt.Sprintf("The policy's verdict on it is %s: %s", v.Outcome, v.Reason), ": "))
	switch {
	case v.Outcome == verdict.NotApplicable && v.Reason == "the policy says that it does not apply":
		x.Expect = "$.not_applicable"
	case v.Outcome == verdict.Compliant || v.Outcome == verdict.NonCompliant && v.Reason == "":
		x.Expect = fmt.Sprintf("count($.deny) == %d", len(v.Denials))
	default:
		// The rule itself was not asked, or fails: what it should say is for the author to decide.
		x.Comments = append(x.Comments, "What deny should hold is yours to say.")
		x.Expect = "is_set($.deny)"
	}
	return nil
}
