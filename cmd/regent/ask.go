package main

import (
	"encoding/json"
	"fmt"
	"io"
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

// itemOf reads what tables show of an item.
func itemOf(raw json.RawMessage) (it struct {
	AccountID    string `json:"accountId"`
	Region       string `json:"region"`
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId"`
	ResourceName string `json:"resourceName"`
	Capture      string `json:"configurationItemCaptureTime"`
	Status       string `json:"configurationItemStatus"`
},
) {
	// Intake has checked the item.
	_ = json.Unmarshal(raw, &it)
	return it
}

// named reads TYPE ID, TYPE/ID or ID alone.
func named(args []string) (typ, id string) {
	if len(args) == 2 {
		return args[0], args[1]
	}
	if t, rest, ok := strings.Cut(args[0], "/"); ok && strings.Contains(t, "::") {
		return t, rest
	}
	return "", args[0]
}

func newResources(c *client) *cobra.Command {
	cmd := &cobra.Command{Use: "resources", Short: "Show resources and their history", GroupID: "ask"}
	var p printer
	var typ, id, account, region, tag string
	var gone bool
	var limit int
	var then timeFlags
	ls := &cobra.Command{
		Use: "list", Short: "List resources, latest change first", Args: cobra.NoArgs,
		Example: "  regent resources list --type 'Linux::IAM::*'\n  regent resources list --tag env=prod -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := query("type", typ, "id", id, "account", account, "region", region, "tag", tag)
			if err := then.into(q); err != nil {
				return err
			}
			if gone {
				q.Set("gone", "true")
			}
			all, err := list[api.Resource](cmd.Context(), c, "/v1/resources", q, limit)
			if err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "TYPE | ID | ACCOUNT | REGION | CAPTURED | STATUS", func(row func(...any)) {
				for _, r := range all {
					it := itemOf(r.Item)
					row(it.ResourceType, cut(it.ResourceID, 60), cut(it.AccountID, 20), it.Region, it.Capture, staleText(r.Stale)+it.Status)
				}
			})
		},
	}
	p.add(ls)
	then.add(ls)
	ls.Flags().StringVar(&typ, "type", "", "resource type; * and ? stand for anything")
	ls.Flags().StringVar(&id, "id", "", "resource id; * and ? stand for anything")
	ls.Flags().StringVar(&account, "account", "", "account id")
	ls.Flags().StringVar(&region, "region", "", "region")
	ls.Flags().StringVar(&tag, "tag", "", "tag: KEY or KEY=VALUE")
	ls.Flags().BoolVar(&gone, "gone", false, "include resources that exist no more")
	ls.Flags().IntVar(&limit, "limit", 100, "how many")

	one := func(use, short string, run func(cmd *cobra.Command, q url.Values, p *printer) error) *cobra.Command {
		var p printer
		var account, region string
		cmd := &cobra.Command{
			Use: use + " [TYPE] ID", Short: short, Args: cobra.RangeArgs(1, 2),
			RunE: func(cmd *cobra.Command, args []string) error {
				typ, id := named(args)
				return run(cmd, query("type", typ, "id", id, "account", account, "region", region), &p)
			},
		}
		p.add(cmd)
		cmd.Flags().StringVar(&account, "account", "", "account id, where several resources match")
		cmd.Flags().StringVar(&region, "region", "", "region, where several resources match")
		return cmd
	}
	var at, known, from, to string
	get := one("get", "Show a resource with its relationships, verdicts and findings", func(cmd *cobra.Command, q url.Values, p *printer) error {
		if err := knownInto(q, known); err != nil {
			return err
		}
		if at != "" {
			q.Set("at", versionOf("at", at))
		}
		var d api.ResourceDetail
		if err := c.call(cmd.Context(), http.MethodGet, "/v1/resource", q, nil, &d); err != nil {
			return err
		}
		return p.print(cmd.OutOrStdout(), d, "", func(row func(...any)) { detailRows(d, row) })
	})
	get.Flags().StringVar(&at, "at", "", "the version then: a number, a time, a while ago such as 7d, current or previous")
	get.Flags().StringVar(&known, "known-at", "", "only what had been received by a time")
	timeline := one("timeline", "Show what happened to a resource: versions, verdicts and events, the last first", func(cmd *cobra.Command, q url.Values, p *printer) error {
		if err := knownInto(q, known); err != nil {
			return err
		}
		all, err := list[api.Happening](cmd.Context(), c, "/v1/resource/timeline", q, limit)
		if err != nil {
			return err
		}
		return p.print(cmd.OutOrStdout(), all, "TIME | WHAT | ", func(row func(...any)) {
			for i := range all {
				kind, text := happeningText(&all[i])
				row(record.FormatTime(all[i].At), kind, cut(text, 160))
			}
		})
	})
	timeline.Flags().IntVar(&limit, "limit", 100, "how many")
	timeline.Flags().StringVar(&known, "known-at", "", "only what had been received by a time")
	history := one("history", "Show the versions of a resource, newest first", func(cmd *cobra.Command, q url.Values, p *printer) error {
		all, err := list[api.Version](cmd.Context(), c, "/v1/resource/history", q, limit)
		if err != nil {
			return err
		}
		return p.print(cmd.OutOrStdout(), all, "VERSION | CAPTURED | STATUS | BY | CHANGES", func(row func(...any)) {
			for _, v := range all {
				it := itemOf(v.Item)
				row(v.Version, it.Capture, it.Status, v.Instance, patchText(v.Patch))
			}
		})
	})
	history.Flags().IntVar(&limit, "limit", 100, "how many")
	diff := one("diff", "Show what changed between two versions", func(cmd *cobra.Command, q url.Values, p *printer) error {
		q.Set("from", versionOf("from", from))
		q.Set("to", versionOf("to", to))
		if err := knownInto(q, known); err != nil {
			return err
		}
		var v api.Version
		if err := c.call(cmd.Context(), http.MethodGet, "/v1/resource/diff", q, nil, &v); err != nil {
			return err
		}
		return p.print(cmd.OutOrStdout(), v.Patch, "OP | PATH | OLD | NEW", func(row func(...any)) {
			for _, o := range v.Patch {
				row(o.Op, o.Path, cut(string(o.Old), 60), cut(string(o.Value), 60))
			}
		})
	})
	diff.Flags().StringVar(&from, "from", "previous", "a version number, a time, a while ago such as 7d, current or previous")
	diff.Flags().StringVar(&known, "known-at", "", "only what had been received by a time")
	diff.Flags().StringVar(&to, "to", "current", "a version number, a time, a while ago such as 7d, current or previous")
	cmd.AddCommand(ls, get, history, timeline, diff)
	return cmd
}

