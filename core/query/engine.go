package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/core/lake/table"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Source gives the files of tables.
type Source interface {
	// Snapshot returns the files that the tables consist of at this moment, with everything in them
	// that is committed; of events those that may hold some of a time. They stay until Release is called.
	Snapshot(ctx context.Context, tables []table.Name, events Span) (*Snapshot, error)
}

// Span is a time from Since on and before Until; zero is no bound.
type Span struct{ Since, Until time.Time }

// where is the condition in SQL that a column lies in the span.
func (s Span) where(column string) string {
	var all []string
	if !s.Since.IsZero() {
		all = append(all, fmt.Sprintf("%s >= make_timestamptz(%d)", column, s.Since.UnixMicro()))
	}
	if !s.Until.IsZero() {
		all = append(all, fmt.Sprintf("%s < make_timestamptz(%d)", column, s.Until.UnixMicro()))
	}
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, " AND ")
}

// Snapshot is what tables consist of.
type Snapshot struct {
	// Files are absolute paths.
	Files map[table.Name][]string
	// Release says that the files are not needed any more; it may be nil.
	Release func()
}

// Plugin is the query engine.
type Plugin interface {
	Query(ctx context.Context, r *pluginv1.QueryRequest) (Stream, error)
	Tables(ctx context.Context, r *pluginv1.TablesRequest) (*pluginv1.TablesResponse, error)
}

// Stream is a result as the plugin sends it. Close ends the query where it still runs.
type Stream interface {
	Recv() (*pluginv1.QueryResponse, error)
	Close()
}

// Limits bound each query.
type Limits struct {
	Memory   int64
	Threads  int
	Timeout  time.Duration
	MaxRows  int64
	MaxBytes int64
	// SpillDir is a folder for what does not fit into memory, outside the lake; Spill is how many bytes
	// one query may put there.
	SpillDir string
	Spill    int64
	// Concurrent is how many queries may run at once.
	Concurrent int
}

// Engine answers queries. It is safe for concurrent use.
type Engine struct {
	plugin Plugin
	source Source
	limits Limits
	slots  chan struct{}
}

// New returns an engine.
func New(p Plugin, s Source, l Limits) *Engine {
	return &Engine{plugin: p, source: s, limits: l, slots: make(chan struct{}, max(1, l.Concurrent))}
}

// Request is a question.
type Request struct {
	SQL string
	// Events bounds the events that are looked at, so that not all their files need be read.
	Events Span
	// Timeout is at most that of the limits; 0 takes that.
	Timeout time.Duration
}

// MaxSQL bounds the text of a statement, in bytes.
const MaxSQL = 1 << 20

// Kind says whose fault an error is.
type Kind string

// The kinds of error.
const (
	Syntax      Kind = "syntax"
	NotASelect  Kind = "not_a_select"
	Limit       Kind = "limit"
	Timeout     Kind = "timeout"
	Cancelled   Kind = "cancelled"
	Internal    Kind = "internal"
	Refused     Kind = "refused"
	Unavailable Kind = "unavailable"
)

var kinds = map[pluginv1.QueryError_Kind]Kind{
	pluginv1.QueryError_KIND_SYNTAX: Syntax, pluginv1.QueryError_KIND_NOT_A_SELECT: NotASelect,
	pluginv1.QueryError_KIND_LIMIT: Limit, pluginv1.QueryError_KIND_TIMEOUT: Timeout,
	pluginv1.QueryError_KIND_CANCELLED: Cancelled, pluginv1.QueryError_KIND_REFUSED: Refused,
}

