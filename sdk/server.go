package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// server implements the Plugin service; the role's server shares it.
type server struct {
	pluginv1.UnimplementedPluginServer
	describe    *pluginv1.DescribeResponse
	describeErr error
	open        func(ctx context.Context, data []byte, env Env) (any, []*pluginv1.Problem)
	log         *slog.Logger

	mu       sync.Mutex
	instance any
	// running counts calls of Collect and Notify under way.
	running sync.WaitGroup
	// stopping ends when the daemon asks the plugin to stop, ending when there is nobody left who would
	// take an answer. The second ends the first.
	stopping, ending context.Context
	stop, end        context.CancelFunc
	closed           sync.Once
}

// endGrace bounds how long the author's code may take to come to its end once the daemon is gone, and
// then how long its Close may take.
const endGrace = 2 * time.Second

func (s *server) setLog(l *slog.Logger) { s.log = l }

// Describe implements the Plugin service.
func (s *server) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	if s.describeErr != nil {
		return nil, status.Error(codes.FailedPrecondition, s.describeErr.Error())
	}
	return s.describe, nil
}

// Configure implements the Plugin service.
func (s *server) Configure(ctx context.Context, r *pluginv1.ConfigureRequest) (out *pluginv1.ConfigureResponse, err error) {
	defer s.recovered("open", &err)
	ctx, cancel := s.until(ctx, s.stopping)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instance != nil {
		return nil, status.Error(codes.FailedPrecondition, "the plugin is configured already; a process takes one configuration")
	}
	env := Env{
		Instance: r.GetInstance(), Log: s.log, StateDir: r.GetStateDir(),
		Every: time.Duration(r.GetIntervalMs()) * time.Millisecond,
	}
	it, problems := s.open(ctx, r.GetConfig(), env)
	if len(problems) == 0 {
		if it == nil {
			return nil, status.Error(codes.Internal, "open returned neither a plugin nor an error")
		}
		s.instance = it
	}
	return &pluginv1.ConfigureResponse{Problems: problems}, nil
}

