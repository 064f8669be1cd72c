package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// VerifyQueryEngine is VerifyCollector for a query engine.
func VerifyQueryEngine[C any](t *testing.T, info sdk.Info, open func(ctx context.Context, cfg C, env sdk.Env) (sdk.QueryEngine, error), options ...Options) {
	t.Helper()
	verify(t, info.Name, func() *wire.Server { return sdk.QueryEngineServer(info, open) }, options)
}

func (s *session) queryEngine() pluginv1.QueryEngineClient {
	return pluginv1.NewQueryEngineClient(s.conn)
}

// probeTable is a table without files.
var probeTable = &pluginv1.QueryTable{Name: "probe", Columns: []*pluginv1.QueryColumn{{Name: "n", Type: "BIGINT"}, {Name: "text", Type: "VARCHAR"}}}

// answer is what came of a query.
type answer struct {
	columns []string
	rows    int64
	summary *pluginv1.QuerySummary
	err     *pluginv1.QueryError
}

// ask runs a query and checks the order of what comes.
func (s *session) ask(ctx context.Context, r *pluginv1.QueryRequest) (*answer, error) {
	stream, err := s.queryEngine().Query(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &answer{}
	named, ended := false, false
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if !ended {
				return out, errors.New("the stream ends with neither a summary nor an error")
			}
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if ended {
			return out, errors.New("something comes after the end of the result")
		}
		switch {
		case m.GetColumns() != nil:
			if named {
				return out, errors.New("the columns come twice")
			}
			named = true
			for _, c := range m.GetColumns().GetColumns() {
				out.columns = append(out.columns, c.GetName())
			}
		case m.GetRows() != nil:
			if !named {
				return out, errors.New("rows come before the columns")
			}
			d := json.NewDecoder(bytes.NewReader(m.GetRows().GetJson()))
			var n int64
			for d.More() {
				var row []json.RawMessage
				if err := d.Decode(&row); err != nil {
					return out, fmt.Errorf("a row is no array of JSON: %w", err)
				}
				if len(row) != len(out.columns) {
					return out, fmt.Errorf("a row has %d values for %d columns", len(row), len(out.columns))
				}
				n++
			}
			if n != m.GetRows().GetCount() {
				return out, fmt.Errorf("%d rows came and %d were told", n, m.GetRows().GetCount())
			}
			out.rows += n
		case m.GetSummary() != nil:
			out.summary, ended = m.GetSummary(), true
			if out.summary.GetRows() != out.rows {
				return out, fmt.Errorf("the summary tells %d rows of %d", out.summary.GetRows(), out.rows)
			}
		case m.GetError() != nil:
			out.err, ended = m.GetError(), true
		}
	}
}

func (s *suite) request(sql string) *pluginv1.QueryRequest {
	return &pluginv1.QueryRequest{Sql: sql, Tables: []*pluginv1.QueryTable{probeTable}, Limits: &pluginv1.QueryLimits{TimeoutMs: 20_000}}
}

func (s *suite) answers() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		for _, tt := range []struct {
			sql     string
			columns []string
			rows    int64
		}{
			{"SELECT 1 AS a, 'x' AS b", []string{"a", "b"}, 1},
			{"SELECT * FROM probe", []string{"n", "text"}, 0},
			{"WITH x AS (SELECT count(*) AS c FROM probe) SELECT c FROM x", []string{"c"}, 1},
		} {
			a, err := p.ask(ctx, s.request(tt.sql))
			switch {
			case err != nil:
				return "", fmt.Errorf("%s: %w", tt.sql, err)
			case a.err != nil:
				return "", fmt.Errorf("%s: %s", tt.sql, a.err.GetMessage())
			case !slices.Equal(a.columns, tt.columns) || a.rows != tt.rows:
				return "", fmt.Errorf("%s: %d rows of %q, wanted %d of %q", tt.sql, a.rows, a.columns, tt.rows, tt.columns)
			}
		}
		return "", nil
	})
}

func (s *suite) refusesQueries() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		limited := s.request("SELECT * FROM (VALUES (1), (2), (3)) AS v")
		limited.Limits.MaxRows = 1
		for _, tt := range []struct {
			r     *pluginv1.QueryRequest
			kinds []sdk.QueryErrorKind
		}{
			{s.request("SELEC 1"), []sdk.QueryErrorKind{sdk.QuerySyntax}},
			{s.request("SELECT nobody FROM probe"), []sdk.QueryErrorKind{sdk.QuerySyntax}},
			{s.request("CREATE TABLE t AS SELECT 1"), []sdk.QueryErrorKind{sdk.QueryNotASelect, sdk.QueryRefused}},
			{s.request("DROP TABLE probe"), []sdk.QueryErrorKind{sdk.QueryNotASelect, sdk.QueryRefused, sdk.QuerySyntax}},
			{s.request("SELECT 1; SELECT 2"), []sdk.QueryErrorKind{sdk.QueryNotASelect}},
			{limited, []sdk.QueryErrorKind{sdk.QueryLimit}},
		} {
			a, err := p.ask(ctx, tt.r)
			switch {
			case err != nil:
				return "", fmt.Errorf("%s: %w", tt.r.GetSql(), err)
			case a.err == nil:
				return "", fmt.Errorf("%s: was answered", tt.r.GetSql())
			case !slices.Contains(tt.kinds, a.err.GetKind()) || a.err.GetMessage() == "":
				return "", fmt.Errorf("%s: its error is %s %q", tt.r.GetSql(), a.err.GetKind(), a.err.GetMessage())
			}
		}
		return "", nil
	})
}

func (s *suite) namesTables() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		r, err := p.queryEngine().Tables(ctx, &pluginv1.TablesRequest{Sql: "SELECT * FROM probe", Tables: []*pluginv1.QueryTable{probeTable}})
		switch {
		case err != nil:
			return "", err
		case r.GetError() != nil:
			return "", errors.New(r.GetError().GetMessage())
		case !slices.Equal(r.GetTables(), []string{"probe"}):
			return "", fmt.Errorf("a statement that reads probe is said to read %q", r.GetTables())
		}
		return "", nil
	})
}

func (s *suite) cancelsQuery() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		call, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		a, err := p.ask(call, s.request("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT count(*) FROM r"))
		cancel()
		if err == nil {
			return "", fmt.Errorf("a query without end has ended: %v", a.err.GetMessage())
		}
		// The plugin must be free: Stop returns once the query has.
		start := time.Now()
		stop, done := context.WithTimeout(ctx, 3*time.Second)
		defer done()
		if _, err := p.plugin().Stop(stop, &pluginv1.StopRequest{GraceMs: 2500}); err != nil {
			return "", fmt.Errorf("the query goes on after its call was cancelled: %w", err)
		}
		if d := time.Since(start); d > time.Second {
			return "", fmt.Errorf("the query took %s to end after its call was cancelled; a second is allowed", d.Round(time.Millisecond))
		}
		return "", nil
	})
}