// Error is why a query has no result, or not the whole of it.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	// Position is the byte of the statement, from 1, at which the error is; 0 where it has no place.
	Position int `json:"position,omitempty"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func errorOf(e *pluginv1.QueryError) *Error {
	kind, ok := kinds[e.GetKind()]
	if !ok {
		kind = Internal
	}
	return &Error{Kind: kind, Message: e.GetMessage(), Position: int(e.GetPosition())}
}

// ErrTimeout is the cause of a query whose time is over.
var errTimeout = errors.New("time-out")

// grace is how much longer than its time-out a query may take to say that it has met it.
const grace = 5 * time.Second

// Query runs a statement. The result must be closed. Errors are *Error.
func (e *Engine) Query(ctx context.Context, r Request) (*Result, error) {
	switch n := len(r.SQL); {
	case n > MaxSQL:
		return nil, &Error{Kind: Limit, Message: fmt.Sprintf("the statement has %d bytes; at most %d are taken", n, MaxSQL)}
	case strings.TrimSpace(r.SQL) == "":
		return nil, &Error{Kind: Syntax, Message: "there is no statement"}
	case strings.ContainsRune(r.SQL, 0):
		return nil, &Error{Kind: Syntax, Message: "the statement has a NUL byte", Position: strings.IndexByte(r.SQL, 0) + 1}
	}
	timeout := e.limits.Timeout
	if r.Timeout > 0 && (timeout <= 0 || r.Timeout < timeout) {
		timeout = r.Timeout
	}
	res := &Result{}
	var cancel context.CancelFunc = func() {}
	if timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, timeout+grace, errTimeout)
	}
	res.ctx, res.timeout = ctx, timeout
	res.undo(cancel)
	if err := e.begin(ctx, r, timeout, res); err != nil {
		res.Close()
		return nil, res.error(err)
	}
	return res, nil
}

// begin brings a query to its columns.
func (e *Engine) begin(ctx context.Context, r Request, timeout time.Duration, res *Result) error {
	select {
	case e.slots <- struct{}{}:
		res.undo(func() { <-e.slots })
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errTimeout) {
			return &Error{Kind: Unavailable, Message: fmt.Sprintf("%d queries run already, and none ended in time; try again", cap(e.slots))}
		}
		return ctx.Err()
	}
	views := wireViews(r.Events)
	answer, err := e.plugin.Tables(ctx, &pluginv1.TablesRequest{Sql: r.SQL, Tables: wireTables(nil), Views: views})
	switch {
	case err != nil:
		return err
	case answer.GetError() != nil:
		return errorOf(answer.GetError())
	}
	snapshot, err := e.source.Snapshot(ctx, wanted(answer.GetTables()), r.Events)
	if err != nil {
		return fmt.Errorf("read the lake's tables: %w", err)
	}
	if snapshot.Release != nil {
		res.undo(snapshot.Release)
	}
	l := e.limits
	q := &pluginv1.QueryRequest{
		Sql: r.SQL, Tables: wireTables(snapshot.Files), Views: views,
		Limits: &pluginv1.QueryLimits{
			MemoryBytes: l.Memory, Threads: int32(l.Threads), TimeoutMs: timeout.Milliseconds(), MaxRows: l.MaxRows, MaxBytes: l.MaxBytes,
			SpillDir: l.SpillDir, SpillBytes: l.Spill,
		},
	}
	if n := proto.Size(q); n > maxRequest {
		return &Error{Kind: Limit, Message: fmt.Sprintf("the tables of this statement have so many files that their list takes %d bytes, more than the %d of a message; wait for the lake's compaction", n, maxRequest)}
	}
	if res.stream, err = e.plugin.Query(ctx, q); err != nil {
		return err
	}
	res.undo(res.stream.Close)
	m, err := res.stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the query engine ended its answer before it began")
	case err != nil:
		return err
	case m.GetError() != nil:
		return errorOf(m.GetError())
	case m.GetColumns() == nil:
		return errors.New("the query engine does not begin its answer with the columns")
	}
	for _, c := range m.GetColumns().GetColumns() {
		res.Columns = append(res.Columns, Column{Name: c.GetName(), Type: c.GetType()})
	}
	res.Notes = m.GetColumns().GetNotes()
	return nil
}

// maxRequest is what a message to a plugin may have.
const maxRequest = 4<<20 - 4096

// wanted are the tables that the plugin names. One that it makes up is none of ours.
func wanted(names []string) []table.Name {
	var out []table.Name
	for _, name := range table.Names {
		for _, n := range names {
			if n == schemaName+"."+string(name) {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

// Result is the answer to a query. It is not for concurrent use.
type Result struct {
	// Columns have no Doc.
	Columns []Column
	// Notes say what could not be done for the safety of the query.
	Notes []string

	ctx     context.Context
	timeout time.Duration
	stream  Stream
	rows    int64
	summary *Summary
	err     error
	close   sync.Once
	undos   []func()
}

// Summary is told after the last row.
type Summary struct {
	Rows    int64         `json:"rows"`
	Elapsed time.Duration `json:"elapsed"`
}

func (r *Result) undo(f func()) { r.undos = append(r.undos, f) }

// Close ends the query where it still runs, and gives back what it holds. It may be called more than
// once.
func (r *Result) Close() {
	r.close.Do(func() {
		for i := len(r.undos) - 1; i >= 0; i-- {
			r.undos[i]()
		}
	})
}

// Next returns some rows, io.EOF after the last; other errors are *Error.
func (r *Result) Next() ([]Row, error) {
	for r.err == nil {
		m, err := r.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			r.err = &Error{Kind: Internal, Message: "the query engine ended its answer without a summary"}
		case err != nil:
			r.err = r.error(err)
		case m.GetError() != nil:
			r.err = errorOf(m.GetError())
		case m.GetSummary() != nil:
			s := m.GetSummary()
			r.summary = &Summary{Rows: s.GetRows(), Elapsed: time.Duration(s.GetElapsedUs()) * time.Microsecond}
			r.err = io.EOF
			if s.GetRows() != r.rows {
				r.err = &Error{Kind: Internal, Message: fmt.Sprintf("the query engine sent %d rows of %d", r.rows, s.GetRows())}
			}
		case m.GetRows() != nil:
			rows, err := decode(m.GetRows().GetJson(), m.GetRows().GetCount(), len(r.Columns))
			if err != nil {
				r.err = &Error{Kind: Internal, Message: fmt.Sprintf("the query engine's rows cannot be read: %v", err)}
				break
			}
			r.rows += int64(len(rows))
			return rows, nil
		}
	}
	return nil, r.err
}

// Summary returns nil until Next has returned io.EOF.
func (r *Result) Summary() *Summary { return r.summary }

// error makes an *Error of any error.
func (r *Result) error(err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(context.Cause(r.ctx), errTimeout):
		return &Error{Kind: Timeout, Message: fmt.Sprintf("the query took longer than %s and was ended", r.timeout)}
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Cancelled, Message: "the query was cancelled"}
	}
	return &Error{Kind: Internal, Message: err.Error()}
}
