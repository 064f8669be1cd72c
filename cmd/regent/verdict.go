package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/rerun"
)

// verdictFlags say which verdict is made again.
type verdictFlags struct {
	verdict, account, region string
}

func (f *verdictFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.verdict, "verdict", "", "make a verdict again: a finding's id, or a policy's id with [TYPE] RESOURCE after it")
	cmd.Flags().StringVar(&f.account, "account", "", "the account of the resource")
	cmd.Flags().StringVar(&f.region, "region", "", "the region of the resource")
}

func (f *verdictFlags) run(cmd *cobra.Command, c *client, args []string, p *printer) error {
	q := query("finding", f.verdict)
	if len(args) > 0 {
		typ, id := named(args)
		q = query("policy", f.verdict, "type", typ, "id", id, "account", f.account, "region", f.region)
	} else if strings.Contains(f.verdict, ".") {
		return usage("--verdict %s is a policy; name the resource after it: [TYPE] RESOURCE", f.verdict)
	}
	var r rerun.Result
	if err := c.call(cmd.Context(), http.MethodGet, "/v1/verdicts/verify", q, nil, &r); err != nil {
		return err
	}
	err := p.print(cmd.OutOrStdout(), r, "", func(row func(...any)) { rerunRows(&r, row) })
	if err == nil && r.State != rerun.Same {
		return &exit{exitFindings, nil}
	}
	return err
}

func rerunRows(r *rerun.Result, row func(...any)) {
	v := r.Recorded
	row("verdict", fmt.Sprintf("%s on %s at %s", v.Policy, v.Subject, record.FormatTime(v.At)))
	row("outcome", v.Outcome)
	for _, d := range v.Denials {
		row("", d.Message)
	}
	row("policy", v.Evidence.Policy)
	row("item", v.Evidence.Item)
	if len(v.Evidence.Reads) > 0 {
		row("look-ups", len(v.Evidence.Reads))
	}
	if r.Engine != "" {
		row("engine", fmt.Sprintf("%s made it, and %s runs now", v.Evidence.Engine, r.Engine))
	}
	for _, d := range r.Differences {
		row("DIFFERENT", d)
	}
	for _, m := range r.Missing {
		row("MISSING", m)
	}
	switch r.State {
	case rerun.Same:
		row("result", "it comes out the same")
	case rerun.Different:
		row("result", "it comes out differently")
	default:
		row("result", "it cannot be made again")
	}
}
