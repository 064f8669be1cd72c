// Command newer speaks a later minor version of the protocol: it has features, fields, roles, kinds
// and messages that this version does not know.
package main

import (
	"google.golang.org/protobuf/encoding/protowire"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	p := &raw.Plugin{Name: "newer", Features: []string{"stream", "telepathy"}}
	p.Describe = func(d *pluginv1.DescribeResponse) error {
		d.Roles = append(d.Roles, pluginv1.Role(42))
		d.ProtoReflect().SetUnknown(unknown())
		return nil
	}
	p.Collect = func(_ *pluginv1.CollectRequest, stream raw.Stream) error {
		message := &pluginv1.CollectResponse{}
		message.ProtoReflect().SetUnknown(unknown())
		event := raw.Event(1)
		event.ProtoReflect().SetUnknown(unknown())
		for _, m := range []*pluginv1.CollectResponse{message, raw.Batch(event), message, raw.Checkpoint(1)} {
			if err := stream.Send(m); err != nil {
				return err
			}
		}
		return p.Wait(stream.Context())
	}
	p.Serve()
}

// unknown is a field that no message of this version has.
func unknown() []byte {
	b := protowire.AppendTag(nil, 900, protowire.BytesType)
	return protowire.AppendBytes(b, []byte("from the future"))
}
