// Package raw serves a plugin without the SDK, so that the misbehaving plugins can do what the SDK
// would not let them.
package raw

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// Stream is the collector's end of a run.
type Stream = grpc.ServerStreamingServer[pluginv1.CollectResponse]

// Plugin is a plugin made of functions; nil ones do what a decent plugin does.
type Plugin struct {
	Name      string
	Role      pluginv1.Role
	Features  []string
	Describe  func(*pluginv1.DescribeResponse) error
	Configure func(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error)
	Stop      func(context.Context) error
	Collect   func(*pluginv1.CollectRequest, Stream) error
	Notify    func(context.Context, *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error)
	// Handshake is used in place of the usual one where it is set.
	Handshake *plugin.HandshakeConfig
	// KeepStdin does not end the process when its standard input does.
	KeepStdin bool

	stopped chan struct{}
}

// Serve serves until the daemon ends it.
func (p *Plugin) Serve() {
	p.stopped = make(chan struct{})
	if !p.KeepStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	handshake := wire.Handshake
	if p.Handshake != nil {
		handshake = *p.Handshake
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{wire.Name: &wire.Server{Plugin: general{p: p}, Collector: collector{p: p}, Notifier: notifier{p: p}}},
		Logger:          hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			// A plugin of ours may send more than is allowed.
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(64<<20), grpc.MaxSendMsgSize(64<<20))...)
		},
	})
}

type general struct {
	pluginv1.UnimplementedPluginServer
	p *Plugin
}

func (s general) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	p := s.p
	role := p.Role
	if role == 0 {
		role = pluginv1.Role_ROLE_COLLECTOR
	}
	d := &pluginv1.DescribeResponse{Name: p.Name, Version: "1.2.3", Roles: []pluginv1.Role{role}, Features: p.Features}
	if p.Describe != nil {
		if err := p.Describe(d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (s general) Configure(ctx context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if s.p.Configure != nil {
		return s.p.Configure(ctx, r)
	}
	return &pluginv1.ConfigureResponse{}, nil
}

func (s general) Stop(ctx context.Context, _ *pluginv1.StopRequest) (*pluginv1.StopResponse, error) {
	if s.p.Stop != nil {
		if err := s.p.Stop(ctx); err != nil {
			return nil, err
		}
		return &pluginv1.StopResponse{}, nil
	}
	select {
	case <-s.p.stopped:
	default:
		close(s.p.stopped)
	}
	return &pluginv1.StopResponse{}, nil
}

type collector struct {
	pluginv1.UnimplementedCollectorServer
	p *Plugin
}

func (s collector) Collect(r *pluginv1.CollectRequest, stream Stream) error {
	if s.p.Collect != nil {
		return s.p.Collect(r, stream)
	}
	return s.p.Wait(stream.Context())
}

type notifier struct {
	pluginv1.UnimplementedNotifierServer
	p *Plugin
}

func (s notifier) Notify(ctx context.Context, r *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error) {
	if s.p.Notify != nil {
		return s.p.Notify(ctx, r)
	}
	out := &pluginv1.NotifyResponse{}
	for range r.GetNotifications() {
		out.Results = append(out.Results, &pluginv1.NotifyResult{Outcome: pluginv1.NotifyResult_OUTCOME_DELIVERED})
	}
	return out, nil
}

// Wait returns when the stream's context ends or the daemon asks the plugin to stop.
func (p *Plugin) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.stopped:
		return nil
	}
}

// Batch is a message with records.
func Batch(records ...*pluginv1.Record) *pluginv1.CollectResponse {
	return &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Batch{Batch: &pluginv1.Batch{Records: records}}}
}

// Event is a record with an event of a number.
func Event(n int) *pluginv1.Record {
	return &pluginv1.Record{Kind: pluginv1.Kind_KIND_EVENT, Json: []byte(`{"id":"` + strconv.Itoa(n) + `","source":"test","time":"2026-01-01T00:00:00Z","action":"test:Do"}`)}
}

// Checkpoint is a checkpoint whose cursor is a number.
func Checkpoint(n int) *pluginv1.CollectResponse {
	return &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Checkpoint{Checkpoint: &pluginv1.Checkpoint{Id: uint64(n), Cursor: []byte(strconv.Itoa(n))}}}
}

// Cursor reads a cursor that Checkpoint made.
func Cursor(r *pluginv1.CollectRequest) int {
	n, _ := strconv.Atoi(string(r.GetCursor()))
	return n
}

// Hang never returns.
func Hang() { select {} }

// Mode returns what the variable with the name asks for: "mode" or "mode:argument".
func Mode(variable string) (mode, argument string) {
	mode, argument, _ = strings.Cut(os.Getenv(variable), ":")
	return mode, argument
}
