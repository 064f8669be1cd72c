package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func newLake(c *client) *cobra.Command {
	cmd := &cobra.Command{
		Use: "lake", Short: "Give up files of the lake that are lost", GroupID: "ask", Args: cobra.NoArgs,
		Long: `Where a file of the lake is lost or damaged, the status names it, and questions about what it holds fail
with its name. Restore it from a copy and it is taken as it was; the daemon looks for it every minute.`,
	}
	var sure bool
	forget := &cobra.Command{
		Use: "forget PATH", Short: "Give up a file that is lost or damaged and has no copy", Args: cobra.ExactArgs(1),
		Long: `Takes a broken file out of the lake for good. Questions are answered without the records that it held;
"regent verify" says from then on that they were given up, when, and by whom. A file that is whole is refused.`,
		Example: "  regent lake forget events/date=2026-01-31/000000000001-000000018942-7.parquet --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !sure {
				return usage("what %s holds is lost for good; say --yes", args[0])
			}
			var out struct{ Done string }
			if err := c.call(cmd.Context(), http.MethodPost, "/v1/lake/forget", url.Values{"path": args}, nil, &out); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), args[0], out.Done)
			return nil
		},
	}
	forget.Flags().BoolVar(&sure, "yes", false, "yes, its records are lost")
	cmd.AddCommand(forget)
	return cmd
}
