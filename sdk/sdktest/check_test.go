package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

type decentConfig struct {
	Name string `config:"name,required"`
}

// decent is a plugin that keeps to the contract, but for what a case takes from it.
type decent struct {
	collect func(context.Context, sdk.Emitter) error
}

func (d decent) Collect(ctx context.Context, out sdk.Emitter) error {
	if d.collect != nil {
		return d.collect(ctx, out)
	}
	if err := out.Item(ctx, sdk.Item{ResourceType: "A::B::C", ResourceID: "1"}); err != nil {
		return err
	}
	_, err := out.Checkpoint(ctx, []byte("c"))
	return err
}

func (decent) Notify(context.Context, sdk.Notification) sdk.Result { return sdk.Delivered("") }

// general stands in front of the Plugin service.
type general struct {
	pluginv1.PluginServer
	describe  func(*pluginv1.DescribeResponse)
	configure func() (*pluginv1.ConfigureResponse, error)
}

func (g general) Describe(ctx context.Context, r *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	d, err := g.PluginServer.Describe(ctx, r)
	if g.describe != nil {
		g.describe(d)
	}
	return d, err
}

func (g general) Configure(ctx context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if g.configure != nil {
		return g.configure()
	}
	return g.PluginServer.Configure(ctx, r)
}

// says is a collector that sends messages as they are.
type says struct {
	pluginv1.UnimplementedCollectorServer
	messages []*pluginv1.CollectResponse
}