// versionOf turns the times of people into those of the API; what is none is the daemon's to say.
func versionOf(name, text string) string {
	if t, err := moment(name, text, time.Now()); err == nil && !t.IsZero() {
		return record.FormatTime(t)
	}
	return text
}

// knownInto adds the time by which something had to be received to a query.
func knownInto(q url.Values, known string) error { return (&timeFlags{known: known}).into(q) }

func patchText(ops []store.Op) string {
	var parts []string
	for _, o := range ops[:min(4, len(ops))] {
		switch o.Op {
		case "add":
			parts = append(parts, fmt.Sprintf("+%s %s", o.Path, cut(string(o.Value), 40)))
		case "remove":
			parts = append(parts, "-"+o.Path)
		default:
			parts = append(parts, fmt.Sprintf("%s %s → %s", o.Path, cut(string(o.Old), 30), cut(string(o.Value), 30)))
		}
	}
	if n := len(ops) - len(parts); n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, "; ")
}

func detailRows(d api.ResourceDetail, row func(...any)) {
	it := itemOf(d.Item)
	row("resource", it.ResourceType+"/"+it.ResourceID)
	row("account", it.AccountID)
	row("region", it.Region)
	row("captured", it.Capture)
	row("status", it.Status)
	row("version", d.Version)
	row("seen until", short(d.Confirmed))
	row("listed by", fmt.Sprint(d.Owners))
	if d.Stale != nil {
		row("STALE", fmt.Sprintf("%s is in a gap since %s: %s", d.Stale.Instance, short(d.Stale.From), d.Stale.Reason))
	}
	for _, r := range d.Out {
		row("→ "+r.Name, r.ResourceType+"/"+r.ResourceID+r.ResourceName)
	}
	for _, r := range d.In {
		row("← "+r.Name, r.From.ResourceType+"/"+r.From.ResourceID)
	}
	for _, v := range d.Verdicts {
		text := string(v.Outcome)
		if len(v.Denials) > 0 {
			text += ": " + v.Denials[0].Message
		} else if v.Reason != "" {
			text += ": " + v.Reason
		}
		row(string(v.Policy), text)
	}
	var pretty struct {
		Configuration json.RawMessage `json:"configuration"`
	}
	if json.Unmarshal(d.Item, &pretty) == nil && len(pretty.Configuration) > 0 {
		row("configuration", string(pretty.Configuration))
	}
}

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

