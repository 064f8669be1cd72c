package sdk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// QueryEngine answers questions in SQL over Parquet files. Its methods may be called concurrently.
type QueryEngine interface {
	// Query runs the one statement in q.GetSql(), which only reads, over the tables and views of q and
	// over nothing else, within q.GetLimits(). It calls out.Columns once, then out.Rows as often as
	// there are rows. When ctx ends it stops at once. An error of the statement is a *QueryError.
	Query(ctx context.Context, q *pluginv1.QueryRequest, out ResultWriter) error
	// Tables names the tables among q.GetTables() that the statement reads, as schema.name. It opens no
	// file; where it cannot tell, it names more.
	Tables(ctx context.Context, q *pluginv1.TablesRequest) ([]string, error)
}

// ResultWriter takes the result of a query. Its methods block while the daemon is behind, and are not
// for concurrent use.
type ResultWriter interface {
	// Columns says what the result consists of. notes say what could not be done for the safety of the
	// query.
	Columns(columns []*pluginv1.QueryColumn, notes []string) error
	// Rows adds count rows: a line of JSON for each, an array of its values. The slice may be used
	// again afterwards. Keep a call to about a MiB.
	Rows(count int64, json []byte) error
}

// QueryErrorKind says whose fault an error is.
type QueryErrorKind = pluginv1.QueryError_Kind

// The kinds of error of a query.
const (
	QuerySyntax     = pluginv1.QueryError_KIND_SYNTAX
	QueryNotASelect = pluginv1.QueryError_KIND_NOT_A_SELECT
	QueryLimit      = pluginv1.QueryError_KIND_LIMIT
	QueryTimeout    = pluginv1.QueryError_KIND_TIMEOUT
	QueryCancelled  = pluginv1.QueryError_KIND_CANCELLED
	QueryInternal   = pluginv1.QueryError_KIND_INTERNAL
	QueryRefused    = pluginv1.QueryError_KIND_REFUSED
)

// QueryError is the error of a statement.
type QueryError struct {
	Kind    QueryErrorKind
	Message string
	// Position is the byte in the statement, from 1, at which the error is; 0 where it has no place.
	Position int
}

// Error implements error.
func (e *QueryError) Error() string { return e.Message }

// ServeQueryEngine runs the program as a query engine and does not return; see ServeCollector.
func ServeQueryEngine[C any](info Info, open func(ctx context.Context, cfg C, env Env) (QueryEngine, error)) {
	serve(QueryEngineServer(info, open))
}

// QueryEngineServer returns the services of a query engine, for tests that serve it in process.
func QueryEngineServer[C any](info Info, open func(ctx context.Context, cfg C, env Env) (QueryEngine, error)) *wire.Server {
	s := newServer[C](info, pluginv1.Role_ROLE_QUERY_ENGINE, func(ctx context.Context, cfg C, env Env) (any, error) { return open(ctx, cfg, env) })
	return &wire.Server{Plugin: s, QueryEngine: &queryServer{server: s}, Shutdown: s.shutdown, SetLog: s.setLog}
}

// queryServer implements the QueryEngine service.
type queryServer struct {
	pluginv1.UnimplementedQueryEngineServer
	*server
}

// engine returns the author's engine.
func (s *queryServer) engine(ctx context.Context) (QueryEngine, context.Context, func(), error) {
	it, ctx, end, err := s.begin(ctx, s.stopping)
	if err != nil {
		return nil, nil, nil, err
	}
	e, ok := it.(QueryEngine)
	if !ok {
		end()
		return nil, nil, nil, status.Error(codes.Unimplemented, "not a query engine")
	}
	return e, ctx, end, nil
}

// Query implements the QueryEngine service.
func (s *queryServer) Query(r *pluginv1.QueryRequest, stream grpc.ServerStreamingServer[pluginv1.QueryResponse]) (err error) {
	e, ctx, end, err := s.engine(stream.Context())
	if err != nil {
		return err
	}
	defer end()
	defer s.recovered("Query", &err)
	w := &resultStream{stream: stream}
	start := time.Now()
	if err := e.Query(ctx, r, w); err != nil {
		if stream.Context().Err() != nil {
			return status.FromContextError(stream.Context().Err()).Err()
		}
		return stream.Send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Error{Error: wireError(err)}})
	}
	if !w.columns {
		return status.Error(codes.Internal, "the engine named no columns")
	}
	return stream.Send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Summary{
		Summary: &pluginv1.QuerySummary{Rows: w.rows, ElapsedUs: time.Since(start).Microseconds()},
	}})
}

// Tables implements the QueryEngine service.
func (s *queryServer) Tables(ctx context.Context, r *pluginv1.TablesRequest) (out *pluginv1.TablesResponse, err error) {
	e, ctx, end, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	defer s.recovered("Tables", &err)
	names, err := e.Tables(ctx, r)
	if err != nil {
		return &pluginv1.TablesResponse{Error: wireError(err)}, nil
	}
	return &pluginv1.TablesResponse{Tables: names}, nil
}

func wireError(err error) *pluginv1.QueryError {
	var q *QueryError
	switch {
	case errors.As(err, &q):
		return &pluginv1.QueryError{Kind: q.Kind, Message: printable(q.Message), Position: int32(q.Position)}
	case errors.Is(err, context.Canceled):
		return &pluginv1.QueryError{Kind: QueryCancelled, Message: "the query was cancelled"}
	}
	return &pluginv1.QueryError{Kind: QueryInternal, Message: printable(err.Error())}
}

// resultStream sends a result.
type resultStream struct {
	stream  grpc.ServerStreamingServer[pluginv1.QueryResponse]
	columns bool
	rows    int64
}

// Columns implements ResultWriter.
func (w *resultStream) Columns(columns []*pluginv1.QueryColumn, notes []string) error {
	if w.columns {
		return errors.New("the columns were named already")
	}
	w.columns = true
	return w.stream.Send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Columns{Columns: &pluginv1.QueryColumns{Columns: columns, Notes: notes}}})
}

// Rows implements ResultWriter.
func (w *resultStream) Rows(count int64, json []byte) error {
	switch {
	case !w.columns:
		return errors.New("rows come after the columns")
	case len(json) > maxRows:
		return &QueryError{Kind: QueryLimit, Message: fmt.Sprintf("a row has %d bytes, more than the %d that a message holds", len(json), maxRows)}
	}
	w.rows += count
	return w.stream.Send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Rows{Rows: &pluginv1.QueryRows{Count: count, Json: json}}})
}

// maxRows leaves room in a message for its frame.
const maxRows = wire.MaxMessage - 4096
