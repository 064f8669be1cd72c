package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

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
