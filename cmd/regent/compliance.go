package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// timeFlags are the flags that ask about another time.
type timeFlags struct{ at, known string }

func (m *timeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.at, "at", "", "the state at a time, a day, or a while ago such as 7d, by when things were captured")
	cmd.Flags().StringVar(&m.known, "known-at", "", "only what had been received by a time")
}

// into adds the times to a query.
func (m *timeFlags) into(q url.Values) error {
	for name, value := range map[string]string{"at": m.at, "knownAt": m.known} {
		flag := map[string]string{"at": "at", "knownAt": "known-at"}[name]
		t, err := moment(flag, value, time.Now())
		if err != nil {
			return err
		}
		if !t.IsZero() {
			q.Set(name, record.FormatTime(t))
		}
	}
	return nil
}

func newCompliance(c *client) *cobra.Command {
	var p printer
	var m timeFlags
	var outcome, typ, resource, account string
	var stale bool
	var limit int
	cmd := &cobra.Command{
		Use: "compliance [POLICY]", Short: "Show what policies say of resources, now or at a time", GroupID: "ask", Args: cobra.MaximumNArgs(1),
		Long: `Without arguments, how many resources each policy says what of. With a policy ("*" and "?" stand for
anything), or with --outcome, --resource or --stale, the resources themselves.

--at asks what held at a time: the versions captured by then, judged as they were. --known-at asks what had
been received by a time, so that what was told of late is not in it. STALE is what rests on a gap of its
collector: it may have changed since.`,
		Example: "  regent compliance\n  regent compliance --at 2026-01-31T12:00:00Z\n  regent compliance 'compliance.aws.*' --outcome NON_COMPLIANT",
		RunE: func(cmd *cobra.Command, args []string) error {
			policy := ""
			if len(args) == 1 {
				policy = args[0]
			}
			q := query("policy", policy, "outcome", outcome, "type", typ, "resource", resource, "account", account)
			if err := m.into(q); err != nil {
				return err
			}
			if stale {
				q.Set("stale", "true")
			}
			if policy == "" && outcome == "" && resource == "" && !stale {
				var all []api.PolicyCompliance
				if err := c.call(cmd.Context(), http.MethodGet, "/v1/compliance/summary", q, nil, &all); err != nil {
					return err
				}
				return p.print(cmd.OutOrStdout(), all, "POLICY | COMPLIANT | NON_COMPLIANT | NOT_APPLICABLE | ERROR | STALE", func(row func(...any)) {
					for _, x := range all {
						row(x.Policy, x.Outcomes[verdict.Compliant], x.Outcomes[verdict.NonCompliant], x.Outcomes[verdict.NotApplicable], x.Outcomes[verdict.Error]+x.Outcomes[verdict.InsufficientData], x.Stale)
					}
				})
			}
			all, err := list[api.Judged](cmd.Context(), c, "/v1/compliance", q, limit)
			if err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "OUTCOME | POLICY | TYPE | RESOURCE | ACCOUNT | MESSAGE", func(row func(...any)) {
				for i := range all {
					v := &all[i]
					row(v.Outcome, v.Policy, v.Subject.ResourceType, cut(v.Subject.ResourceID, 60), cut(v.Subject.AccountID, 20), cut(staleText(v.Stale)+saying(&v.Verdict), 100))
				}
			})
		},
	}
	p.add(cmd)
	m.add(cmd)
	cmd.Flags().StringVar(&outcome, "outcome", "", "COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE, ERROR or INSUFFICIENT_DATA")
	cmd.Flags().StringVar(&typ, "type", "", "resource type; * and ? stand for anything")
	cmd.Flags().StringVar(&resource, "resource", "", "resource id; * and ? stand for anything")
	cmd.Flags().StringVar(&account, "account", "", "account id")
	cmd.Flags().BoolVar(&stale, "stale", false, "only what rests on a gap of its collector")
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many")
	return cmd
}

// staleText stands before what rests on a gap.
func staleText(g *api.Gap) string {
	if g == nil {
		return ""
	}
	return fmt.Sprintf("[STALE, last seen %s] ", short(g.From))
}

// saying is a verdict in a line.
func saying(v *verdict.Verdict) string {
	var parts []string
	for _, d := range v.Denials {
		parts = append(parts, d.Message)
	}
	if v.Reason != "" {
		parts = append(parts, v.Reason)
	}
	return strings.Join(parts, "; ")
}

func newGaps(c *client) *cobra.Command {
	var p printer
	var instance, since string
	var open bool
	cmd := &cobra.Command{
		Use: "gaps", Short: "Show when collectors may have missed something", GroupID: "ask", Args: cobra.NoArgs,
		Example: "  regent gaps --open\n  regent gaps --instance collector.host.this",
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := moment("since", since, time.Now())
			if err != nil {
				return err
			}
			q := query("instance", instance)
			if !from.IsZero() {
				q.Set("since", record.FormatTime(from))
			}
			if open {
				q.Set("open", "true")
			}
			var all []api.Gap
			if err := c.call(cmd.Context(), http.MethodGet, "/v1/gaps", q, nil, &all); err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "INSTANCE | FROM | TO | REASON", func(row func(...any)) {
				for _, g := range all {
					row(g.Instance, short(g.From), short(g.To), g.Reason)
				}
			})
		},
	}
	p.add(cmd)
	cmd.Flags().StringVar(&instance, "instance", "", "one collector")
	cmd.Flags().StringVar(&since, "since", "", "those that lasted or ended after a time, a day, or a while ago such as 7d")
	cmd.Flags().BoolVar(&open, "open", false, "only those that last")
	return cmd
}

// happeningText says in a line what an entry of a timeline is.
func happeningText(h *api.Happening) (kind, text string) {
	switch {
	case h.Version != nil:
		it := itemOf(h.Version.Item)
		text = fmt.Sprintf("version %d", h.Version.Version)
		if it.Status != "" {
			text += ", " + it.Status
		}
		// When it was captured stands before it.
		ops := slices.DeleteFunc(slices.Clone(h.Version.Patch), func(o store.Op) bool { return o.Path == "/configurationItemCaptureTime" })
		if changes := patchText(ops); changes != "" {
			text += ": " + changes
		}
		return "version", text
	case h.Verdict != nil:
		text = fmt.Sprintf("%s %s", h.Verdict.Policy, h.Verdict.Outcome)
		if why := saying(h.Verdict); why != "" {
			text += ": " + why
		}
		return "verdict", text
	}
	ev := eventOf(h.Event.Event)
	actor := ev.Actor.Name
	if actor == "" {
		actor = ev.Actor.ID
	}
	text = ev.Action
	if actor != "" {
		text += " by " + actor
	}
	return "event", fmt.Sprintf("%s (%s, %s)", text, ev.Outcome, ev.ID)
}