func eventOf(raw json.RawMessage) (ev struct {
	ID      string          `json:"id"`
	Time    string          `json:"time"`
	Source  string          `json:"source"`
	Action  string          `json:"action"`
	Outcome string          `json:"outcome"`
	Actor   record.Actor    `json:"actor"`
	Targets []record.Target `json:"targets"`
},
) {
	// Intake has checked the event.
	_ = json.Unmarshal(raw, &ev)
	return ev
}

// eventCells are the cells of an event in a list.
func eventCells(raw json.RawMessage) []any {
	v := eventOf(raw)
	actor, target := v.Actor.ID, ""
	if actor == "" {
		actor = v.Actor.Name
	}
	if len(v.Targets) > 0 {
		target = v.Targets[0].ResourceID
		if target == "" {
			target = v.Targets[0].Name
		}
	}
	return []any{v.Time, v.Action, v.Outcome, cut(actor, 50), cut(target, 40), v.ID}
}

// followEvents prints events as they are recorded, each on a line: as JSON, or as the columns of the list.
func followEvents(cmd *cobra.Command, c *client, q url.Values, p *printer) error {
	for {
		var page api.List[api.Event]
		if err := c.call(cmd.Context(), http.MethodGet, "/v1/events/follow", q, nil, &page); err != nil {
			if cmd.Context().Err() != nil {
				return nil
			}
			return err
		}
		for _, e := range page.Items {
			line := fmt.Sprintln(eventCells(e.Event)...)
			if p.output == "json" {
				b, err := json.Marshal(e)
				if err != nil {
					return err
				}
				line = string(b) + "\n"
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), line); err != nil {
				return err
			}
		}
		q.Set("after", page.Next)
	}
}

func newEvents(c *client) *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "Show recorded activity", GroupID: "ask"}
	var p printer
	f := map[string]*string{}
	var limit int
	var follow bool
	ls := &cobra.Command{
		Use: "list", Short: "List events, newest first", Args: cobra.NoArgs,
		Example: "  regent events list --actor arn:aws:iam::111122223333:user/eve\n  regent events list --resource my-bucket --from 2026-01-01T00:00:00Z\n  regent events list --follow --outcome failure",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for name, v := range f {
				text := *v
				if name == "from" || name == "to" {
					t, err := moment(name, text, time.Now())
					if err != nil {
						return err
					}
					if !t.IsZero() {
						text = record.FormatTime(t)
					}
				}
				if name == "origin" {
					// --address is where the daemon is.
					name = "address"
				}
				if text != "" {
					q.Set(name, text)
				}
			}
			if follow {
				return followEvents(cmd, c, q, &p)
			}
			all, err := list[api.Event](cmd.Context(), c, "/v1/events", q, limit)
			if err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "TIME | ACTION | OUTCOME | ACTOR | TARGET | ID", func(row func(...any)) {
				for _, e := range all {
					row(eventCells(e.Event)...)
				}
			})
		},
	}
	p.add(ls)
	for _, flag := range [][2]string{
		{"id", "event id"},
		{"resource", "a resource's id or name"},
		{"type", "the resource's type"},
		{"actor", "an actor's id or name"},
		{"action", "what was done"},
		{"source", "where it was recorded"},
		{"outcome", "success, failure or unknown"},
		{"error", "the source's word for why it failed, such as AccessDenied"},
		{"account", "account id"},
		{"region", "region"},
		{"origin", "the address it came from"},
		{"text", "text anywhere in the record"},
		{"from", "from a time, a day, or a while ago such as 1h on"},
		{"to", "before a time, a day, or a while ago"},
	} {
		f[flag[0]] = ls.Flags().String(flag[0], "", flag[1])
	}
	ls.Flags().IntVar(&limit, "limit", 100, "how many")
	ls.Flags().BoolVar(&follow, "follow", false, "print events as they are recorded, until it is interrupted")
	ls.MarkFlagsMutuallyExclusive("follow", "from")
	ls.MarkFlagsMutuallyExclusive("follow", "to")
	show := &cobra.Command{
		Use: "show ID", Short: "Print the events with an id as they were received", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var all []api.Event
			if err := c.call(cmd.Context(), http.MethodGet, "/v1/events/"+url.PathEscape(args[0]), nil, nil, &all); err != nil {
				return err
			}
			jp := printer{output: "json"}
			for _, e := range all {
				if err := jp.print(cmd.OutOrStdout(), e.Event, "", nil); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.AddCommand(ls, show)
	return cmd
}

func newAlarms(c *client) *cobra.Command {
	cmd := &cobra.Command{Use: "alarms", Short: "Show and acknowledge alarms", GroupID: "ask"}
	var p printer
	var active bool
	var policy, severity, account string
	var limit int
	ls := &cobra.Command{
		Use: "list", Short: "List episodes of alarms, newest first, ended ones too", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := query("policy", policy, "severity", severity, "account", account)
			if active {
				q.Set("active", "true")
			}
			all, err := list[verdict.Episode](cmd.Context(), c, "/v1/alarms", q, limit)
			if err != nil {
				return err
			}
			err = p.print(cmd.OutOrStdout(), all, "ID | STATE | SEVERITY | POLICY | STARTED | MATCHES | ACK | MESSAGE", func(row func(...any)) {
				for _, e := range all {
					ack := "-"
					if e.Acknowledged != nil {
						ack = e.Acknowledged.By
					}
					row(e.ID, e.State, e.Severity, e.Policy, short(e.StartedAt), e.Matches, ack, cut(e.Message, 110))
				}
			})
			if err != nil {
				return err
			}
			for _, e := range all {
				if e.State == verdict.AlarmFiring && e.Acknowledged == nil {
					return &exit{exitFindings, nil}
				}
			}
			return nil
		},
	}
	p.add(ls)
	ls.Flags().BoolVar(&active, "active", false, "only those in ALARM")
	ls.Flags().StringVar(&policy, "policy", "", "policy id; * and ? stand for anything")
	ls.Flags().StringVar(&severity, "severity", "", "critical, high, medium, low or info")
	ls.Flags().StringVar(&account, "account", "", "account id")
	ls.Flags().IntVar(&limit, "limit", 100, "how many")
	var note, by string
	ack := &cobra.Command{
		Use: "ack ID", Short: "Say that an episode has been seen", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ep verdict.Episode
			in := map[string]string{"note": note, "by": by}
			if err := c.call(cmd.Context(), http.MethodPost, "/v1/alarms/"+url.PathEscape(args[0])+"/ack", nil, in, &ep); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s acknowledged by %s\n", ep.ID, ep.Acknowledged.By)
			return nil
		},
	}
	ack.Flags().StringVar(&note, "note", "", "what to remember")
	ack.Flags().StringVar(&by, "by", "", "who has seen it")
	cmd.AddCommand(ls, ack)
	return cmd
}

