package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/daemon"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/policy"
)

// colored reports whether to color what is written to w.
func colored(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && isatty.IsTerminal(f.Fd())
}

func logger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	// An unknown level was refused when the configuration was read.
	_ = l.UnmarshalText([]byte(level))
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// configFlags are shared by the verbs that read a configuration.
type configFlags struct {
	path string
	vars []string
}

func (f *configFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "config", "c", "/etc/regent", "configuration: a file, or a folder of *.hcl files")
	cmd.Flags().StringArrayVar(&f.vars, "var", nil, "set a variable: NAME=VALUE (may be repeated)")
}

func (f *configFlags) variables() (map[string]string, error) {
	out := map[string]string{}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, usage("--var %s: NAME=VALUE is wanted", v)
		}
		out[name] = value
	}
	return out, nil
}

func newRun() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use: "run", Short: "Run the daemon", GroupID: "daemon", Args: cobra.NoArgs,
		Long: `Runs the daemon in the foreground until it is interrupted. Changed policies and configuration are
taken while it runs; SIGHUP and "regent reload" ask for it at once.`,
		Example: "  regent run --config /etc/regent",
		RunE: func(cmd *cobra.Command, _ []string) error {
			vars, err := f.variables()
			if err != nil {
				return err
			}
			cfg, _, _ := config.Load(f.path, config.Options{Vars: vars})
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			err = daemon.Run(cmd.Context(), daemon.Options{
				Path: f.path, Vars: vars, Version: version, Log: logger(cmd.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format), Reload: hup,
			})
			var refused *daemon.Refused
			if errors.As(err, &refused) {
				if err := diag.WriteText(cmd.ErrOrStderr(), refused.Problems, refused.Sources, colored(cmd.ErrOrStderr())); err != nil {
					return err
				}
				return &exit{exitUsage, nil}
			}
			if err != nil {
				return &exit{exitUsage, err}
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func newCheck() *cobra.Command {
	var f configFlags
	var output string
	cmd := &cobra.Command{
		Use: "check", Short: "Check configuration, plugins and policies without running them", GroupID: "daemon", Args: cobra.NoArgs,
		Long: `Reads the configuration, starts its plugins to ask what they are, checks their settings, and
compiles the policies against their schemas. Everything wrong is shown at once.`,
		Example: "  regent check --config /etc/regent\n  regent check --config . -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			vars, err := f.variables()
			if err != nil {
				return err
			}
			runDir, err := os.MkdirTemp(runtimeDir(), "regent-check-")
			if err != nil {
				return &exit{exitUsage, fmt.Errorf("make a folder for sockets: %w", err)}
			}
			defer os.RemoveAll(runDir)
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
			h, err := host.New(host.Options{RunDir: filepath.Join(runDir, "run"), DataDir: runDir, Log: log})
			if err != nil {
				return &exit{exitUsage, err}
			}
			defer func() { _ = h.Stop(cmd.Context()) }()
			b := daemon.Check(cmd.Context(), f.path, vars, h, nil, policy.NewCache())
			for i := range b.Problems {
				// The daemon would run without it; whoever checks wants to know.
				if b.Problems[i].Summary == daemon.NotStarted {
					b.Problems[i].Severity = diag.Error
				}
			}
			if !b.Problems.HasErrors() {
				// Only the plugins themselves know whether their settings can be used.
				found, err := host.Check(cmd.Context(), host.Options{RunDir: filepath.Join(runDir, "try"), DataDir: runDir, Log: log}, b.Specs)
				if err != nil {
					return &exit{exitUsage, err}
				}
				b.Problems = append(b.Problems, found...)
				b.Problems.Sort()
			}
			sources := map[string][]byte{}
			for name, text := range b.Sources {
				sources[name] = text
			}
			for _, p := range b.Files {
				sources[p.Path] = p.Bytes
			}
			if output == "json" {
				if err := diag.WriteJSON(cmd.OutOrStdout(), b.Problems); err != nil {
					return err
				}
			} else {
				if err := diag.WriteText(cmd.ErrOrStderr(), b.Problems, sources, colored(cmd.ErrOrStderr())); err != nil {
					return err
				}
				if !b.Problems.HasErrors() {
					w := cmd.OutOrStdout()
					fmt.Fprintf(w, "%d files, %d instances and %d policies are in order.\n", len(b.Config.Files), len(b.Specs), len(b.Policies.Policies()))
					for _, n := range b.Policies.Notes() {
						fmt.Fprintln(w, "not checked:", n)
					}
				}
			}
			if b.Problems.HasErrors() {
				return &exit{exitUsage, nil}
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// runtimeDir is where sockets may lie for a moment: outside /tmp where the system has such a place.
func runtimeDir() string {
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return d
	}
	if info, err := os.Stat("/run"); err == nil && info.IsDir() && os.Geteuid() == 0 {
		return "/run"
	}
	return os.TempDir()
}
