package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/regent-dev/regent/core/api"
)

func newSnapshot(c *client) *cobra.Command {
	var p printer
	cmd := &cobra.Command{
		Use: "snapshot NAME", Short: "Take a snapshot now and print where it is", GroupID: "ask", Args: cobra.ExactArgs(1),
		Long: `Writes the files of the snapshot block NAME now, besides its schedule, and prints their keys. Where the
bucket fails, the snapshot stays planned: it is written when the bucket works again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var files []api.ChannelFile
			if err := c.call(cmd.Context(), http.MethodPost, "/v1/snapshots/"+url.PathEscape(args[0]), nil, nil, &files); err != nil {
				return err
			}
			return p.print(cmd.OutOrStdout(), files, "", func(row func(...any)) {
				for _, f := range files {
					row(f.Key)
				}
			})
		},
	}
	p.add(cmd)
	return cmd
}

// channelText is a snapshot or trail in the status.
func channelText(c api.Channel) string {
	text := fmt.Sprintf("%d records in %d files to %s, next %s", c.Records, c.Files, c.To, short(c.Due))
	if c.Waiting > 0 {
		text += fmt.Sprintf(", %d files waiting", c.Waiting)
	}
	if c.Last != nil {
		text += fmt.Sprintf("; last %s at %s (%d records, %d bytes)", c.Last.Key, short(c.Last.At), c.Last.Count, c.Last.Bytes)
	}
	return text
}
