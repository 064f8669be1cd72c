package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/verdict"
)

func newFindings(c *client) *cobra.Command {
	cmd := &cobra.Command{Use: "findings", Short: "Show what is not compliant", GroupID: "ask"}
	var p printer
	var status, severity, policy, typ, resource, account, waived string
	var limit int
	ls := &cobra.Command{
		Use: "list", Short: "List findings, newest first", Args: cobra.NoArgs,
		Long:    "Lists findings. The exit code is 1 where an open finding that is not waived is among them.",
		Example: "  regent findings list --severity critical\n  regent findings list --policy 'compliance.linux.*' --status ''",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := list[api.FoundFinding](cmd.Context(), c, "/v1/findings", query("status", status, "severity", severity, "policy", policy, "type", typ, "resource", resource, "account", account, "waived", waived), limit)
			if err != nil {
				return err
			}
			err = p.print(cmd.OutOrStdout(), all, "ID | SEVERITY | POLICY | RESOURCE | SINCE | MESSAGE", func(row func(...any)) {
				for _, f := range all {
					row(f.ID, f.Severity, f.Policy, cut(f.Subject.ResourceID, 40), short(f.FirstSeen), cut(staleText(f.Stale)+findingText(f.Finding), 100))
				}
			})
			if err != nil {
				return err
			}
			for _, f := range all {
				if f.Status == verdict.Open && f.Waiver == "" {
					return &exit{exitFindings, nil}
				}
			}
			return nil
		},
	}
	p.add(ls)
	ls.Flags().StringVar(&status, "status", "OPEN", "OPEN, RESOLVED, or empty for both")
	ls.Flags().StringVar(&severity, "severity", "", "critical, high, medium, low or info")
	ls.Flags().StringVar(&policy, "policy", "", "policy id; * and ? stand for anything")
	ls.Flags().StringVar(&typ, "type", "", "resource type; * and ? stand for anything")
	ls.Flags().StringVar(&resource, "resource", "", "resource id; * and ? stand for anything")
	ls.Flags().StringVar(&account, "account", "", "account id")
	ls.Flags().StringVar(&waived, "waived", "", "true or false")
	ls.Flags().IntVar(&limit, "limit", 100, "how many")
	var sp printer
	show := &cobra.Command{
		Use: "show ID", Short: "Show a finding with the path and value that made it, what changed it, and who", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var f api.FindingDetail
			if err := c.call(cmd.Context(), http.MethodGet, "/v1/findings/"+url.PathEscape(args[0]), nil, nil, &f); err != nil {
				return err
			}
			return sp.print(cmd.OutOrStdout(), f, "", func(row func(...any)) { findingRows(f, row) })
		},
	}
	sp.add(show)
	cmd.AddCommand(ls, show)
	return cmd
}

func findingText(f verdict.Finding) string {
	text := f.Reason
	if len(f.Denials) > 0 {
		text = f.Denials[0].Message
		if n := len(f.Denials) - 1; n > 0 {
			text += fmt.Sprintf(" (and %d more)", n)
		}
	}
	if f.Waiver != "" {
		text = "[waived by " + f.Waiver + "] " + text
	}
	return text
}

func findingRows(f api.FindingDetail, row func(...any)) {
	row("finding", f.ID)
	row("title", f.Title)
	row("policy", f.Policy)
	row("severity", f.Severity)
	row("status", fmt.Sprintf("%s (%s)", f.Status, f.Outcome))
	row("resource", f.Subject.String())
	row("since", short(f.FirstSeen))
	row("confirmed", short(f.LastSeen))
	if f.ResolvedAt != nil {
		row("resolved", fmt.Sprintf("%s: %s", short(*f.ResolvedAt), f.Resolution))
	}
	if f.Regressions > 0 {
		row("came back", f.Regressions)
	}
	if f.Waiver != "" {
		row("waived by", f.Waiver)
	}
	if f.Stale != nil {
		row("STALE", fmt.Sprintf("%s is in a gap since %s: %s", f.Stale.Instance, short(f.Stale.From), f.Stale.Reason))
	}
	for _, d := range f.Denials {
		row("message", d.Message)
		if d.Path != "" {
			row("  at", fmt.Sprintf("%s = %s", d.Path, d.Value))
		}
	}
	if f.Reason != "" {
		row("reason", f.Reason)
	}
	for i := range f.Causes {
		causeRows(&f.Causes[i], row)
	}
}
