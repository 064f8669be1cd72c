package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/daemon"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/verdict"
)

//go:embed quickstart.hcl
var quickstartConfig []byte

// quickstartWait is how long the first look at the machine may take.
const quickstartWait = 13 * time.Second

func newQuickstart() *cobra.Command {
	var once bool
	var dir string
	cmd := &cobra.Command{
		Use: "quickstart", Short: "Record and judge this machine, and show what was found", GroupID: "daemon", Args: cobra.NoArgs,
		Long: `Runs the daemon on this machine with a ready configuration, shows what it found after the first
look, and goes on until it is interrupted. Nothing outside the folder is written.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := filepath.Abs(dir)
			if err != nil {
				return usage("%v", err)
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return usage("make folder: %v", err)
			}
			path := filepath.Join(dir, "regent.hcl")
			if err := os.WriteFile(path, quickstartConfig, 0o600); err != nil {
				return usage("write configuration: %v", err)
			}
			return quickstart(cmd, path, filepath.Join(dir, "data"), once)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "build/quickstart", "folder for the configuration and the data")
	cmd.Flags().BoolVar(&once, "once", false, "stop after showing what was found")
	return cmd
}

func quickstart(cmd *cobra.Command, path, data string, once bool) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	vars := map[string]string{"data_dir": data}
	w := cmd.OutOrStdout()
	fmt.Fprintln(w, "Looking at this machine…")
	ready := make(chan struct{})
	shown := make(chan error, 1)
	c := &client{address: "unix://" + filepath.Join(data, "regent.sock")}
	go func() {
		select {
		case <-ready:
		case <-ctx.Done():
			shown <- nil
			return
		}
		err := showFirstLook(ctx, c, w, path, data)
		if once || err != nil {
			cancel()
		}
		shown <- err
	}()
	err := daemon.Run(ctx, daemon.Options{
		Path: path, Vars: vars, Version: version, Log: logger(cmd.ErrOrStderr(), "warn", "text"),
		Ready: func(*daemon.Daemon) { close(ready) },
	})
	cancel()
	showErr := <-shown
	var refused *daemon.Refused
	if errors.As(err, &refused) {
		_, _, sources := config.Load(path, config.Options{Vars: vars})
		if err := diag.WriteText(cmd.ErrOrStderr(), refused.Problems, sources, colored(cmd.ErrOrStderr())); err != nil {
			return err
		}
		return &exit{exitUsage, nil}
	}
	if err != nil {
		return &exit{exitUsage, err}
	}
	return showErr
}

// showFirstLook waits until the first look is over, at most quickstartWait, and shows what it found.
func showFirstLook(ctx context.Context, c *client, w io.Writer, path, data string) error {
	deadline := time.Now().Add(quickstartWait)
	var s api.Status
	last, calm := int64(-1), 0
	for time.Now().Before(deadline) && calm < 4 {
		if err := wait(ctx, 500*time.Millisecond); err != nil {
			return nil
		}
		s = api.Status{}
		if err := c.call(ctx, "GET", "/v1/status", nil, nil, &s); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if s.Sum.Read > 0 && s.Sum.Read == last && s.Work == 0 {
			calm++
		} else {
			calm = 0
		}
		last = s.Sum.Read
	}
	findings, err := list[verdict.Finding](ctx, c, "/v1/findings", query("status", "OPEN"), 1000)
	if err != nil {
		return err
	}
	firstLook(w, s, findings, path, data)
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func firstLook(w io.Writer, s api.Status, findings []verdict.Finding, path, data string) {
	var resources int64
	for _, n := range s.Resources {
		resources += n
	}
	fmt.Fprintf(w, "\n%d resources of %d types, judged by %d policies.\n\n", resources, len(s.Resources), len(s.Policies))
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, typ := range sortedKeys(s.Resources) {
		fmt.Fprintf(t, "  %s\t%d\n", typ, s.Resources[typ])
	}
	t.Flush()
	fmt.Fprintf(w, "\n%d findings:\n\n", len(findings))
	t = tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	n := 0
	for _, sev := range verdict.Severities {
		for _, f := range findings {
			if f.Severity != sev {
				continue
			}
			if n++; n > 20 {
				continue
			}
			at := ""
			if len(f.Denials) > 0 && f.Denials[0].Path != "" {
				at = fmt.Sprintf("%s = %s", f.Denials[0].Path, cut(string(f.Denials[0].Value), 40))
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", f.Severity, f.ID, cut(oneLine(findingText(f)), 80), at)
		}
	}
	t.Flush()
	if n > 20 {
		fmt.Fprintf(w, "  … and %d more\n", n-20)
	}
	fmt.Fprintf(w, `
Look further, from another terminal:

  export REGENT_DATA_DIR=%s PATH=%s:$PATH
  regent status
  regent findings list
  regent findings show ID
  regent resources list --type 'Linux::IAM::*'
  regent resources get Linux::IAM::User root
  regent events list

The configuration is %s. Ctrl-C stops the daemon.
`, data, osExecutableDir(), path)
}
