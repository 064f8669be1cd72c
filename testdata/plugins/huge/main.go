// Command huge sends messages larger than is allowed: in its stream, or with HUGE=describe in its
// description.
package main

import (
	"strings"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	mode, _ := raw.Mode("HUGE")
	p := &raw.Plugin{Name: "huge", Features: []string{"stream"}}
	p.Describe = func(d *pluginv1.DescribeResponse) error {
		if mode == "describe" {
			d.Summary = strings.Repeat("x", 5<<20)
		}
		return nil
	}
	p.Collect = func(_ *pluginv1.CollectRequest, stream raw.Stream) error {
		if err := stream.Send(raw.Batch(raw.Event(1))); err != nil {
			return err
		}
		return stream.Send(raw.Batch(&pluginv1.Record{Kind: pluginv1.Kind_KIND_EVENT, Json: make([]byte, 32<<20)}))
	}
	p.Serve()
}
