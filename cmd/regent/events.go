package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/record"
)

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
