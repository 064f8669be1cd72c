// Command deaf ignores everything that asks it to end: Stop (DEAF=hang never answers it), the end of
// its standard input, the shutdown of its server, and SIGTERM.
package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/regent-dev/regent/testdata/plugins/internal/raw"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

func main() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	mode, _ := raw.Mode("DEAF")
	p := &raw.Plugin{Name: "deaf", Features: []string{"stream"}, KeepStdin: true}
	p.Stop = func(context.Context) error {
		if mode == "hang" {
			raw.Hang()
		}
		return nil
	}
	p.Collect = func(_ *pluginv1.CollectRequest, stream raw.Stream) error {
		if err := stream.Send(raw.Batch(raw.Event(1))); err != nil {
			return err
		}
		raw.Hang()
		return nil
	}
	p.Serve()
	raw.Hang()
}
