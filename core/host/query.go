package host

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// QueryStream is the result of a query as the engine sends it.
type QueryStream struct {
	t      *tenure
	ctx    context.Context
	stream grpc.ServerStreamingClient[pluginv1.QueryResponse]
	cancel context.CancelFunc
	ended  bool
}

// Query begins a query at a query engine. The caller calls Close in the end; ctx cancels the query.
func (h *Host) Query(ctx context.Context, inst record.Instance, r *pluginv1.QueryRequest) (*QueryStream, error) {
	t, err := h.queryEngine(inst)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", inst, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := pluginv1.NewQueryEngineClient(t.session.conn).Query(ctx, r)
	s := &QueryStream{t: t, ctx: ctx, stream: stream, cancel: cancel}
	if err != nil {
		err = s.failed(err)
		s.Close()
		return nil, fmt.Errorf("query %s: %w", inst, err)
	}
	return s, nil
}

// Recv returns the next message, io.EOF after the last.
func (s *QueryStream) Recv() (*pluginv1.QueryResponse, error) {
	m, err := s.stream.Recv()
	if err == nil || errors.Is(err, io.EOF) {
		return m, err
	}
	return nil, s.failed(err)
}

func (s *QueryStream) failed(err error) error {
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	code := status.Code(err)
	if s.t.session.proc.endedWith(code) {
		return fmt.Errorf("%w: its process %s during the query", ErrDown, s.t.session.proc.exit)
	}
	if code == codes.Canceled {
		return context.Canceled
	}
	return callError("answer the query", 0, err)
}

// Close ends the query where it still runs. It may be called more than once.
func (s *QueryStream) Close() {
	s.cancel()
	if !s.ended {
		s.ended = true
		s.t.endCall()
	}
}

// QueryTables asks a query engine which tables a statement reads.
func (h *Host) QueryTables(ctx context.Context, inst record.Instance, r *pluginv1.TablesRequest) (*pluginv1.TablesResponse, error) {
	t, err := h.queryEngine(inst)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", inst, err)
	}
	defer t.endCall()
	deadline := h.timing.Notify
	call, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	resp, err := pluginv1.NewQueryEngineClient(t.session.conn).Tables(call, r)
	if err == nil {
		return resp, nil
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case t.session.proc.endedWith(status.Code(err)):
		err = fmt.Errorf("%w: its process %s during the query", ErrDown, t.session.proc.exit)
	default:
		err = callError("name the tables of the query", deadline, err)
	}
	return nil, fmt.Errorf("query %s: %w", inst, err)
}

// queryEngine begins a call at an instance; the caller ends it.
func (h *Host) queryEngine(inst record.Instance) (*tenure, error) {
	h.mu.Lock()
	in := h.instances[inst]
	h.mu.Unlock()
	if in == nil {
		return nil, ErrUnknown
	}
	in.mu.Lock()
	t := in.serving
	st := in.status
	in.mu.Unlock()
	if t == nil || !t.beginCall() {
		return nil, down(st)
	}
	if role := t.want.spec.Role; role != pluginv1.Role_ROLE_QUERY_ENGINE {
		t.endCall()
		return nil, fmt.Errorf("%w: it is a %s", ErrUnknown, roleName(role))
	}
	return t, nil
}
