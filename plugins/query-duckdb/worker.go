//go:build cgo

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	duckdb "github.com/duckdb/duckdb-go-bindings"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// linked says whether DuckDB is part of this program.
const linked = true

// work is the process of one query: it reads the request, answers it, and returns its exit status.
func work(mode string, in io.Reader, out io.Writer) int {
	request, err := io.ReadAll(in)
	if err == nil {
		switch mode {
		case "query":
			err = workQuery(request, out)
		case "tables":
			err = workTables(request, out)
		default:
			err = fmt.Errorf("unknown mode %q", mode)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func wireError(err error) *pluginv1.QueryError {
	var q *sdk.QueryError
	if errors.As(err, &q) {
		return &pluginv1.QueryError{Kind: q.Kind, Message: q.Message, Position: int32(q.Position)}
	}
	return &pluginv1.QueryError{Kind: sdk.QueryInternal, Message: err.Error()}
}

func workQuery(request []byte, out io.Writer) error {
	q := &pluginv1.QueryRequest{}
	if err := proto.Unmarshal(request, q); err != nil {
		return err
	}
	send := func(m *pluginv1.QueryResponse) error {
		_, err := protodelim.MarshalTo(out, m)
		return err
	}
	db, err := openDatabase(q.GetLimits())
	if err == nil {
		err = db.declare(q.GetTables(), q.GetViews())
	}
	if err == nil {
		err = db.lock(q.GetTables())
	}
	if err == nil {
		err = db.query(q.GetSql(), q.GetLimits(), send)
	}
	if err != nil {
		return send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Error{Error: wireError(err)}})
	}
	return send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Summary{Summary: &pluginv1.QuerySummary{}}})
}

func workTables(request []byte, out io.Writer) error {
	q := &pluginv1.TablesRequest{}
	if err := proto.Unmarshal(request, q); err != nil {
		return err
	}
	resp := &pluginv1.TablesResponse{}
	db, err := openDatabase(&pluginv1.QueryLimits{})
	if err == nil {
		err = db.lock(nil)
	}
	if err == nil {
		resp.Tables, err = db.tables(q)
	}
	if err != nil {
		resp = &pluginv1.TablesResponse{Error: wireError(err)}
	}
	_, err = protodelim.MarshalTo(out, resp)
	return err
}

// database is an empty database in memory and the one connection to it. It is never closed: the process
// ends with it.
type database struct{ conn duckdb.Connection }

func openDatabase(l *pluginv1.QueryLimits) (*database, error) {
	// DuckDB looks for the machine's bounds where these two are not set as it opens, in files that it may
	// not read.
	memory := l.GetMemoryBytes()
	if memory <= 0 {
		memory = defaultMemory
	}
	var config duckdb.Config
	if duckdb.CreateConfig(&config) != duckdb.StateSuccess ||
		duckdb.SetConfig(config, "memory_limit", fmt.Sprintf("%dB", memory)) != duckdb.StateSuccess ||
		duckdb.SetConfig(config, "threads", fmt.Sprint(max(1, l.GetThreads()))) != duckdb.StateSuccess {
		return nil, errors.New("DuckDB does not take its memory and threads")
	}
	var db duckdb.Database
	var text string
	if duckdb.OpenExt(":memory:", &db, config, &text) != duckdb.StateSuccess {
		return nil, fmt.Errorf("open DuckDB: %w", failure(text))
	}
	d := &database{}
	if duckdb.Connect(db, &d.conn) != duckdb.StateSuccess {
		return nil, errors.New("connect to DuckDB")
	}
	settings := [][2]string{
		{"errors_as_json", "true"},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"temp_directory", literal(l.GetSpillDir())},
		{"TimeZone", "'UTC'"},
		{"parquet_metadata_cache", "true"},
	}
	if l.GetSpillDir() != "" {
		settings = append(settings, [2]string{"max_temp_directory_size", fmt.Sprintf("'%dB'", l.GetSpillBytes())})
	}
	for _, s := range settings {
		if err := d.exec("SET " + s[0] + " = " + s[1]); err != nil {
			return nil, fmt.Errorf("set %s: %w", s[0], err)
		}
	}
	return d, d.exec("CREATE SCHEMA lake")
}

// exec runs statements of our own.
func (d *database) exec(sql string) error {
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.Query(d.conn, sql, &res) != duckdb.StateSuccess {
		return failure(duckdb.ResultError(&res))
	}
	return nil
}

