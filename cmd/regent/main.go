// Command regent is Regent's one program: the daemon, its client, and the tools of policy and plugin
// authors.
//
// Results go to standard output, logs and problems to standard error. The exit code is 0 where all is
// well, 1 where something is not compliant or problems were found, 2 where an evaluation failed, 3 for
// wrong usage or configuration, and 4 where the daemon cannot be reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

// The exit codes.
const (
	exitFindings    = 1
	exitError       = 2
	exitUsage       = 3
	exitUnreachable = 4
)

// exit is an error with its exit code. An empty message prints nothing: what there is to say was said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var e *exit
	if errors.As(err, &e) {
		if msg := e.Error(); msg != "" {
			fmt.Fprintln(errOut, "regent:", msg)
		}
		return e.code
	}
	fmt.Fprintln(errOut, "regent:", err)
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "regent",
		Short: "Records what a system is and what is done to it, and judges it with policies",
		Long: `Regent records the configuration of a system and the activity in it, and judges both with
policies written in Rego. "regent run" is the daemon; the other verbs ask a running daemon, or
work on files alone.

Exit codes: 0 all is well, 1 not compliant or problems found, 2 an evaluation failed,
3 wrong usage or configuration, 4 the daemon cannot be reached.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
	}
	root.AddGroup(
		&cobra.Group{ID: "daemon", Title: "The daemon:"},
		&cobra.Group{ID: "ask", Title: "Asking the daemon:"},
		&cobra.Group{ID: "author", Title: "For authors of policies and plugins:"},
	)
	c := &client{}
	root.PersistentFlags().StringVar(&c.address, "address", os.Getenv("REGENT_ADDRESS"), "the daemon's address: unix:///path or http(s)://host:port (REGENT_ADDRESS)")
	root.PersistentFlags().StringVar(&c.token, "token", os.Getenv("REGENT_TOKEN"), "bearer token for http(s) addresses (REGENT_TOKEN)")
	root.PersistentFlags().StringVar(&c.dataDir, "data-dir", os.Getenv("REGENT_DATA_DIR"), "data folder whose socket to use where no address is given (REGENT_DATA_DIR)")
	root.AddCommand(newRun(), newCheck(), newQuickstart(), newReload(c), newTest(), newEval(), newBacktest(c), newFixture(c), newPlugin(c))
	root.AddCommand(newStatus(c), newResources(c), newFindings(c), newCompliance(c), newGaps(c), newEvents(c), newAlarms(c), newDeliveries(c), newSnapshot(c), newQuarantine(c))
	root.AddCommand(newQuery(c), newImport(c), newExport(c), newVerify(c), newLake(c))
	return root
}

// usage makes an error of the command line or the configuration.
func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}