func (s says) Collect(_ *pluginv1.CollectRequest, stream grpc.ServerStreamingServer[pluginv1.CollectResponse]) error {
	for _, m := range s.messages {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// answers is a notifier that gives the same answer to everything.
type answers struct {
	pluginv1.UnimplementedNotifierServer
	results []*pluginv1.NotifyResult
}

func (a answers) Notify(context.Context, *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error) {
	return &pluginv1.NotifyResponse{Results: a.results}, nil
}

// TestCheckFindsFaults has a plugin for each way to break the contract.
func TestCheckFindsFaults(t *testing.T) {
	t.Parallel()
	calls := 0
	batch := func(records ...*pluginv1.Record) *pluginv1.CollectResponse {
		return &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Batch{Batch: &pluginv1.Batch{Records: records}}}
	}
	many := slices.Repeat([]*pluginv1.Record{{Kind: sdk.KindEvent, Json: []byte(`{"source":"s"}`)}}, wire.MaxBatchRecords+1)
	for name, c := range map[string]struct {
		role   pluginv1.Role
		info   func(*sdk.Info)
		plugin decent
		server func(*wire.Server)
		config string
		// check is what must fail, "" for nothing.
		check, want string
	}{
		"decent collector": {},
		"decent notifier":  {role: pluginv1.Role_ROLE_NOTIFIER},
		"forgetful": {
			server: func(w *wire.Server) {
				w.Plugin = general{PluginServer: w.Plugin, describe: func(d *pluginv1.DescribeResponse) { calls++; d.Summary = strings.Repeat("x", calls) }}
			},
			check: "describe", want: "two answers differ",
		},
		"no version":     {info: func(i *sdk.Info) { i.Version = "" }, check: "describe", want: "version"},
		"type of a word": {info: func(i *sdk.Info) { i.ResourceTypes[0].Type = "file" }, check: "describe", want: "Vendor::Service::Type"},
		"schema that is none": {
			info:  func(i *sdk.Info) { i.ResourceTypes[0].Schema = json.RawMessage(`{"type":7}`) },
			check: "describe", want: "schema of A::B::C",
		},
		"takes anything": {
			server: func(w *wire.Server) {
				w.Plugin = general{PluginServer: w.Plugin, configure: func() (*pluginv1.ConfigureResponse, error) { return &pluginv1.ConfigureResponse{}, nil }}
			},
			check: "config-unknown", want: `no problem is reported at "an_attribute_that_nobody_has"`,
		},
		"misses nothing": {
			server: func(w *wire.Server) {
				w.Plugin = general{PluginServer: w.Plugin, configure: func() (*pluginv1.ConfigureResponse, error) { return &pluginv1.ConfigureResponse{}, nil }}
			},
			check: "config-required", want: `no problem is reported at "name"`,
		},
		"fails to answer": {
			server: func(w *wire.Server) {
				w.Plugin = general{PluginServer: w.Plugin, configure: func() (*pluginv1.ConfigureResponse, error) { return nil, errors.New("no") }}
			},
			check: "config-unknown", want: "must answer with problems, not fail",
		},
		"refuses the configuration": {config: `{"name":1}`, check: "config", want: "the configuration is refused: Invalid name [name]: a string is wanted"},
		"no JSON": {
			plugin: decent{collect: func(ctx context.Context, out sdk.Emitter) error { return out.ItemJSON(ctx, []byte("{")) }},
			check:  "collect", want: "a record is not JSON",
		},
		"run that fails": {
			plugin: decent{collect: func(context.Context, sdk.Emitter) error { return errors.New("no disk") }},
			check:  "collect", want: "no disk",
		},
		"cannot go on": {
			plugin: decent{collect: func(ctx context.Context, out sdk.Emitter) error {
				if out.Cursor() != nil {
					return errors.New("what cursor")
				}
				_, err := out.Checkpoint(ctx, []byte("c"))
				return err
			}},
			check: "collect", want: "what cursor",
		},
		"kind of its own": {
			server: func(w *wire.Server) {
				w.Collector = says{messages: []*pluginv1.CollectResponse{batch(&pluginv1.Record{Kind: 99, Json: []byte("{}")})}}
			},
			check: "collect", want: "a record of kind 99",
		},
		"batch too large": {
			server: func(w *wire.Server) { w.Collector = says{messages: []*pluginv1.CollectResponse{batch(many...)}} },
			check:  "collect", want: "a batch of 1001 records",
		},
		"sweep ends twice": {
			server: func(w *wire.Server) {
				begin := &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepBegin{SweepBegin: &pluginv1.SweepBegin{Id: "1"}}}
				end := &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepEnd{SweepEnd: &pluginv1.SweepEnd{Id: "1"}}}
				w.Collector = says{messages: []*pluginv1.CollectResponse{begin, end, end}}
			},
			check: "collect", want: "a sweep ends that was not begun",
		},
		"sweep begins twice": {
			server: func(w *wire.Server) {
				begin := &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepBegin{SweepBegin: &pluginv1.SweepBegin{Id: "1"}}}
				w.Collector = says{messages: []*pluginv1.CollectResponse{begin, begin}}
			},
			check: "collect", want: "of one that is open",
		},
		"gap of no time": {
			server: func(w *wire.Server) {
				w.Collector = says{messages: []*pluginv1.CollectResponse{{Message: &pluginv1.CollectResponse_Gap{Gap: &pluginv1.Gap{From: "noon"}}}}}
			},
			check: "collect", want: "the beginning of a gap",
		},
		"message of a later version": {
			server: func(w *wire.Server) { w.Collector = says{messages: []*pluginv1.CollectResponse{{}}} },
		},
		"does not let go": {
			plugin: decent{collect: func(ctx context.Context, out sdk.Emitter) error {
				_, err := out.Checkpoint(ctx, []byte("c"))
				<-ctx.Done()
				time.Sleep(1500 * time.Millisecond)
				return err
			}},
			check: "collect-cancel", want: "a second is allowed",
		},
		"answers too little": {
			role: pluginv1.Role_ROLE_NOTIFIER,
			server: func(w *wire.Server) {
				w.Notifier = answers{results: []*pluginv1.NotifyResult{{Outcome: pluginv1.NotifyResult_OUTCOME_DELIVERED}}}
			},
			check: "notify", want: "1 answers for 3 notifications",
		},
		"answers nothing": {
			role:   pluginv1.Role_ROLE_NOTIFIER,
			server: func(w *wire.Server) { w.Notifier = answers{results: []*pluginv1.NotifyResult{{}, {}, {}}} },
			check:  "notify", want: "no outcome",
		},
		"outlives the daemon": {
			server: func(w *wire.Server) {
				shutdown := w.Shutdown
				w.Shutdown = func() { shutdown(); time.Sleep(5500 * time.Millisecond) }
			},
			check: "stdin", want: "outlive a daemon that dies",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info := sdk.Info{Name: "decent", Version: "1.0.0", ResourceTypes: []sdk.ResourceType{{Type: "A::B::C", Schema: json.RawMessage(`{}`)}}}
			if c.info != nil {
				c.info(&info)
			}
			o := Options{Config: json.RawMessage(`{"name":"n"}`), Watch: time.Second}
			if c.config != "" {
				o.Config = json.RawMessage(c.config)
			}
			switch c.check {
			case "stdin":
				// Every session ends as slowly; one is enough.
				o.Skip = []string{"config-unknown", "config-required", "config", "collect", "collect-cancel", "stop"}
			case "config-required":
				o.Skip = []string{"config-unknown"}
			}
			results := check(t.Context(), server(func() *wire.Server {
				w := sdk.CollectorServer(info, func(context.Context, decentConfig, sdk.Env) (sdk.Collector, error) { return c.plugin, nil })
				if c.role == pluginv1.Role_ROLE_NOTIFIER {
					w = sdk.NotifierServer(info, func(context.Context, decentConfig, sdk.Env) (sdk.Notifier, error) { return c.plugin, nil })
				}
				if c.server != nil {
					c.server(w)
				}
				return w
			}), o)
			found := false
			for _, r := range results {
				switch {
				case c.check == "" && !r.OK:
					t.Errorf("%s: %s", r.Name, r.Detail)
				case r.Name == c.check:
					found = !r.OK && strings.Contains(r.Detail, c.want)
				}
			}
			if c.check != "" && !found {
				t.Errorf("%s does not say %q: %+v", c.check, c.want, results)
			}
			if c.check == "" && len(results) < 7 {
				t.Errorf("only %d checks ran: %+v", len(results), results)
			}
		})
	}
}
