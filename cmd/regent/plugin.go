package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/host"
)

func newPlugin(c *client) *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Look at plugins and their instances", GroupID: "author"}
	var p printer
	ls := &cobra.Command{
		Use: "list", Short: "List the instances of the running daemon", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.Instance
			if err := c.call(cmd.Context(), http.MethodGet, "/v1/plugins", nil, nil, &all); err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), all, "INSTANCE | VERSION | STATE | SINCE | PROCESS | RESTARTS | PROBLEM", func(row func(...any)) {
				for _, i := range all {
					row(i.Instance, i.Version, i.State, short(i.Since), i.PID, i.Restarts, cut(i.Problem, 100))
				}
			})
		},
	}
	p.add(ls)
	sum := &cobra.Command{
		Use: "sum BINARY", Short: "Print the SHA-256 of a plugin, for sha256 in its plugin block", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := host.Sum(args[0])
			if err != nil {
				return usage("%v", err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), s)
			return nil
		},
	}
	describe := &cobra.Command{
		Use: "describe BINARY", Short: "Start a plugin, ask it what it is, and print that as JSON", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := os.MkdirTemp(runtimeDir(), "regent-describe-")
			if err != nil {
				return usage("make a folder for sockets: %v", err)
			}
			defer os.RemoveAll(dir)
			d, _, err := host.Describe(cmd.Context(), host.DescribeOptions{Path: args[0], RunDir: dir, Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
			if err != nil {
				return usage("%v", err)
			}
			b, err := protojson.MarshalOptions{Multiline: true}.Marshal(d)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(b))
			return nil
		},
	}
	confirm := &cobra.Command{
		Use: "confirm-sweep INSTANCE SCOPE", Short: "Let a held sweep delete what it did not see", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var out struct{ Done string }
			q := url.Values{"instance": {args[0]}, "scope": {args[1]}}
			if err := c.call(cmd.Context(), http.MethodPost, "/v1/sweeps/confirm", q, nil, &out); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), out.Done)
			return nil
		},
	}
	cmd.AddCommand(ls, sum, describe, confirm)
	return cmd
}
