package sdktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/sdk"
	"github.com/regent-dev/regent/sdk/sdktest"
)

type countConfig struct {
	Steps int `config:"steps,required" doc:"How many steps there are in all."`
}

// counter sends two records and a checkpoint for each step, from the cursor on, and then stays.
type counter struct {
	countConfig
	mu    sync.Mutex
	acked []uint64
	ends  []string
}

func (c *counter) Collect(ctx context.Context, out sdk.Emitter) error {
	begin, _ := strconv.Atoi(string(out.Cursor()))
	for i := begin; i < c.Steps; i++ {
		it := sdk.Item{ResourceType: "A::B::C", ResourceID: fmt.Sprint(i), Configuration: map[string]int{"step": i}}
		if err := out.Item(ctx, it); err != nil {
			return err
		}
		if err := out.Event(ctx, sdk.Event{Source: "s", ID: fmt.Sprint(i), Time: time.Unix(int64(i), 0), Detail: i}); err != nil {
			return err
		}
		if _, err := out.Checkpoint(ctx, strconv.AppendInt(nil, int64(i+1), 10)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	c.end("collect")
	// The stream takes this when the plugin is asked to stop, and does not when it is broken off.
	_, err := out.Checkpoint(ctx, []byte("last"))
	return err
}

func (c *counter) Acknowledge(_ context.Context, id uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = append(c.acked, id)
	return nil
}

func (c *counter) Close() error { c.end("close"); return nil }

func (c *counter) end(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, what)
}

var countInfo = sdk.Info{
	Name: "count", Version: "0.1.0", Features: []string{sdk.FeatureAcknowledge},
	ResourceTypes: []sdk.ResourceType{{Type: "A::B::C", Schema: sdk.ConfigurationSchema(struct {
		Step int `json:"step"`
	}{})}},
}

// counting returns a harness and the counters that it opens, one for each start.
func counting(t *testing.T) (*sdktest.Collector, func() []*counter) {
	t.Helper()
	var mu sync.Mutex
	var opened []*counter
	return sdktest.NewCollector(t, countInfo, func(_ context.Context, cfg countConfig, _ sdk.Env) (sdk.Collector, error) {
			if cfg.Steps < 1 {
				return nil, sdk.Invalid("steps", errors.New("must be at least 1"))
			}
			mu.Lock()
			defer mu.Unlock()
			opened = append(opened, &counter{countConfig: cfg})
			return opened[len(opened)-1], nil
		}), func() []*counter {
			mu.Lock()
			defer mu.Unlock()
			return opened
		}
}

func TestCollector(t *testing.T) {
	t.Parallel()
	c, opened := counting(t)
	want := []sdktest.Problem{{Path: "steps", Summary: "Invalid steps", Detail: "must be at least 1"}}
	if diff := cmp.Diff(want, c.Configure(map[string]any{"steps": 0})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if problems := c.Configure(map[string]any{"steps": 3}); len(problems) > 0 {
		t.Fatal(problems)
	}
	run := c.Collect()
	run.Wait(6)
	run.WaitFor("three checkpoints", func() bool { return len(run.Checkpoints()) == 3 })
	items := []sdk.Item{}
	events := []sdk.Event{}
	for i := range 3 {
		items = append(items, sdk.Item{ResourceType: "A::B::C", ResourceID: fmt.Sprint(i), Status: sdk.StatusOK, Configuration: json.RawMessage(fmt.Sprintf(`{"step":%d}`, i))})
		events = append(events, sdk.Event{Source: "s", ID: fmt.Sprint(i), Time: time.Unix(int64(i), 0).UTC(), Outcome: sdk.OutcomeUnknown, Detail: json.RawMessage(fmt.Sprint(i))})
	}
	if diff := cmp.Diff(items, run.Items()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(events, run.Events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	checkpoints := []sdktest.Checkpoint{{ID: 1, Cursor: []byte("1"), Records: 2}, {ID: 2, Cursor: []byte("2"), Records: 4}, {ID: 3, Cursor: []byte("3"), Records: 6}}
	if diff := cmp.Diff(checkpoints, run.Checkpoints()); diff != "" {
		t.Errorf("checkpoints (-want +got):\n%s", diff)
	}

	// What is not acknowledged comes again.
	c.Restart()
	if got := c.Collect(); c.Cursor() != nil {
		t.Errorf("without an acknowledgement there is the cursor %q", c.Cursor())
	} else {
		got.Wait(6)
		got.WaitFor("three checkpoints", func() bool { return len(got.Checkpoints()) == 3 })
		if cp := got.Acknowledge(); cp.ID != 3 || string(c.Cursor()) != "3" {
			t.Errorf("acknowledged: %+v, cursor %q", cp, c.Cursor())
		}
	}
	last := opened()[1]
	last.mu.Lock()
	if diff := cmp.Diff([]uint64{3}, last.acked); diff != "" {
		t.Errorf("the collector was told of (-want +got):\n%s", diff)
	}
	last.mu.Unlock()

	// What is acknowledged does not.
	c.Configure(map[string]any{"steps": 4})
	run = c.Collect()
	run.Wait(2)
	if err := run.Stop(); err != nil {
		t.Error(err)
	}
	if got := run.Items(); len(got) != 1 || got[0].ResourceID != "3" {
		t.Errorf("from the cursor on there are %+v", got)
	}
	if cps := run.Checkpoints(); string(cps[len(cps)-1].Cursor) != "last" {
		t.Errorf("the last checkpoint is not taken: %+v", cps)
	}
	c.Close()
	for i, o := range opened() {
		// In whatever way it ended, the collector's context was cancelled before it was closed.
		if diff := cmp.Diff([]string{"collect", "close"}, o.ends); diff != "" {
			t.Errorf("the end of plugin %d (-want +got):\n%s", i, diff)
		}
	}
	if n := len(opened()); n != 3 {
		t.Errorf("%d plugins were opened, want 3: each start opens one", n)
	}
}

// TestCancel breaks the stream off: what comes later does not arrive.
func TestCancel(t *testing.T) {
	t.Parallel()
	c, opened := counting(t)
	c.Configure(map[string]any{"steps": 1})
	run := c.Collect()
	run.WaitFor("a checkpoint", func() bool { return len(run.Checkpoints()) == 1 })
	run.Cancel()
	c.Close()
	if diff := cmp.Diff([]string{"collect", "close"}, opened()[0].ends); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(run.Checkpoints()); n != 1 {
		t.Errorf("%d checkpoints arrive through a stream that is broken off", n)
	}
	c.SetCursor([]byte("1"))
	c.Configure(map[string]any{"steps": 2})
	run = c.Collect()
	run.Wait(2)
	if got := run.Items(); len(got) != 1 || got[0].ResourceID != "1" {
		t.Errorf("from a cursor of the test's: %+v", got)
	}
}

type nothing struct{}

// acting is a collector of one function.
type acting func(ctx context.Context, out sdk.Emitter) error

func (fn acting) Collect(ctx context.Context, out sdk.Emitter) error { return fn(ctx, out) }

func act(t testing.TB, info sdk.Info, fn acting) *sdktest.Collector {
	t.Helper()
	info.Name = "acting"
	info.Version = "0.1.0"
	c := sdktest.NewCollector(t, info, func(context.Context, nothing, sdk.Env) (sdk.Collector, error) { return fn, nil })
	c.Configure(nil)
	return c
}

// TestBackPressure stops reading: the emitter must block, and lose nothing.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	const total = 1500
	padding := strings.Repeat("x", 16<<10)
	begin := make(chan struct{})
	var emitted atomic.Int64
	c := act(t, sdk.Info{}, func(ctx context.Context, out sdk.Emitter) error {
		<-begin
		for i := range total {
			if err := out.ItemJSON(ctx, fmt.Appendf(nil, `{"resourceType":"A::B::C","resourceId":"%d","x":%q}`, i, padding)); err != nil {
				return err
			}
			emitted.Add(1)
		}
		return nil
	})
	run := c.Collect()
	run.Pause()
	run.Pause() // twice is once
	close(begin)
	// It has come to a halt when nothing is emitted in a while; how much lies in between is gRPC's affair.
	for before := int64(-1); emitted.Load() == 0 || emitted.Load() != before; {
		before = emitted.Load()
		time.Sleep(200 * time.Millisecond)
	}
	if n := emitted.Load(); n >= total {
		t.Errorf("all %d records are emitted though nobody reads", n)
	}
	run.Resume()
	run.Resume()
	if err := run.WaitEnd(); err != nil {
		t.Fatal(err)
	}
	items := run.Items()
	for i, it := range items {
		if it.ResourceID != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, it.ResourceID)
		}
	}
	if len(items) != total {
		t.Errorf("%d records have come, want %d", len(items), total)
	}
}

// TestEverythingElse reads the messages that are no records.
func TestEverythingElse(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := act(t, sdk.Info{}, func(ctx context.Context, out sdk.Emitter) error {
		whole, err := out.SweepBegin(ctx, "whole", "A::B::C")
		if err != nil {
			return err
		}
		if _, err := out.SweepBegin(ctx, "open"); err != nil {
			return err
		}
		return errors.Join(
			out.Damaged(ctx, sdk.KindEvent, []byte("{"), "f:1", "cut"),
			whole.End(ctx, true),
			out.Gap(ctx, from, from.Add(time.Hour), "asleep"),
			out.Gap(ctx, from, time.Time{}, "away"),
			out.Problem(ctx, sdk.Problem{Warning: true, Summary: "odd", Detail: "d"}),
			errors.New("that was all"),
		)
	})
	run := c.Collect()
	if err := run.WaitEnd(); err == nil || err.Error() != "that was all" {
		t.Errorf("%v", err)
	}
	for what, diff := range map[string]string{
		"sweeps":   cmp.Diff([]sdktest.Sweep{{Scope: "whole", ResourceTypes: []string{"A::B::C"}, Ended: true, Complete: true}, {Scope: "open"}}, run.Sweeps()),
		"gaps":     cmp.Diff([]sdktest.Gap{{From: from, To: from.Add(time.Hour), Reason: "asleep"}, {From: from, Reason: "away"}}, run.Gaps()),
		"problems": cmp.Diff([]sdk.Problem{{Warning: true, Summary: "odd", Detail: "d"}}, run.Problems()),
		"damaged":  cmp.Diff([]sdktest.Record{{Kind: sdk.KindEvent, JSON: json.RawMessage("{"), Origin: "f:1", Damaged: "cut"}}, run.Damaged()),
		"items":    cmp.Diff([]sdk.Item(nil), run.Items()),
	} {
		if diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

type notifying func(ctx context.Context, n sdk.Notification) sdk.Result

func (fn notifying) Notify(ctx context.Context, n sdk.Notification) sdk.Result { return fn(ctx, n) }

func TestNotifier(t *testing.T) {
	t.Parallel()
	n := sdktest.NewNotifier(t, sdk.Info{Name: "n", Version: "1"}, func(context.Context, nothing, sdk.Env) (sdk.Notifier, error) {
		return notifying(func(ctx context.Context, no sdk.Notification) sdk.Result {
			switch no.Title {
			case "accept":
				return sdk.Delivered("taken")
			case "reject":
				return sdk.Rejected(errors.New("no such room"))
			case "hang":
				<-ctx.Done()
			}
			return sdk.Retry(errors.New("busy"), time.Duration(no.Attempt)*time.Minute)
		}), nil
	})
	n.Configure(nil)
	for _, c := range []struct {
		in   sdk.Notification
		want sdk.Result
	}{
		{sdk.Notification{Title: "accept"}, sdk.Delivered("taken")},
		{sdk.Notification{Title: "reject"}, sdk.Rejected(errors.New("no such room"))},
		{sdk.Notification{}, sdk.Retry(errors.New("busy"), time.Minute)},
		{sdk.Notification{Attempt: 2}, sdk.Retry(errors.New("busy"), 2*time.Minute)},
	} {
		if diff := cmp.Diff(c.want, n.Deliver(c.in)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.in, diff)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := n.DeliverAll(ctx, sdk.Notification{Title: "hang"}); err == nil {
		t.Errorf("a call that was given up answers %+v", got)
	}
}

// trial is a test that may fail.
type trial struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (tr *trial) Helper()          {}
func (tr *trial) Cleanup(f func()) { tr.cleanups = append(tr.cleanups, f) }

func (tr *trial) Errorf(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.failures = append(tr.failures, fmt.Sprintf(format, args...))
}

func (tr *trial) Fatal(args ...any) {
	tr.Errorf("%s", fmt.Sprint(args...))
	runtime.Goexit()
}

func (tr *trial) Fatalf(format string, args ...any) {
	tr.Errorf(format, args...)
	runtime.Goexit()
}

func (tr *trial) Failed() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.failures) > 0
}

// try runs fn as a test of its own and returns how it failed.
func try(t *testing.T, fn func(t testing.TB)) []string {
	t.Helper()
	tr := &trial{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(tr.cleanups) - 1; i >= 0; i-- {
				tr.cleanups[i]()
			}
		}()
		fn(tr)
	}()
	<-done
	return tr.failures
}

// TestHarnessFails has tests that must fail.
func TestHarnessFails(t *testing.T) {
	t.Parallel()
	send := func(b string) acting {
		return func(ctx context.Context, out sdk.Emitter) error { return out.ItemJSON(ctx, []byte(b)) }
	}
	declared := sdk.Info{ResourceTypes: []sdk.ResourceType{{Type: "A::B::C", Schema: sdk.ConfigurationSchema(struct {
		Step int `json:"step"`
	}{})}}}
	end := func(info sdk.Info, fn acting) func(testing.TB) {
		return func(t testing.TB) {
			if err := act(t, info, fn).Collect().WaitEnd(); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
	for name, c := range map[string]struct {
		test func(testing.TB)
		want string
	}{
		"too few records": {func(t testing.TB) {
			act(t, sdk.Info{}, send(`{"resourceType":"T","resourceId":"1"}`)).Collect().Wait(2)
		}, "the run has ended with 1 records, 0 damaged, 0 checkpoints and without 2 records"},
		"a run that fails": {func(t testing.TB) {
			act(t, sdk.Info{}, func(context.Context, sdk.Emitter) error { return errors.New("no disk") }).Collect().Wait(1)
		}, "no disk"},
		"no JSON":         {end(sdk.Info{}, send(`{`)), "a record is not JSON"},
		"no id":           {end(sdk.Info{}, send(`{"resourceType":"T"}`)), "no resourceId"},
		"another schema":  {end(declared, send(`{"resourceType":"A::B::C","resourceId":"1","configuration":{"step":"x"}}`)), "does not fit its declared schema"},
		"too much schema": {end(declared, send(`{"resourceType":"A::B::C","resourceId":"1","configuration":{"step":1,"more":1}}`)), "does not fit its declared schema"},
		"no source":       {end(sdk.Info{}, func(ctx context.Context, out sdk.Emitter) error { return out.EventJSON(ctx, []byte(`{}`)) }), "an event has no source"},
		"no checkpoint": {func(t testing.TB) {
			r := act(t, sdk.Info{}, send(`{"resourceType":"T","resourceId":"1"}`)).Collect()
			r.Wait(1)
			r.Acknowledge()
		}, "no checkpoint to acknowledge"},
		"not configured": {func(t testing.TB) {
			sdktest.NewCollector(t, sdk.Info{}, func(context.Context, nothing, sdk.Env) (sdk.Collector, error) { return send(""), nil }).Collect()
		}, "call Configure first"},
		"refused": {func(t testing.TB) {
			c := act(t, sdk.Info{}, send(""))
			c.Configure(map[string]any{"a": 1})
			c.Collect()
		}, `the configuration was refused: [a: "a" is not known]`},
		"ended": {func(t testing.TB) {
			c := act(t, sdk.Info{}, send(""))
			c.Close()
			c.Collect()
		}, "the plugin has ended"},
		"an item that is none": {func(t testing.TB) {
			r := act(t, sdk.Info{}, send(`{"resourceType":"T","resourceId":"1","tags":7}`)).Collect()
			r.Wait(1)
			r.Items()
		}, "a record is not of its form"},
		"a plugin that is built wrong": {func(t testing.TB) {
			c := sdktest.NewCollector(t, sdk.Info{}, func(context.Context, struct {
				A chan int `config:"a"`
			}, sdk.Env,
			) (sdk.Collector, error) {
				return send(""), nil
			})
			c.Configure(nil)
			c.Describe()
		}, "no form in HCL"},
		"a notifier that panics": {func(t testing.TB) {
			n := sdktest.NewNotifier(t, sdk.Info{}, func(context.Context, nothing, sdk.Env) (sdk.Notifier, error) {
				return notifying(func(context.Context, sdk.Notification) sdk.Result { panic("oh") }), nil
			})
			n.Configure(nil)
			n.Deliver(sdk.Notification{})
		}, "panic in Notify: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures := try(t, c.test)
			if len(failures) == 0 || !strings.Contains(strings.Join(failures, "\n"), c.want) {
				t.Errorf("the failures are %q, want %q", failures, c.want)
			}
		})
	}
}
