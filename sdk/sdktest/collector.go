package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// Collector is a collector under test, with the test in the daemon's place.
type Collector struct {
	*instance
	cursor []byte
}

// NewCollector returns a harness of what sdk.ServeCollector would serve. The test fails by itself where
// the collector breaks the contract.
func NewCollector[C any](t testing.TB, info sdk.Info, open func(ctx context.Context, cfg C, env sdk.Env) (sdk.Collector, error)) *Collector {
	serve := server(func() *wire.Server { return sdk.CollectorServer(info, open) })
	return &Collector{instance: newInstance(t, serve, "collector."+info.Name+".test")}
}

// Cursor returns the cursor that the next run begins with: that of the last acknowledged checkpoint.
func (c *Collector) Cursor() []byte { return c.cursor }

// SetCursor makes the next run begin with a cursor of the test's, such as one of an older version.
func (c *Collector) SetCursor(cursor []byte) { c.cursor = cursor }

// Record is a record as it was sent.
type Record struct {
	Kind sdk.Kind
	// JSON holds whatever bytes there were where the record is damaged.
	JSON   json.RawMessage
	Origin string
	// Damaged says why the collector could not read it, "" where it could.
	Damaged string
}

// Checkpoint is a checkpoint as it was sent.
type Checkpoint struct {
	ID     uint64
	Cursor []byte
	// Records counts the records of the run that came before it: what it covers.
	Records int
}

// Sweep is a listing as it was sent. Complete says something only where it has ended.
type Sweep struct {
	Scope           string
	ResourceTypes   []string
	Ended, Complete bool
}

// Gap is a gap as it was sent; a zero To means that it lasts.
type Gap struct {
	From, To time.Time
	Reason   string
}

// Run is a call of Collect. Its methods that return what was sent return what has come so far.
type Run struct {
	c      *Collector
	cancel context.CancelFunc
	// done is closed when the call has ended; err is valid then.
	done chan struct{}
	err  error

	mu sync.Mutex
	// said is what came; changed is closed and replaced when something does.
	said    *transcript
	changed chan struct{}
	// open is closed while messages are taken.
	open chan struct{}
}

// Collect begins a run at the cursor. It goes on while the test does other things, and ends with the
// test at the latest.
func (c *Collector) Collect() *Run {
	c.t.Helper()
	said, err := newTranscript(c.Describe())
	if err != nil {
		c.t.Fatalf("describe: %v", err)
	}
	said.keep = true
	ctx, cancel := context.WithCancel(c.ctx)
	stream, err := c.session.collector().Collect(ctx, &pluginv1.CollectRequest{Cursor: c.cursor})
	if err != nil {
		cancel()
		c.t.Fatalf("collect: %v", err)
	}
	r := &Run{c: c, cancel: cancel, done: make(chan struct{}), said: said, changed: make(chan struct{}), open: make(chan struct{})}
	close(r.open)
	go r.listen(ctx, stream)
	c.t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

func (r *Run) listen(ctx context.Context, stream grpc.ServerStreamingClient[pluginv1.CollectResponse]) {
	defer close(r.done)
	for {
		r.mu.Lock()
		gate := r.open
		r.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
			return
		}
		m, err := stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				r.err = callError(err)
			}
			return
		}
		r.mu.Lock()
		if err := r.said.take(m); err != nil {
			r.c.t.Errorf("the collector breaks the contract: %v", err)
		}
		close(r.changed)
		r.changed = make(chan struct{})
		r.mu.Unlock()
	}
}

// callError is the error of the author's code without gRPC's words around it.
func callError(err error) error {
	if s, ok := status.FromError(err); ok && s.Code() == codes.Unknown {
		return errors.New(s.Message())
	}
	return err
}

// Wait waits for n records of the run in all, damaged ones included.
func (r *Run) Wait(n int) {
	r.c.t.Helper()
	r.WaitFor(fmt.Sprintf("%d records", n), func() bool { return r.total() >= n })
}

// WaitFor waits until what the run has sent makes ok true, and fails the test where that does not come
// about. what says what is waited for.
func (r *Run) WaitFor(what string, ok func() bool) {
	r.c.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for ended := false; ; {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if ok() {
			return
		}
		if ended {
			r.c.t.Fatalf("the run has ended with %s and without %s; its error: %v", r.counts(), what, r.err)
		}
		select {
		case <-changed:
		case <-r.done:
			ended = true
		case <-limit.C:
			r.c.t.Fatalf("no %s within %s; there are %s", what, patience, r.counts())
		}
	}
}

