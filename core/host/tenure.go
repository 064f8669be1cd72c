package host

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// tenure is the time in which one process serves an instance.
type tenure struct {
	in      *instance
	want    want
	session *session
	image   *image

	// leaving is closed when the process is to drain; ctx ends when the time for that is over.
	leaving chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	// served is closed when the last message of a collector has been accepted, left when the process
	// has ended after it was let go.
	served chan struct{}
	left   chan struct{}

	mu sync.Mutex
	// calls counts the calls of Notify under way; idle is closed when there is none and none can
	// begin any more.
	calls  int
	closed bool
	idle   chan struct{}
}

// exited returns a channel that is closed when the process ends; that of no tenure never is.
func (t *tenure) exited() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.session.proc.exited
}

// enter puts a configured process into service.
func (in *instance) enter(w want, s *session, im *image) *tenure {
	t := &tenure{
		in: in, want: w, session: s, image: im,
		leaving: make(chan struct{}), served: make(chan struct{}), left: make(chan struct{}), idle: make(chan struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(in.h.hard)
	in.mu.Lock()
	in.serving = t
	st := &in.status
	st.SHA256, st.Version, st.SDKVersion = im.sum, s.described.GetVersion(), s.described.GetSdkVersion()
	st.PID, st.Started, st.Next, st.Outdated = s.proc.pid, s.proc.started, time.Time{}, false
	in.mu.Unlock()
	in.setState(StateRunning)
	s.log.Info("a plugin is up", "version", s.described.GetVersion(), "sdk", s.described.GetSdkVersion(),
		"sha256", im.sum, "pid", s.proc.pid, "features", s.described.GetFeatures())

	in.chain(func() {
		defer close(t.served)
		if w.spec.Role == pluginv1.Role_ROLE_COLLECTOR {
			in.collector.serve(t)
		}
	})
	in.background.Add(2)
	go func() { defer in.background.Done(); t.watch() }()
	go func() {
		// What the process sent before it ended is still to be read.
		defer in.background.Done()
		<-s.proc.exited
		<-t.served
		t.cancel()
		s.release()
		<-s.settled
		im.release()
	}()
	return t
}

// leave lets the process of a tenure drain and stop, beside what else goes on.
func (in *instance) leave(t *tenure) {
	in.mu.Lock()
	if in.serving == t {
		in.serving = nil
	}
	grace := t.want.spec.Grace
	in.mu.Unlock()
	if grace <= 0 {
		grace = in.h.timing.Grace
	}
	in.background.Add(1)
	go func() {
		defer in.background.Done()
		defer close(t.left)
		t.drain(grace)
	}()
}

// drain asks the process to come to an end, waits until its last checkpoint is durable or its calls
// have been answered, and takes it down.
func (t *tenure) drain(grace time.Duration) {
	end := time.Now().Add(grace)
	ctx, cancel := context.WithDeadline(t.ctx, end)
	defer cancel()
	t.session.proc.expect("it was told to stop")
	close(t.leaving)
	t.closeCalls()
	_, err := t.session.plugin.Stop(ctx, &pluginv1.StopRequest{GraceMs: grace.Milliseconds()})
	if err != nil && ctx.Err() == nil && !t.session.proc.ended() {
		t.session.log.Warn("the plugin does not take the order to stop", "err", callError("stop", grace, err))
	}
	for _, done := range []<-chan struct{}{t.idle, t.served} {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	if !time.Now().Before(end) {
		t.session.log.Warn("the plugin did not come to an end within its grace", "grace", grace.String())
	}
	t.cancel()
	// Whatever is left of the grace, a plugin that has drained has little more to do.
	t.session.shutdown(t.in.h.hard, min(max(time.Until(end), t.session.timing.KillDelay), grace))
}

// watch asks the process regularly whether it is well, and ends it when it does not answer: a process
// can live on and serve nobody.
func (t *tenure) watch() {
	timing := t.session.timing
	client := grpc_health_v1.NewHealthClient(t.session.conn)
	tick := time.NewTicker(timing.HealthEvery)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-t.session.proc.exited:
			return
		case <-t.leaving:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(t.ctx, timing.HealthDeadline)
		resp, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "plugin"})
		cancel()
		switch {
		case status.Code(err) == codes.Unimplemented,
			err == nil && resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING:
			misses = 0
			continue
		case t.session.proc.ended() || t.ctx.Err() != nil:
			return
		case err == nil:
			err = callError("serve", timing.HealthDeadline, status.Error(codes.Unavailable, resp.GetStatus().String()))
		default:
			err = callError("answer a health check", timing.HealthDeadline, err)
		}
		misses++
		t.session.log.Warn("a health check failed", "err", err, "misses", misses)
		if misses >= timing.HealthMisses {
			t.session.proc.condemn("it did not answer health checks")
			return
		}
	}
}

// beginCall counts a call of Notify. It reports false where the process takes none any more.
func (t *tenure) beginCall() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.calls++
	return true
}

func (t *tenure) endCall() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls--; t.calls == 0 && t.closed {
		close(t.idle)
	}
}

func (t *tenure) closeCalls() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed = true; t.calls == 0 {
		close(t.idle)
	}
}