func newDeliveries(c *client) *cobra.Command {
	cmd := &cobra.Command{Use: "deliveries", Short: "Show and retry notifications", GroupID: "ask"}
	var p printer
	var state, instance, route string
	var limit int
	ls := &cobra.Command{
		Use: "list", Short: "List deliveries, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := list[store.Delivery](cmd.Context(), c, "/v1/deliveries", query("state", state, "instance", instance, "route", route), limit)
			if err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "ID | STATE | ROUTE | NOTIFIER | CREATED | ATTEMPTS | ANSWER", func(row func(...any)) {
				for _, d := range all {
					row(d.ID, d.State, d.Route, d.Instance, short(d.Created), d.Attempts, cut(d.Answer, 80))
				}
			})
		},
	}
	p.add(ls)
	ls.Flags().StringVar(&state, "state", "", "pending, delivered or dead")
	ls.Flags().StringVar(&instance, "instance", "", "notifier instance, such as notifier.webhook.ops")
	ls.Flags().StringVar(&route, "route", "", "route")
	ls.Flags().IntVar(&limit, "limit", 100, "how many")
	retry := &cobra.Command{
		Use: "retry ID", Short: "Try a dead or waiting delivery now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var out struct{ Done string }
			if err := c.call(cmd.Context(), http.MethodPost, "/v1/deliveries/"+url.PathEscape(args[0])+"/retry", nil, nil, &out); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), args[0], out.Done)
			return nil
		},
	}
	cmd.AddCommand(ls, retry)
	return cmd
}

func newQuarantine(c *client) *cobra.Command {
	var p printer
	var limit int
	cmd := &cobra.Command{
		Use: "quarantine", Short: "Show records that were refused, newest first", GroupID: "ask", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := list[api.Quarantined](cmd.Context(), c, "/v1/quarantine", url.Values{}, limit)
			if err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "ROW | INSTANCE | RECEIVED | KIND | ORIGIN | REASON", func(row func(...any)) {
				for _, q := range all {
					row(q.Row, q.Instance, short(q.Received), q.Kind, q.Origin, q.Reason)
				}
			})
		},
	}
	p.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many")
	return cmd
}
