// Package wire is what both ends of a plugin's connection agree on: the handshake, the size of
// messages, and the form of the log. The SDK and the daemon's host use it; authors do not need it.
package wire

import (
	"context"
	"errors"
	"log/slog"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Name is the name under which go-plugin knows our services.
const Name = "regent"

// MaxMessage bounds one gRPC message in either direction, in bytes.
const MaxMessage = 4 << 20

// The bounds on what one batch holds.
const (
	MaxBatchRecords = 1000
	MaxBatchBytes   = 1 << 20
	// MaxRecord is the largest record that the daemon accepts.
	MaxRecord = 1 << 20
)

// Handshake tells a program that was started by the daemon from one that was started by hand. The
// protocol version is the major of regent.plugin.v1.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "REGENT_PLUGIN_COOKIE",
	MagicCookieValue: "5d1f2c0b8f6a4f0e9a56b3c7c9e2a4d7",
}

// Server is what a plugin serves. Collector, Notifier and QueryEngine are nil where the plugin has not
// the role.
type Server struct {
	plugin.NetRPCUnsupportedPlugin
	Plugin      pluginv1.PluginServer
	Collector   pluginv1.CollectorServer
	Notifier    pluginv1.NotifierServer
	QueryEngine pluginv1.QueryEngineServer

	// Shutdown cancels the calls under way, waits for them and closes the author's plugin, all within a
	// bound. It may be called more than once and is nil where the server has nothing to end.
	Shutdown func()
	// SetLog says where the plugin logs to. It must be called before the first call is served and is nil
	// where the server has no log.
	SetLog func(*slog.Logger)
}

var _ plugin.GRPCPlugin = (*Server)(nil)

// GRPCServer implements plugin.GRPCPlugin.
func (s *Server) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	s.Register(g)
	return nil
}

// Register adds the services to a gRPC server.
func (s *Server) Register(g grpc.ServiceRegistrar) {
	pluginv1.RegisterPluginServer(g, s.Plugin)
	if s.Collector != nil {
		pluginv1.RegisterCollectorServer(g, s.Collector)
	}
	if s.Notifier != nil {
		pluginv1.RegisterNotifierServer(g, s.Notifier)
	}
	if s.QueryEngine != nil {
		pluginv1.RegisterQueryEngineServer(g, s.QueryEngine)
	}
}

// GRPCClient implements plugin.GRPCPlugin; a server has no client.
func (s *Server) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's side")
}

// Client is the daemon's end. Dispensing it gives the connection itself.
type Client struct{ plugin.NetRPCUnsupportedPlugin }

var _ plugin.GRPCPlugin = (*Client)(nil)

// GRPCServer implements plugin.GRPCPlugin; a client has no server.
func (*Client) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the daemon's side")
}

// GRPCClient implements plugin.GRPCPlugin.
func (*Client) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// ServerOptions are the gRPC options of the plugin's end.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage)}
}

// DialOptions are the gRPC options of the daemon's end.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage))}
}
