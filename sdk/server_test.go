package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/sdktest"
	"github.com/regent-dev/regent/sdk/wire"
)

// blocks is a configuration with everything that a path can lead through.
type blocks struct {
	Name string        `config:"name,required" doc:"A name."`
	Wait time.Duration `config:"wait" default:"1s"`
	TLS  struct {
		File string `config:"ca_file" sensitive:"true"`
	} `config:"tls"`
	Rules []struct {
		Match string `config:"match,required"`
	} `config:"rule"`
}

// scripted is a plugin of both roles that does what a test says.
type scripted struct {
	collect     func(context.Context, sdk.Emitter) error
	acknowledge func(context.Context, uint64) error
	notify      func(context.Context, sdk.Notification) sdk.Result
	close       func() error
}

func (s *scripted) Collect(ctx context.Context, out sdk.Emitter) error { return s.collect(ctx, out) }

func (s *scripted) Acknowledge(ctx context.Context, id uint64) error { return s.acknowledge(ctx, id) }

func (s *scripted) Notify(ctx context.Context, n sdk.Notification) sdk.Result {
	return s.notify(ctx, n)
}

func (s *scripted) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

var info = sdk.Info{
	Name: "scripted", Version: "1.2.3", Summary: "Does what it is told.", Features: []string{sdk.FeatureAcknowledge},
	ResourceTypes: []sdk.ResourceType{{Type: "A::B::C", Schema: json.RawMessage(`{"type":"object"}`), Volatile: []string{"/a"}, Sensitive: []string{"/b"}, Doc: "C."}},
	EventSources:  []sdk.EventSource{{Source: "s", Schema: json.RawMessage(`{}`), Sensitive: []string{"/c"}, Doc: "S."}},
}

func collector(t *testing.T, s *scripted, open func(context.Context, blocks, sdk.Env) error) *sdktest.Collector {
	t.Helper()
	return sdktest.NewCollector(t, info, func(ctx context.Context, cfg blocks, env sdk.Env) (sdk.Collector, error) {
		if open != nil {
			if err := open(ctx, cfg, env); err != nil {
				return nil, err
			}
		}
		return s, nil
	})
}

func notifier(t *testing.T, s *scripted) *sdktest.Notifier {
	t.Helper()
	return sdktest.NewNotifier(t, info, func(context.Context, blocks, sdk.Env) (sdk.Notifier, error) { return s, nil })
}

var named = map[string]any{"name": "n"}

func configure(t *testing.T, p interface {
	Configure(map[string]any) []sdktest.Problem
},
) {
	t.Helper()
	if problems := p.Configure(named); len(problems) > 0 {
		t.Fatal(problems)
	}
}