// declare makes the tables and views.
func (d *database) declare(tables []*pluginv1.QueryTable, views []*pluginv1.QueryView) error {
	var b strings.Builder
	for _, t := range tables {
		name := qualified(t)
		have := map[string]bool{}
		from := ""
		if len(t.GetFiles()) > 0 {
			from = " FROM read_parquet(" + list(t.GetFiles()) + ", union_by_name = true, hive_partitioning = false)"
			columns, err := d.columns("SELECT *" + from)
			if err != nil {
				return fmt.Errorf("read the files of %s: %w", name, internal(err))
			}
			for _, c := range columns {
				have[c.GetName()] = true
			}
		}
		fmt.Fprintf(&b, "CREATE VIEW %s AS SELECT ", name)
		for i, c := range t.GetColumns() {
			if i > 0 {
				b.WriteString(", ")
			}
			value := "NULL"
			if have[c.GetName()] {
				value = quote(c.GetName())
			}
			fmt.Fprintf(&b, "%s::%s AS %s", value, c.GetType(), quote(c.GetName()))
		}
		b.WriteString(from)
		if from == "" {
			b.WriteString(" WHERE false")
		}
		b.WriteString(";\n")
	}
	for _, v := range views {
		if len(v.GetParameters()) == 0 {
			fmt.Fprintf(&b, "CREATE VIEW %s AS %s;\n", quote(v.GetName()), v.GetSql())
			continue
		}
		fmt.Fprintf(&b, "CREATE MACRO %s(%s) AS TABLE %s;\n", quote(v.GetName()), strings.Join(v.GetParameters(), ", "), v.GetSql())
	}
	if b.Len() == 0 {
		return nil
	}
	if err := d.exec(b.String()); err != nil {
		return fmt.Errorf("declare the tables: %w", internal(err))
	}
	return nil
}

// lock takes from the statement that follows what DuckDB can take from it.
func (d *database) lock(tables []*pluginv1.QueryTable) error {
	var files []string
	for _, t := range tables {
		files = append(files, t.GetFiles()...)
	}
	sql := "SET enable_external_access = false; SET lock_configuration = true"
	if len(files) > 0 {
		sql = "SET allowed_paths = " + list(files) + "; " + sql
	}
	return d.exec(sql)
}

// columns says what a statement of ours returns.
func (d *database) columns(sql string) ([]*pluginv1.QueryColumn, error) {
	var p duckdb.PreparedStatement
	defer duckdb.DestroyPrepare(&p)
	if duckdb.Prepare(d.conn, sql, &p) != duckdb.StateSuccess {
		return nil, failure(duckdb.PrepareError(p))
	}
	var out []*pluginv1.QueryColumn
	for i := range duckdb.PreparedStatementColumnCount(p) {
		out = append(out, &pluginv1.QueryColumn{Name: duckdb.PreparedStatementColumnName(p, i)})
	}
	return out, nil
}

// query runs the statement that was asked and sends its columns and rows.
func (d *database) query(sql string, l *pluginv1.QueryLimits, send func(*pluginv1.QueryResponse) error) error {
	p, err := d.prepare(sql)
	if err != nil {
		return err
	}
	defer duckdb.DestroyPrepare(&p)
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.ExecutePreparedStreaming(p, &res) != duckdb.StateSuccess {
		return failure(duckdb.ResultError(&res))
	}
	enc, err := newEncoder(&res)
	if err != nil {
		return err
	}
	if err := send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Columns{Columns: &pluginv1.QueryColumns{Columns: enc.described}}}); err != nil {
		return err
	}
	var rows, bytes, count int64
	flush := func() error {
		if count == 0 {
			return nil
		}
		err := send(&pluginv1.QueryResponse{Message: &pluginv1.QueryResponse_Rows{Rows: &pluginv1.QueryRows{Count: count, Json: enc.buf}}})
		enc.buf, count = enc.buf[:0], 0
		return err
	}
	for {
		chunk := duckdb.FetchChunk(res)
		if chunk.Ptr == nil {
			break
		}
		n := int64(duckdb.DataChunkGetSize(chunk))
		if n == 0 {
			duckdb.DestroyDataChunk(&chunk)
			break
		}
		if rows += n; l.GetMaxRows() > 0 && rows > l.GetMaxRows() {
			return limitf("the result has more than %d rows; narrow it with WHERE, GROUP BY or LIMIT, or raise max_rows", l.GetMaxRows())
		}
		enc.begin(chunk)
		for row := range n {
			before := len(enc.buf)
			if err := enc.row(int(row)); err != nil {
				return err
			}
			size := len(enc.buf) - before
			if size > maxRow {
				return limitf("a row has %d bytes, more than the %d that are possible", size, maxRow)
			}
			if bytes += int64(size); l.GetMaxBytes() > 0 && bytes > l.GetMaxBytes() {
				return limitf("the result has more than %d bytes; ask for fewer columns or rows, or raise max_bytes", l.GetMaxBytes())
			}
			if count++; len(enc.buf) >= chunkBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		duckdb.DestroyDataChunk(&chunk)
	}
	if text := duckdb.ResultError(&res); text != "" {
		return failure(text)
	}
	return flush()
}