// Stop implements the Plugin service. It returns when calls under way have come to their end.
func (s *server) Stop(ctx context.Context, r *pluginv1.StopRequest) (*pluginv1.StopResponse, error) {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	var grace <-chan time.Time
	if ms := r.GetGraceMs(); ms > 0 {
		t := time.NewTimer(time.Duration(ms) * time.Millisecond)
		defer t.Stop()
		grace = t.C
	}
	select {
	case <-done:
		return &pluginv1.StopResponse{}, nil
	case <-grace:
		return nil, status.Error(codes.DeadlineExceeded, "calls are still under way after the grace")
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// until returns a context that also ends with another one.
func (s *server) until(ctx, other context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(other, cancel)
	return ctx, func() { detach(); cancel() }
}

// shutdown cancels the calls under way, waits for them and closes the author's plugin. What does not
// come to its end in time is left behind: the process ends, or the daemon kills it.
func (s *server) shutdown() {
	s.closed.Do(func() {
		// Open may hold the lock until its context has ended.
		s.end()
		if !within(endGrace, s.running.Wait) {
			s.log.Warn("calls are still under way; the plugin is closed all the same", "waited", endGrace.String())
		}
		if !within(endGrace, s.close) {
			s.log.Warn("the plugin is not closed in time and is left as it is", "waited", endGrace.String())
		}
	})
}

// within reports whether fn returns in time.
func within(limit time.Duration, fn func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// close closes the author's plugin.
func (s *server) close() {
	s.mu.Lock()
	it := s.instance
	s.mu.Unlock()
	c, ok := it.(io.Closer)
	if !ok {
		return
	}
	var err error
	func() {
		defer s.recovered("Close", &err)
		err = c.Close()
	}()
	if err != nil {
		s.log.Warn("close failed", "err", err.Error())
	}
}

// begin returns the author's plugin and a context that ends with the call or with until.
func (s *server) begin(ctx, until context.Context) (any, context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instance == nil {
		return nil, nil, nil, status.Error(codes.FailedPrecondition, errNotConfigured.Error())
	}
	// Whoever waits for the calls under way has seen the last of them begin.
	if s.stopping.Err() != nil {
		return nil, nil, nil, status.Error(codes.Unavailable, "the plugin was told to stop")
	}
	s.running.Add(1)
	ctx, cancel := s.until(ctx, until)
	return s.instance, ctx, func() { cancel(); s.running.Done() }, nil
}

// recovered turns a panic of the author's code into an error of the call, so that one bad record does
// not take the process down with its log line lost.
func (s *server) recovered(what string, err *error) {
	if r := recover(); r != nil {
		s.log.Error("the plugin panicked", "in", what, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, fmt.Sprintf("panic in %s: %v", what, r))
	}
}

// collectorServer implements the Collector service.
type collectorServer struct {
	pluginv1.UnimplementedCollectorServer
	*server
}

// Collect implements the Collector service.
func (c *collectorServer) Collect(r *pluginv1.CollectRequest, stream grpc.ServerStreamingServer[pluginv1.CollectResponse]) (err error) {
	it, ctx, end, err := c.begin(stream.Context(), c.stopping)
	if err != nil {
		return err
	}
	defer end()
	defer c.recovered("Collect", &err)
	collector, ok := it.(Collector)
	if !ok {
		return status.Error(codes.Unimplemented, "not a collector")
	}
	e := newEmitter(stream, r.GetCursor())
	defer e.timer.Stop()
	err = collector.Collect(ctx, e)
	closeErr := e.close()
	switch {
	case stream.Context().Err() != nil:
		return status.FromContextError(stream.Context().Err()).Err()
	case err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return closeErr
	}
	return status.Error(codes.Unknown, err.Error())
}

// Acknowledge implements the Collector service.
func (c *collectorServer) Acknowledge(ctx context.Context, r *pluginv1.AcknowledgeRequest) (out *pluginv1.AcknowledgeResponse, err error) {
	defer c.recovered("Acknowledge", &err)
	c.mu.Lock()
	it := c.instance
	c.mu.Unlock()
	a, ok := it.(Acknowledger)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the collector takes no acknowledgements")
	}
	if err := a.Acknowledge(ctx, r.GetCheckpointId()); err != nil {
		return nil, status.Error(codes.Unknown, err.Error())
	}
	return &pluginv1.AcknowledgeResponse{}, nil
}

// notifierServer implements the Notifier service.
type notifierServer struct {
	pluginv1.UnimplementedNotifierServer
	*server
}

// Notify implements the Notifier service.
func (n *notifierServer) Notify(ctx context.Context, r *pluginv1.NotifyRequest) (out *pluginv1.NotifyResponse, err error) {
	// A delivery under way is finished even while the process is asked to stop.
	it, ctx, end, err := n.begin(ctx, n.ending)
	if err != nil {
		return nil, err
	}
	defer end()
	defer n.recovered("Notify", &err)
	notifier, ok := it.(Notifier)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "not a notifier")
	}
	out = &pluginv1.NotifyResponse{}
	for _, p := range r.GetNotifications() {
		out.Results = append(out.Results, n.one(ctx, notifier, p))
	}
	return out, nil
}

func (n *notifierServer) one(ctx context.Context, notifier Notifier, p *pluginv1.Notification) *pluginv1.NotifyResult {
	var doc Notification
	if err := json.Unmarshal(p.GetJson(), &doc); err != nil {
		return &pluginv1.NotifyResult{Outcome: pluginv1.NotifyResult_OUTCOME_REJECTED, Detail: printable(fmt.Sprintf("notification is not readable: %v", err))}
	}
	doc.ID, doc.Attempt, doc.JSON = p.GetId(), int(p.GetAttempt()), p.GetJson()
	res := notifier.Notify(ctx, doc)
	out := &pluginv1.NotifyResult{RetryAfterMs: res.RetryAfter.Milliseconds(), Detail: printable(res.Detail)}
	switch res.Outcome {
	case OutcomeDelivered:
		out.Outcome = pluginv1.NotifyResult_OUTCOME_DELIVERED
	case OutcomeRejected:
		out.Outcome = pluginv1.NotifyResult_OUTCOME_REJECTED
	default:
		out.Outcome = pluginv1.NotifyResult_OUTCOME_RETRY
	}
	return out
}
