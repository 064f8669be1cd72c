package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/schema"
	"github.com/regent-dev/regent/sdk/wire"
)

// ServeCollector runs the program as a collector and does not return. open is called once with the
// checked configuration; it must not bind ports, take locks or start work, because the process that
// this one replaces still runs. Errors about an attribute are made with Invalid.
func ServeCollector[C any](info Info, open func(ctx context.Context, cfg C, env Env) (Collector, error)) {
	serve(CollectorServer(info, open))
}

// ServeNotifier runs the program as a notifier and does not return; see ServeCollector.
func ServeNotifier[C any](info Info, open func(ctx context.Context, cfg C, env Env) (Notifier, error)) {
	serve(NotifierServer(info, open))
}

// CollectorServer returns the services of a collector, for tests that serve it in process.
func CollectorServer[C any](info Info, open func(ctx context.Context, cfg C, env Env) (Collector, error)) *wire.Server {
	s := newServer[C](info, pluginv1.Role_ROLE_COLLECTOR, func(ctx context.Context, cfg C, env Env) (any, error) { return open(ctx, cfg, env) })
	return &wire.Server{Plugin: s, Collector: &collectorServer{server: s}, Shutdown: s.shutdown, SetLog: s.setLog}
}

// NotifierServer returns the services of a notifier, for tests that serve it in process.
func NotifierServer[C any](info Info, open func(ctx context.Context, cfg C, env Env) (Notifier, error)) *wire.Server {
	s := newServer[C](info, pluginv1.Role_ROLE_NOTIFIER, func(ctx context.Context, cfg C, env Env) (any, error) { return open(ctx, cfg, env) })
	return &wire.Server{Plugin: s, Notifier: &notifierServer{server: s}, Shutdown: s.shutdown, SetLog: s.setLog}
}

func newServer[C any](info Info, role pluginv1.Role, open func(context.Context, C, Env) (any, error)) *server {
	describe, err := describe(info, role, reflect.TypeFor[C]())
	s := &server{
		describe: describe, describeErr: err,
		open: func(ctx context.Context, data []byte, env Env) (any, []*pluginv1.Problem) {
			var cfg C
			if errs := schema.Decode(data, &cfg); len(errs) > 0 {
				var out []*pluginv1.Problem
				for _, e := range errs {
					p := &pluginv1.Problem{Severity: pluginv1.Problem_SEVERITY_ERROR, Summary: "Invalid configuration", Detail: printable(e.Err.Error()), Path: e.Path}
					if n := len(e.Path); n > 0 {
						p.Summary = "Invalid " + e.Path[n-1]
					}
					out = append(out, p)
				}
				return nil, out
			}
			it, err := open(ctx, cfg, env)
			return it, problems(err)
		},
		log: slog.Default(),
	}
	s.ending, s.end = context.WithCancel(context.Background())
	s.stopping, s.stop = context.WithCancel(s.ending)
	return s
}

func describe(info Info, role pluginv1.Role, config reflect.Type) (*pluginv1.DescribeResponse, error) {
	cs, err := schema.Of(config)
	if err != nil {
		return nil, err
	}
	d := &pluginv1.DescribeResponse{
		Name: info.Name, Version: info.Version, SdkVersion: Version, Summary: info.Summary,
		Roles: []pluginv1.Role{role}, Features: info.Features, Config: cs,
	}
	for _, t := range info.ResourceTypes {
		d.ResourceTypes = append(d.ResourceTypes, &pluginv1.ResourceType{Type: t.Type, Schema: t.Schema, Volatile: t.Volatile, Sensitive: t.Sensitive, Doc: t.Doc})
	}
	for _, e := range info.EventSources {
		d.EventSources = append(d.EventSources, &pluginv1.EventSource{Source: e.Source, Schema: e.Schema, Sensitive: e.Sensitive, Doc: e.Doc})
	}
	return d, nil
}

// serve is main of every plugin.
func serve(w *wire.Server) {
	s := w.Plugin.(*server)
	if s.describeErr != nil {
		fmt.Fprintln(os.Stderr, "this plugin is built wrong:", s.describeErr)
		os.Exit(2)
	}
	if len(os.Args) > 1 && os.Args[1] == "describe" {
		b, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: false}.Marshal(s.describe)
		if err != nil {
			fmt.Fprintln(os.Stderr, "describe:", err)
			os.Exit(1)
		}
		fmt.Println(string(b))
		os.Exit(0)
	}
	if os.Getenv(wire.Handshake.MagicCookieKey) != wire.Handshake.MagicCookieValue {
		fmt.Fprintf(os.Stderr, byHand, s.describe.Name, s.describe.Version, s.describe.Summary, os.Args[0], os.Args[0], roleName(s.describe.Roles[0]), s.describe.Name)
		os.Exit(2)
	}
	// What the daemon passed down, such as the copy of our binary that it had us run from, is not for the
	// programs that we start.
	closeOnExec()
	// go-plugin replaces os.Stderr once the handshake is over; the log keeps the real one.
	s.setLog(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	slog.SetDefault(s.log)
	stdin := os.Stdin
	if info, err := stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		// The daemon holds the other end for as long as it lives.
		go func() {
			_, _ = io.Copy(io.Discard, stdin)
			s.shutdown()
			os.Exit(0)
		}()
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         plugin.PluginSet{wire.Name: w},
		Logger:          hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, wire.ServerOptions()...)...)
		},
	})
	s.shutdown()
}

func roleName(r pluginv1.Role) string {
	switch r {
	case pluginv1.Role_ROLE_NOTIFIER:
		return "notifier"
	case pluginv1.Role_ROLE_QUERY_ENGINE:
		return "query"
	}
	return "collector"
}

const byHand = `%s %s: %s

This program is a plugin of Regent. The daemon starts it; by hand it can only describe itself:

  %s describe          what it is and how it is configured, as JSON
  regent plugin probe %s   whether it keeps to the plugin contract

To run it, add a block to the daemon's configuration:

  %s "%s" "NAME" {
    config {
      …
    }
  }
`

// errNotConfigured answers calls that come before Configure.
var errNotConfigured = errors.New("the plugin is not configured yet")
