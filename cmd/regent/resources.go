package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

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
