package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

func newStatus(c *client) *cobra.Command {
	var p printer
	cmd := &cobra.Command{
		Use: "status", Short: "Show everything at a glance", GroupID: "ask", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s api.Status
			if err := c.call(cmd.Context(), http.MethodGet, "/v1/status", nil, nil, &s); err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), s, "", func(row func(...any)) { statusRows(s, row) })
		},
	}
	p.add(cmd)
	return cmd
}

func statusRows(s api.Status, row func(...any)) {
	row("version", s.Version)
	row("started", short(s.Started))
	row("generation", fmt.Sprintf("%d since %s, %d policies", s.Generation.Number, short(s.Generation.Since), s.Generation.Policies))
	if s.Generation.Degraded != "" {
		row("DEGRADED", s.Generation.Degraded)
	}
	for _, p := range s.Generation.Problems {
		row(string(p.Severity), p.Error())
	}
	if s.StoreFailure != "" {
		row("STORE FAILS", s.StoreFailure)
	}
	if s.RouteFailure != "" {
		row("ROUTING FAILS", s.RouteFailure)
	}
	if s.LakeFailure != "" {
		row("LAKE FAILS", s.LakeFailure)
	}
	for _, f := range s.LakeBroken {
		row("LAKE FILE BROKEN", f)
	}
	for _, i := range s.Instances {
		text := i.State
		if i.PID > 0 {
			text += fmt.Sprintf(", process %d", i.PID)
		}
		if i.Restarts > 0 {
			text += fmt.Sprintf(", restarted %d times", i.Restarts)
		}
		if i.Problem != "" {
			text += ": " + i.Problem
		}
		row(string(i.Instance), text)
	}
	t := s.Sum
	sum := "in balance"
	if t.Read != t.Stored+t.Duplicate+t.Quarantined {
		sum = "OUT OF BALANCE"
	}
	row("records", fmt.Sprintf("read %d = stored %d + duplicate %d + quarantined %d (%s), %d conflicts of ids", t.Read, t.Stored, t.Duplicate, t.Quarantined, sum, t.Conflicts))
	for _, inst := range sortedKeys(s.Records) {
		t := s.Records[inst]
		row("  "+string(inst), fmt.Sprintf("read %d = stored %d + duplicate %d + quarantined %d", t.Read, t.Stored, t.Duplicate, t.Quarantined))
	}
	var resources int64
	for _, n := range s.Resources {
		resources += n
	}
	row("resources", fmt.Sprintf("%d of %d types", resources, len(s.Resources)))
	var verdicts []string
	for _, o := range []verdict.Outcome{verdict.Compliant, verdict.NonCompliant, verdict.NotApplicable, verdict.InsufficientData, verdict.Error} {
		if n := s.Verdicts[o]; n > 0 {
			verdicts = append(verdicts, fmt.Sprintf("%d %s", n, o))
		}
	}
	row("verdicts", fmt.Sprintf("%s by %d policies", strings.Join(verdicts, ", "), len(s.Policies)))
	var findings []string
	for _, sev := range verdict.Severities {
		if n := s.Findings[string(sev)]; n > 0 {
			findings = append(findings, fmt.Sprintf("%d %s", n, sev))
		}
	}
	if n := s.Findings["waived"]; n > 0 {
		findings = append(findings, fmt.Sprintf("%d waived", n))
	}
	row("open findings", strings.Join(findings, ", "))
	row("alarms", fmt.Sprintf("%d in ALARM, %d episodes", s.Alarms.Active, s.Alarms.All))
	for _, inst := range sortedKeys(s.Deliveries) {
		d := s.Deliveries[inst]
		row("deliveries "+string(inst), fmt.Sprintf("%d delivered, %d pending, %d dead", d[store.Delivered], d[store.Pending], d[store.Dead]))
	}
	for _, c := range s.Channels {
		row(c.Kind+" "+c.Name, channelText(c))
		if c.Failure != "" {
			row("NOT DELIVERED", fmt.Sprintf("%s %s since %s: %s", c.Kind, c.Name, short(c.FailingSince), c.Failure))
		}
		if c.Lost > 0 {
			row("LOST", fmt.Sprintf("%s %s: %d events were past their retention before they were delivered", c.Kind, c.Name, c.Lost))
		}
	}
	for _, h := range s.Held {
		row("HELD SWEEP", fmt.Sprintf("%s %q misses %d of %d resources since %s; confirm with: regent plugin confirm-sweep %s %q", h.Instance, h.Scope, h.Missing, h.Total, short(h.At), h.Instance, h.Scope))
	}
	for _, g := range s.Gaps[:min(5, len(s.Gaps))] {
		row("gap", fmt.Sprintf("%s from %s to %s: %s", g.Instance, short(g.From), short(g.To), g.Reason))
	}
	if s.Work > 0 {
		row("to be judged again", s.Work)
	}
	if len(s.Unmatched) > 0 {
		row("never matched", fmt.Sprintf("%d policies judged nothing yet: %s", len(s.Unmatched), cut(fmt.Sprint(s.Unmatched), 120)))
	}
	var files int
	var size int64
	for _, t := range s.Lake.Tables {
		files, size = files+t.Files, size+t.Bytes
	}
	row("lake", fmt.Sprintf("%d files, %.1f MiB in %s", files, float64(size)/(1<<20), s.Lake.Place))
	proofRows(s.Proof, row)
	row("store", fmt.Sprintf("%.1f MiB", float64(s.StoreBytes)/(1<<20)))
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	var out []K
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
