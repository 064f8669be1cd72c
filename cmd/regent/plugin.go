package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/sdk/sdktest"
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
	cmd.AddCommand(ls, sum, describe, newProbe(), confirm)
	return cmd
}

func newProbe() *cobra.Command {
	var p printer
	var file string
	var watch, every time.Duration
	var skip []string
	cmd := &cobra.Command{
		Use: "probe BINARY", Short: "Check that a plugin keeps to the plugin contract", Args: cobra.ExactArgs(1),
		Long: `Starts the plugin as the daemon would and checks what the contract asks of it. Most checks need a
configuration that the plugin accepts. The exit code is 1 where a check fails.`,
		Example: "  regent plugin probe ./collector-folder --config folder.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			o := sdktest.Options{Watch: watch, Interval: every, Skip: skip}
			if file != "" {
				b, err := os.ReadFile(file)
				if err != nil {
					return usage("%v", err)
				}
				if !json.Valid(b) {
					return usage("%s is not JSON", file)
				}
				o.Config = b
			}
			results := sdktest.Check(cmd.Context(), args[0], o)
			err := p.print(cmd.OutOrStdout(), results, "CHECK | RESULT | DETAIL", func(row func(...any)) {
				for _, r := range results {
					result := "ok"
					switch {
					case r.Skipped:
						result = "skipped"
					case !r.OK:
						result = "FAILED"
					}
					row(r.Name, result, r.Detail)
				}
			})
			if err != nil {
				return err
			}
			for _, r := range results {
				if !r.OK {
					return &exit{exitFindings, nil}
				}
			}
			return nil
		},
	}
	p.add(cmd)
	cmd.Flags().StringVar(&file, "config", "", "file with the content of the config block as JSON")
	cmd.Flags().DurationVar(&watch, "watch", 3*time.Second, "how long to listen to a collector")
	cmd.Flags().DurationVar(&every, "every", 0, "the instance's interval")
	cmd.Flags().StringSliceVar(&skip, "skip", nil, "checks to leave out")
	return cmd
}