// chunkBytes is the size at which rows are sent, maxRow the size of the largest row: both together are
// less than a message.
const (
	chunkBytes = 512 << 10
	maxRow     = 3 << 20
)

func limitf(format string, args ...any) error {
	return &sdk.QueryError{Kind: sdk.QueryLimit, Message: fmt.Sprintf(format, args...)}
}

// prepare takes one statement that only reads, by what DuckDB makes of it.
func (d *database) prepare(sql string) (p duckdb.PreparedStatement, err error) {
	var all duckdb.ExtractedStatements
	defer duckdb.DestroyExtracted(&all)
	n := duckdb.ExtractStatements(d.conn, sql, &all)
	switch {
	case n == 0:
		if text := duckdb.ExtractStatementsError(all); text != "" {
			return p, failure(text)
		}
		return p, &sdk.QueryError{Kind: sdk.QuerySyntax, Message: "there is no statement"}
	case n > 1:
		return p, &sdk.QueryError{Kind: sdk.QueryNotASelect, Message: fmt.Sprintf("there are %d statements, and a query is one (PIVOT counts as several unless its values are listed with IN)", n)}
	}
	if duckdb.PrepareExtractedStatement(d.conn, all, 0, &p) != duckdb.StateSuccess {
		return p, failure(duckdb.PrepareError(p))
	}
	if kind := duckdb.PreparedStatementType(p); kind != duckdb.StatementTypeSelect {
		return p, &sdk.QueryError{Kind: sdk.QueryNotASelect, Message: "only SELECT, WITH … SELECT, FROM, VALUES, DESCRIBE and SUMMARIZE are answered; this statement does something else"}
	}
	return p, nil
}

// failure turns what DuckDB says into an error.
func failure(text string) error {
	var e struct {
		Type     string          `json:"exception_type"`
		Message  string          `json:"exception_message"`
		Position json.RawMessage `json:"position"`
	}
	if json.Unmarshal([]byte(text), &e) != nil || e.Message == "" {
		e.Type, e.Message, _ = strings.Cut(text, " Error: ")
		if e.Message == "" {
			e.Message = text
		}
	}
	q := &sdk.QueryError{Kind: sdk.QueryInternal, Message: e.Message}
	var at int
	if _, err := fmt.Sscanf(strings.Trim(string(e.Position), `"`), "%d", &at); err == nil {
		q.Position = at + 1
	}
	switch strings.ToLower(e.Type) {
	case "out of memory":
		q.Kind = sdk.QueryLimit
	case "permission", "missing extension", "autoload":
		q.Kind = sdk.QueryRefused
	case "interrupt":
		q.Kind = sdk.QueryCancelled
	case "io", "internal", "fatal", "serialization", "scheduler", "executor", "nullpointer", "":
	default:
		q.Kind = sdk.QuerySyntax
	}
	return q
}

// internal makes an error of our own statements one of ours.
func internal(err error) error {
	var q *sdk.QueryError
	if errors.As(err, &q) && q.Kind == sdk.QuerySyntax {
		return &sdk.QueryError{Kind: sdk.QueryInternal, Message: q.Message}
	}
	return err
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func qualified(t *pluginv1.QueryTable) string {
	if t.GetSchema() == "" {
		return quote(t.GetName())
	}
	return quote(t.GetSchema()) + "." + quote(t.GetName())
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func list(ss []string) string {
	out := slices.Clone(ss)
	for i, s := range out {
		out[i] = literal(s)
	}
	return "[" + strings.Join(out, ",") + "]"
}
