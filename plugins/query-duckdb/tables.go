//go:build cgo

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// tables names the tables that a statement reads, by what DuckDB's parser makes of it: every name that
// stands where a table or a table function may. A name that a WITH shadows is one table too many.
func (d *database) tables(q *pluginv1.TablesRequest) ([]string, error) {
	mentioned, err := d.mentions(q.GetSql())
	if err != nil {
		return nil, err
	}
	// A view rests on those before it.
	for _, v := range slices.Backward(q.GetViews()) {
		if !mentioned[strings.ToLower(v.GetName())] && !mentioned[everything] {
			continue
		}
		more, err := d.mentions(v.GetSql())
		if err != nil {
			return nil, internal(err)
		}
		for name := range more {
			mentioned[name] = true
		}
	}
	var out []string
	for _, t := range q.GetTables() {
		name := strings.TrimPrefix(t.GetSchema()+"."+t.GetName(), ".")
		if mentioned[strings.ToLower(name)] || mentioned[everything] {
			out = append(out, name)
		}
	}
	return out, nil
}

// everything is mentioned where a statement names its tables only as it runs.
const everything = "*"

// mentions parses a statement.
func (d *database) mentions(sql string) (map[string]bool, error) {
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.Query(d.conn, "SELECT json_serialize_sql("+literal(sql)+")", &res) != duckdb.StateSuccess {
		return nil, failure(duckdb.ResultError(&res))
	}
	chunk := duckdb.FetchChunk(res)
	defer duckdb.DestroyDataChunk(&chunk)
	vector := duckdb.DataChunkGetVector(chunk, 0)
	text := duckdb.StringTData((*duckdb.StringT)(unsafe.Pointer(duckdb.VectorGetData(vector))))
	var tree struct {
		Error      bool              `json:"error"`
		Type       string            `json:"error_type"`
		Message    string            `json:"error_message"`
		Position   json.RawMessage   `json:"position"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		return nil, err
	}
	if tree.Error {
		if tree.Type == "not implemented" {
			// What it is, is for prepare to say.
			return map[string]bool{}, nil
		}
		b, err := json.Marshal(map[string]any{"exception_type": tree.Type, "exception_message": tree.Message, "position": tree.Position})
		if err != nil {
			return nil, err
		}
		return nil, failure(string(b))
	}
	out := map[string]bool{}
	for _, s := range tree.Statements {
		var node any
		if err := json.Unmarshal(s, &node); err != nil {
			return nil, err
		}
		collect(node, out)
	}
	return out, nil
}

// collect walks a parsed statement.
func collect(node any, out map[string]bool) {
	switch x := node.(type) {
	case []any:
		for _, v := range x {
			collect(v, out)
		}
	case map[string]any:
		text := func(key string) string { s, _ := x[key].(string); return strings.ToLower(s) }
		if name := text("table_name"); name != "" {
			if schema := text("schema_name"); schema != "" && schema != "main" {
				out[schema+"."+name] = true
			} else {
				out[name] = true
			}
		}
		if name := text("function_name"); name != "" {
			out[name] = true
			if name == "query" || name == "query_table" {
				out[everything] = true
			}
		}
		for _, v := range x {
			collect(v, out)
		}
	}
}
