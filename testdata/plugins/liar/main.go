// Command liar says what is not so. LIAR is one of "older", "newer", "core", "network", "outside",
// "nocert", "netrpc" (in the handshake), "nonsense", "role", "changing" (in its description), "records",
// "kinds", "sweeps", "unbegun", "cursor", "gap" (in its stream), "answers" or "outcome" (to notifications).
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"

	"github.com/regent-dev/regent/sdk/wire"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	mode, _ := raw.Mode("LIAR")
	sockets := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	p := &raw.Plugin{Name: "liar", Features: []string{"stream"}}
	switch mode {
	case "older", "newer":
		h := wire.Handshake
		if h.ProtocolVersion = 0; mode == "newer" {
			h.ProtocolVersion = 7
		}
		p.Handshake = &h
	case "core":
		shake("9|1|unix|" + sockets + "/s|grpc|")
	case "network":
		shake("1|1|tcp|127.0.0.1:1|grpc|")
	case "outside":
		shake("1|1|unix|/run/other.sock|grpc|")
	case "nocert":
		shake("1|1|unix|" + sockets + "/s|grpc|")
	case "netrpc":
		shake("1|1|unix|" + sockets + "/s|netrpc|")
	}
	p.Describe = func(d *pluginv1.DescribeResponse) error {
		switch mode {
		case "nonsense":
			d.Name = ""
			d.ResourceTypes = []*pluginv1.ResourceType{
				{Type: "A::B::C", Schema: []byte("{"), Sensitive: []string{"no slash"}}, {Type: "A::B::C"}, {},
			}
			d.Config = &pluginv1.ConfigSchema{Attributes: []*pluginv1.Attribute{{Name: "a", DefaultJson: []byte("[")}, {Name: "a"}}}
		case "role", "answers", "outcome":
			d.Roles = []pluginv1.Role{pluginv1.Role_ROLE_NOTIFIER}
		case "changing":
			d.Summary = rand.Text()
		}
		return nil
	}
	p.Collect = func(_ *pluginv1.CollectRequest, stream raw.Stream) error {
		var ms []*pluginv1.CollectResponse
		switch mode {
		case "records":
			ms = append(ms, raw.Batch(
				&pluginv1.Record{Kind: pluginv1.Kind_KIND_EVENT, Json: []byte("{not json")},
				&pluginv1.Record{Kind: pluginv1.Kind_KIND_ITEM, Json: bytes.Repeat([]byte("["), 100_000)},
				&pluginv1.Record{},
				raw.Event(1),
			))
		case "kinds":
			var many []*pluginv1.Record
			for i := range 2500 {
				many = append(many, raw.Event(i))
			}
			many[0].Kind, many[1].Kind, many[2].Kind = 77, 1000, -1
			ms = append(ms, raw.Batch(many...), raw.Batch())
		case "sweeps":
			begin := &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepBegin{SweepBegin: &pluginv1.SweepBegin{Id: "s", Scope: "all"}}}
			ms = append(ms, begin, begin)
		case "unbegun":
			ms = append(ms, &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepEnd{SweepEnd: &pluginv1.SweepEnd{Id: "s", Complete: true}}})
		case "cursor":
			ms = append(ms, &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Checkpoint{Checkpoint: &pluginv1.Checkpoint{Id: 1, Cursor: make([]byte, 2<<20)}}})
		case "gap":
			ms = append(ms, &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Gap{Gap: &pluginv1.Gap{From: "yesterday", Reason: "asleep"}}})
		}
		for _, m := range ms {
			if err := stream.Send(m); err != nil {
				return err
			}
		}
		return p.Wait(stream.Context())
	}
	p.Notify = func(_ context.Context, r *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error) {
		if mode == "outcome" {
			return &pluginv1.NotifyResponse{Results: []*pluginv1.NotifyResult{{Outcome: 9, RetryAfterMs: -5, Detail: "\x1b[2Jhm"}}}, nil
		}
		return &pluginv1.NotifyResponse{}, nil
	}
	p.Serve()
}

func shake(line string) {
	fmt.Println(line)
	raw.Hang()
}
