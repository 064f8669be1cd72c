package wire_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// TestRegister serves the services of the roles that a plugin has, and of no others.
func TestRegister(t *testing.T) {
	t.Parallel()
	const general, collector, notifier = "regent.plugin.v1.Plugin", "regent.plugin.v1.Collector", "regent.plugin.v1.Notifier"
	for name, c := range map[string]struct {
		server wire.Server
		want   []string
	}{
		"neither":   {wire.Server{}, []string{general}},
		"collector": {wire.Server{Collector: pluginv1.UnimplementedCollectorServer{}}, []string{collector, general}},
		"notifier":  {wire.Server{Notifier: pluginv1.UnimplementedNotifierServer{}}, []string{notifier, general}},
	} {
		c.server.Plugin = pluginv1.UnimplementedPluginServer{}
		g := grpc.NewServer()
		if err := c.server.GRPCServer(nil, g); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(g.GetServiceInfo()))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestEnds keeps each end from being taken for the other.
func TestEnds(t *testing.T) {
	t.Parallel()
	if _, err := (&wire.Server{}).GRPCClient(t.Context(), nil, nil); err == nil {
		t.Error("the plugin's end makes a client")
	}
	if err := (&wire.Client{}).GRPCServer(nil, nil); err == nil {
		t.Error("the daemon's end makes a server")
	}
	conn := &grpc.ClientConn{}
	if got, err := (&wire.Client{}).GRPCClient(t.Context(), nil, conn); err != nil || got != conn {
		t.Errorf("the daemon's end gives %v, %v; want the connection itself", got, err)
	}
}