// WaitEnd waits for Collect to return by itself, and returns its error.
func (r *Run) WaitEnd() error {
	r.c.t.Helper()
	if err := await(r.done); err != nil {
		r.c.t.Fatalf("Collect does not return: %v; there are %s", err, r.counts())
	}
	return r.err
}

// Stop asks the plugin to stop, as the daemon does before it ends a plugin, takes what it still sends,
// and returns the error of Collect. The plugin takes no further calls then; Restart starts it again.
func (r *Run) Stop() error {
	r.c.t.Helper()
	r.Resume()
	ctx, cancel := context.WithTimeout(r.c.ctx, patience)
	defer cancel()
	if _, err := r.c.session.plugin().Stop(ctx, &pluginv1.StopRequest{GraceMs: patience.Milliseconds()}); err != nil {
		r.c.t.Fatalf("stop: %v", err)
	}
	return r.WaitEnd()
}

// Cancel breaks the stream off, as a daemon that is killed does. Nothing that the collector sends from
// then on arrives.
func (r *Run) Cancel() {
	r.cancel()
	<-r.done
}

// Pause stops taking messages, as a daemon does that is behind: once what lies between the two is full,
// the methods of the emitter block. One message that was waited for is still taken.
func (r *Run) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
		r.open = make(chan struct{})
	default: // paused already
	}
}

// Resume takes messages again.
func (r *Run) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
	default:
		close(r.open)
	}
}

// Acknowledge makes the last checkpoint durable, as the daemon does when it has committed what came
// before it: the next run begins with its cursor, and a collector with the feature is told. It returns
// the checkpoint.
func (r *Run) Acknowledge() Checkpoint {
	r.c.t.Helper()
	all := r.Checkpoints()
	if len(all) == 0 {
		r.c.t.Fatal("there is no checkpoint to acknowledge")
	}
	last := all[len(all)-1]
	if slices.Contains(r.c.Describe().GetFeatures(), sdk.FeatureAcknowledge) {
		ctx, cancel := context.WithTimeout(r.c.ctx, patience)
		defer cancel()
		if _, err := r.c.session.collector().Acknowledge(ctx, &pluginv1.AcknowledgeRequest{CheckpointId: last.ID}); err != nil {
			r.c.t.Fatalf("acknowledge: %v", callError(err))
		}
	}
	r.c.cursor = last.Cursor
	return last
}

func (r *Run) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.total
}

func (r *Run) counts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.counts()
}

// Records returns all records, in the order in which they came.
func (r *Run) Records() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said.records)
}

// Items returns the items. Their Configuration is a json.RawMessage.
func (r *Run) Items() []sdk.Item {
	r.c.t.Helper()
	return decoded[sdk.Item](r, sdk.KindItem)
}

// Events returns the events. Their Detail is a json.RawMessage.
func (r *Run) Events() []sdk.Event {
	r.c.t.Helper()
	return decoded[sdk.Event](r, sdk.KindEvent)
}

func decoded[T any](r *Run, kind sdk.Kind) []T {
	r.c.t.Helper()
	var out []T
	for _, rec := range r.Records() {
		if rec.Kind != kind || rec.Damaged != "" {
			continue
		}
		var v T
		if err := json.Unmarshal(rec.JSON, &v); err != nil {
			r.c.t.Fatalf("a record is not of its form: %v: %s", err, cut(string(rec.JSON)))
		}
		out = append(out, v)
	}
	return out
}

// Damaged returns the records that the collector could not read.
func (r *Run) Damaged() []Record {
	return slices.DeleteFunc(r.Records(), func(rec Record) bool { return rec.Damaged == "" })
}

// Checkpoints returns the checkpoints.
func (r *Run) Checkpoints() []Checkpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said.checkpoints)
}

// Sweeps returns the sweeps in the order in which they began.
func (r *Run) Sweeps() []Sweep {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said.sweeps)
}

// Gaps returns the gaps.
func (r *Run) Gaps() []Gap {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said.gaps)
}

// Problems returns the problems.
func (r *Run) Problems() []sdk.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said.problems)
}
