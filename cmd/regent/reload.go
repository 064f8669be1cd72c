package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
)

func newReload(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Have the daemon read configuration and policies again", GroupID: "daemon", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var g api.Generation
			if err := c.call(cmd.Context(), http.MethodPost, "/-/reload", nil, nil, &g); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "generation %d with %d policies is in force\n", g.Number, g.Policies)
			return nil
		},
	}
}