func TestConfigureErrorsCarryThePath(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	for name, c := range map[string]struct {
		config m
		err    error
		want   []sdktest.Problem
	}{
		"of the schema": {
			m{"wait": "x", "tls": m{"ca_file": 1}, "rule": []m{{"match": "a"}, {}}, "nobody": 1},
			nil,
			[]sdktest.Problem{
				{Path: "name", Summary: "Invalid name", Detail: `"name" is required`},
				{Path: "wait", Summary: "Invalid wait", Detail: `"x" is not a duration such as "90s" or "5m"`},
				{Path: "tls.ca_file", Summary: "Invalid ca_file", Detail: "a string is wanted"},
				{Path: "rule.1.match", Summary: "Invalid match", Detail: `"match" is required`},
				{Path: "nobody", Summary: "Invalid nobody", Detail: `"nobody" is not known`},
			},
		},
		"of open": {
			named, sdk.Invalid("tls.ca_file", errors.New("no certificate")),
			[]sdktest.Problem{{Path: "tls.ca_file", Summary: "Invalid ca_file", Detail: "no certificate"}},
		},
		"wrapped": {
			named, fmt.Errorf("open: %w", sdk.Invalid("rule.0.match", errors.New("bad"))),
			[]sdktest.Problem{{Path: "rule.0.match", Summary: "Invalid match", Detail: "bad"}},
		},
		"joined": {
			named, errors.Join(sdk.Invalid("name", errors.New("one")), nil, sdk.Invalid("wait", nil), errors.Join(sdk.Invalid("wait", errors.New("two")), errors.New("three"))),
			[]sdktest.Problem{
				{Path: "name", Summary: "Invalid name", Detail: "one"},
				{Path: "wait", Summary: "Invalid wait", Detail: "two"},
				{Summary: "Invalid configuration", Detail: "three"},
			},
		},
		"joined and wrapped": {
			named, fmt.Errorf("open: %w", errors.Join(sdk.Invalid("name", errors.New("one")), sdk.Invalid("wait", errors.New("two")))),
			[]sdktest.Problem{{Path: "name", Summary: "Invalid name", Detail: "one"}, {Path: "wait", Summary: "Invalid wait", Detail: "two"}},
		},
		"that is no text": {
			named, errors.New("a\xff" + strings.Repeat("b", 5<<20)),
			[]sdktest.Problem{{Summary: "Invalid configuration", Detail: "a\uFFFD" + strings.Repeat("b", 4<<10-2)}},
		},
		"none": {named, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := collector(t, &scripted{}, func(context.Context, blocks, sdk.Env) error { return c.err })
			if diff := cmp.Diff(c.want, p.Configure(c.config)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenIsGivenItsEnvironment(t *testing.T) {
	t.Parallel()
	var got sdk.Env
	var cfg blocks
	p := collector(t, &scripted{}, func(_ context.Context, c blocks, env sdk.Env) error { cfg, got = c, env; return nil })
	p.Interval = 90 * time.Second
	configure(t, p)
	if got.Instance != "collector.scripted.test" || got.Every != 90*time.Second || got.StateDir != p.StateDir || got.Log == nil {
		t.Errorf("%+v", got)
	}
	if cfg.Name != "n" || cfg.Wait != time.Second {
		t.Errorf("the configuration %+v", cfg)
	}
}

// description is what info and blocks make.
var description = &pluginv1.DescribeResponse{
	Name: "scripted", Version: "1.2.3", SdkVersion: sdk.Version, Summary: "Does what it is told.", Roles: []pluginv1.Role{pluginv1.Role_ROLE_COLLECTOR},
	Features: []string{"acknowledge"},
	Config: &pluginv1.ConfigSchema{
		Attributes: []*pluginv1.Attribute{
			{Name: "name", Type: "string", Required: true, Doc: "A name."},
			{Name: "wait", Type: "string", Format: "duration", DefaultJson: []byte(`"1s"`)},
		},
		Blocks: []*pluginv1.NestedBlock{
			{Name: "tls", Schema: &pluginv1.ConfigSchema{Attributes: []*pluginv1.Attribute{{Name: "ca_file", Type: "string", Sensitive: true}}}},
			{Name: "rule", List: true, Schema: &pluginv1.ConfigSchema{Attributes: []*pluginv1.Attribute{{Name: "match", Type: "string", Required: true}}}},
		},
	},
	ResourceTypes: []*pluginv1.ResourceType{{Type: "A::B::C", Schema: []byte(`{"type":"object"}`), Volatile: []string{"/a"}, Sensitive: []string{"/b"}, Doc: "C."}},
	EventSources:  []*pluginv1.EventSource{{Source: "s", Schema: []byte(`{}`), Sensitive: []string{"/c"}, Doc: "S."}},
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	p := collector(t, &scripted{}, nil)
	configure(t, p)
	if diff := cmp.Diff(description, p.Describe(), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	n := notifier(t, &scripted{})
	configure(t, n)
	if diff := cmp.Diff([]pluginv1.Role{pluginv1.Role_ROLE_NOTIFIER}, n.Describe().GetRoles()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDescribeByHand reads what the program prints without a daemon, and what it says otherwise.
func TestDescribeByHand(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "describe")
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got pluginv1.DescribeResponse
	if err := protojson.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.GetName() != "subject" || len(got.GetConfig().GetAttributes()) != 2 {
		t.Errorf("it describes itself as %s", out)
	}
	// Its names are those of the protocol's JSON, which other programs read.
	var doc map[string]any
	if err := json.Unmarshal(out, &doc); err != nil || doc["sdkVersion"] != sdk.Version {
		t.Errorf("%v, %s", err, out)
	}
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	said, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 || !strings.Contains(string(said), "is a plugin of Regent") {
		t.Errorf("run by hand: %v, %s", err, said)
	}
}

// TestDescribeOfAMistake has a plugin whose configuration has no schema.
func TestDescribeOfAMistake(t *testing.T) {
	t.Parallel()
	s := sdk.CollectorServer(info, func(context.Context, struct {
		C chan int `config:"c"`
	}, sdk.Env,
	) (sdk.Collector, error) {
		return &scripted{}, nil
	})
	_, err := s.Plugin.Describe(t.Context(), &pluginv1.DescribeRequest{})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "field C") {
		t.Errorf("%v", err)
	}
}

// TestOrderOfCalls makes calls that come at the wrong time.
func TestOrderOfCalls(t *testing.T) {
	t.Parallel()
	s := sdk.CollectorServer(info, func(_ context.Context, cfg blocks, _ sdk.Env) (sdk.Collector, error) {
		if cfg.Name == "nil" {
			return nil, nil
		}
		return &scripted{}, nil
	})
	n := sdk.NotifierServer(info, func(context.Context, blocks, sdk.Env) (sdk.Notifier, error) { return &scripted{}, nil })
	ctx := t.Context()
	if _, err := n.Notifier.Notify(ctx, &pluginv1.NotifyRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a call before Configure: %v", err)
	}
	if _, err := s.Plugin.Configure(ctx, &pluginv1.ConfigureRequest{Config: []byte(`{"name":"nil"}`)}); status.Code(err) != codes.Internal {
		t.Errorf("open returned nothing: %v", err)
	}
	// A configuration that is refused leaves room for another.
	if r, err := s.Plugin.Configure(ctx, &pluginv1.ConfigureRequest{}); err != nil || len(r.GetProblems()) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	good := &pluginv1.ConfigureRequest{Config: []byte(`{"name":"n"}`)}
	if r, err := s.Plugin.Configure(ctx, good); err != nil || len(r.GetProblems()) != 0 {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := s.Plugin.Configure(ctx, good); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a second configuration: %v", err)
	}
	if _, err := n.Plugin.Configure(ctx, good); err != nil {
		t.Error(err)
	}
	if _, err := n.Plugin.Stop(ctx, &pluginv1.StopRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := n.Notifier.Notify(ctx, &pluginv1.NotifyRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call after Stop: %v", err)
	}
	n.Shutdown()
	n.Shutdown()
}

// TestShutdownEndsOpen has an open that waits for its context.
func TestShutdownEndsOpen(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := sdk.CollectorServer(info, func(ctx context.Context, _ blocks, _ sdk.Env) (sdk.Collector, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	answer := make(chan *pluginv1.ConfigureResponse, 1)
	go func() {
		r, _ := s.Plugin.Configure(context.WithoutCancel(t.Context()), &pluginv1.ConfigureRequest{Config: []byte(`{"name":"n"}`)})
		answer <- r
	}()
	<-begun
	s.Shutdown()
	select {
	case r := <-answer:
		if len(r.GetProblems()) != 1 || !strings.Contains(r.GetProblems()[0].GetDetail(), "canceled") {
			t.Errorf("%v", r)
		}
	case <-time.After(5 * time.Second):
		t.Error("open goes on")
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	s := &scripted{
		collect:     func(context.Context, sdk.Emitter) error { panic("in the collector") },
		acknowledge: func(context.Context, uint64) error { panic("in the acknowledgement") },
		notify: func(_ context.Context, n sdk.Notification) sdk.Result {
			if n.ID == "bad" {
				panic("in the notifier")
			}
			return sdk.Delivered("")
		},
		close: func() error { panic("in the end") },
	}
	p := collector(t, s, nil)
	configure(t, p)
	if err := p.Collect().WaitEnd(); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "panic in Collect: in the collector") {
		t.Errorf("%v", err)
	}
	p.Close()
	n := notifier(t, s)
	configure(t, n)
	if _, err := n.DeliverAll(t.Context(), sdk.Notification{ID: "bad"}); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "panic in Notify: in the notifier") {
		t.Errorf("%v", err)
	}
	// The plugin lives on.
	if r := n.Deliver(sdk.Notification{ID: "good"}); r.Outcome != sdk.OutcomeDelivered {
		t.Errorf("%+v", r)
	}
	srv := sdk.CollectorServer(info, func(context.Context, blocks, sdk.Env) (sdk.Collector, error) { panic("in open") })
	srv.SetLog(slog.New(slog.DiscardHandler))
	if _, err := srv.Plugin.Configure(t.Context(), &pluginv1.ConfigureRequest{Config: []byte(`{"name":"n"}`)}); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "panic in open: in open") {
		t.Errorf("%v", err)
	}
}

// TestCollectErrors tells a run that failed from one that was told to end.
func TestCollectErrors(t *testing.T) {
	t.Parallel()
	wait := func(then func(context.Context) error) func(context.Context, sdk.Emitter) error {
		return func(ctx context.Context, out sdk.Emitter) error {
			if err := out.Event(ctx, sdk.Event{Source: "s", Time: time.Now()}); err != nil {
				return err
			}
			if err := out.Flush(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			return then(ctx)
		}
	}
	for name, c := range map[string]struct {
		collect func(context.Context, sdk.Emitter) error
		stop    bool
		want    string
	}{
		"by itself":          {func(context.Context, sdk.Emitter) error { return nil }, false, ""},
		"fails":              {func(context.Context, sdk.Emitter) error { return errors.New("the disk is gone") }, false, "the disk is gone"},
		"its own cancel":     {func(context.Context, sdk.Emitter) error { return context.Canceled }, false, "context canceled"},
		"stopped":            {wait(func(ctx context.Context) error { return ctx.Err() }), true, ""},
		"stopped and silent": {wait(func(context.Context) error { return nil }), true, ""},
		"stopped and failed": {wait(func(context.Context) error { return errors.New("half done") }), true, "half done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := collector(t, &scripted{collect: c.collect}, nil)
			configure(t, p)
			r := p.Collect()
			var err error
			if c.stop {
				r.Wait(1)
				err = r.Stop()
			} else {
				err = r.WaitEnd()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestStopIsBounded has a collector that does not return, and a daemon that does not wait for ever.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := sdk.NotifierServer(info, func(context.Context, blocks, sdk.Env) (sdk.Notifier, error) {
		return &scripted{notify: func(ctx context.Context, _ sdk.Notification) sdk.Result {
			close(begun)
			<-ctx.Done()
			return sdk.Retry(ctx.Err(), 0)
		}}, nil
	})
	ctx := t.Context()
	if _, err := s.Plugin.Configure(ctx, &pluginv1.ConfigureRequest{Config: []byte(`{"name":"n"}`)}); err != nil {
		t.Fatal(err)
	}
	answer := make(chan *pluginv1.NotifyResponse, 1)
	go func() {
		r, _ := s.Notifier.Notify(context.WithoutCancel(ctx), &pluginv1.NotifyRequest{Notifications: []*pluginv1.Notification{{Id: "1", Json: []byte("{}")}}})
		answer <- r
	}()
	<-begun
	// A delivery under way is not broken off by Stop, only by the end of the daemon.
	if _, err := s.Plugin.Stop(ctx, &pluginv1.StopRequest{GraceMs: 20}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("Stop does not wait for the delivery: %v", err)
	}
	select {
	case r := <-answer:
		t.Fatalf("Stop breaks the delivery off: %v", r)
	default:
	}
	s.Shutdown()
	select {
	case r := <-answer:
		if x := r.GetResults(); len(x) != 1 || x[0].GetOutcome() != pluginv1.NotifyResult_OUTCOME_RETRY {
			t.Errorf("%v", r)
		}
	case <-time.After(5 * time.Second):
		t.Error("the delivery outlives the daemon")
	}
}

// TestNotifyConversions holds what a notifier sees and says against what goes over the wire.
func TestNotifyConversions(t *testing.T) {
	t.Parallel()
	var seen sdk.Notification
	var answer sdk.Result
	n := notifier(t, &scripted{notify: func(_ context.Context, no sdk.Notification) sdk.Result { seen = no; return answer }})
	configure(t, n)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	sent := sdk.Notification{
		ID: "D1", Time: at, Source: "regent://x", Route: "r", Instance: "notifier.scripted.test", Class: "alarm", Status: sdk.StatusFiring, Severity: "high",
		Title: "T", Text: "t", GroupKey: "g", Group: map[string]string{"k": "v"}, Truncated: 2, Generation: 3, Attempt: 4,
		Summary: &sdk.Summary{Total: 1, ByOutcome: map[string]int{"a": 1}, BySeverity: map[string]int{"b": 1}, ByPolicy: map[string]int{"c": 1}},
		Changes: []sdk.Change{{
			Seq: 1, Class: "alarm", At: at, RecordedAt: at, Key: "k", Policy: "p", Severity: "low", Title: "T", Message: "m",
			Resource: &sdk.Resource{AccountID: "1", Region: "r", ResourceType: "A::B::C", ResourceID: "i"}, AccountID: "1", Labels: map[string]string{"l": "v"},
			Old: "o", New: "n", Active: true, Instance: "i", Generation: 5, Data: json.RawMessage(`{"x":1}`),
		}},
	}
	for name, c := range map[string]struct{ say, want sdk.Result }{
		"delivered":     {sdk.Delivered("202"), sdk.Result{Outcome: sdk.OutcomeDelivered, Detail: "202"}},
		"rejected":      {sdk.Rejected(errors.New("no")), sdk.Result{Outcome: sdk.OutcomeRejected, Detail: "no"}},
		"retry":         {sdk.Retry(errors.New("later"), 0), sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "later"}},
		"retry in time": {sdk.Retry(errors.New("later"), 1500*time.Millisecond), sdk.Result{Outcome: sdk.OutcomeRetry, RetryAfter: 1500 * time.Millisecond, Detail: "later"}},
		"no outcome":    {sdk.Result{Detail: "?"}, sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "?"}},
		// The answer of a receiver is cut at some byte, and may be any bytes to begin with.
		"no text":  {sdk.Delivered("caf\xc3"), sdk.Result{Outcome: sdk.OutcomeDelivered, Detail: "caf\uFFFD"}},
		"too much": {sdk.Delivered(strings.Repeat("x", 5<<20)), sdk.Result{Outcome: sdk.OutcomeDelivered, Detail: strings.Repeat("x", 4<<10)}},
	} {
		answer = c.say
		if diff := cmp.Diff(c.want, n.Deliver(sent)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	want := sent
	var err error
	if want.JSON, err = json.Marshal(sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("what the notifier sees (-want +got):\n%s", diff)
	}
	// The document goes through as the daemon wrote it, with what this version does not know.
	doc := json.RawMessage(`{"id":"other", "title":"x", "later":[1.50]}`)
	n.Deliver(sdk.Notification{ID: "D2", JSON: doc})
	if string(seen.JSON) != string(doc) || seen.ID != "D2" || seen.Attempt != 1 || seen.Title != "x" {
		t.Errorf("%+v", seen)
	}
	if r := n.Deliver(sdk.Notification{ID: "D3", JSON: json.RawMessage(`{"id":`)}); r.Outcome != sdk.OutcomeRejected || !strings.Contains(r.Detail, "not readable") {
		t.Errorf("a document that is cut: %+v", r)
	}
}

func TestNotifyAnswersInOrder(t *testing.T) {
	t.Parallel()
	n := notifier(t, &scripted{notify: func(_ context.Context, no sdk.Notification) sdk.Result { return sdk.Delivered(no.ID) }})
	configure(t, n)
	got, err := n.DeliverAll(t.Context(), sdk.Notification{ID: "a"}, sdk.Notification{ID: "b"}, sdk.Notification{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sdk.Result{sdk.Delivered("a"), sdk.Delivered("b"), sdk.Delivered("a")}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAcknowledge carries the author's answer to the daemon.
func TestAcknowledge(t *testing.T) {
	t.Parallel()
	var told uint64
	var fail error
	deaf := sdk.CollectorServer(info, func(context.Context, blocks, sdk.Env) (sdk.Collector, error) {
		return struct{ sdk.Collector }{&scripted{}}, nil
	})
	s := sdk.CollectorServer(info, func(context.Context, blocks, sdk.Env) (sdk.Collector, error) {
		return &scripted{acknowledge: func(_ context.Context, id uint64) error { told = id; return fail }}, nil
	})
	ctx, good, request := t.Context(), &pluginv1.ConfigureRequest{Config: []byte(`{"name":"n"}`)}, &pluginv1.AcknowledgeRequest{CheckpointId: 7}
	for _, p := range []pluginv1.PluginServer{deaf.Plugin, s.Plugin} {
		if r, err := p.Configure(ctx, good); err != nil || len(r.GetProblems()) > 0 {
			t.Fatalf("%v, %v", r, err)
		}
	}
	if _, err := s.Collector.Acknowledge(ctx, request); err != nil || told != 7 {
		t.Errorf("told %d: %v", told, err)
	}
	fail = errors.New("the queue is gone")
	if _, err := s.Collector.Acknowledge(ctx, request); status.Code(err) != codes.Unknown || !strings.Contains(err.Error(), "the queue is gone") {
		t.Errorf("%v", err)
	}
	if _, err := deaf.Collector.Acknowledge(ctx, request); status.Code(err) != codes.Unimplemented {
		t.Errorf("a collector that takes none: %v", err)
	}
}

// TestMessageLimit sends more than one message may hold, to a plugin that lives on.
func TestMessageLimit(t *testing.T) {
	t.Parallel()
	n := notifier(t, &scripted{notify: func(_ context.Context, no sdk.Notification) sdk.Result {
		return sdk.Delivered(fmt.Sprint(len(no.Text)))
	}})
	configure(t, n)
	if _, err := n.DeliverAll(t.Context(), sdk.Notification{Text: strings.Repeat("x", wire.MaxMessage)}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("more than is allowed: %v", err)
	}
	const most = wire.MaxMessage - 4096
	if r := n.Deliver(sdk.Notification{Text: strings.Repeat("x", most)}); r.Detail != fmt.Sprint(most) {
		t.Errorf("nearly as much as is allowed: %+v", r)
	}
}
