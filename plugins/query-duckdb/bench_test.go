//go:build cgo

package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	duckdb "github.com/duckdb/duckdb-go-bindings"
	"github.com/parquet-go/parquet-go"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

type benchRow struct {
	Number   int64  `parquet:"number,delta"`
	Policy   string `parquet:"policy,dict"`
	Resource string `parquet:"resource,dict"`
}

// counted counts rows.
type counted struct{ rows int64 }

func (c *counted) Columns([]*pluginv1.QueryColumn, []string) error { return nil }
func (c *counted) Rows(n int64, _ []byte) error                    { c.rows += n; return nil }

// BenchmarkQuery is what a query costs in a process of its own, with its rows as JSON, beside DuckDB's own
// connection in this process, which only steps over the rows.
func BenchmarkQuery(b *testing.B) {
	file := filepath.Join(b.TempDir(), "rows.parquet")
	rows := make([]benchRow, 500_000)
	for i := range rows {
		rows[i] = benchRow{int64(i), "compliance.x", fmt.Sprint(i % 5000)}
	}
	if err := parquet.WriteFile(file, rows); err != nil {
		b.Fatal(err)
	}
	q := &pluginv1.QueryRequest{
		Tables: []*pluginv1.QueryTable{{Name: "t", Files: []string{file}, Columns: []*pluginv1.QueryColumn{
			{Name: "number", Type: "BIGINT"}, {Name: "policy", Type: "VARCHAR"}, {Name: "resource", Type: "VARCHAR"},
		}}},
		Limits: &pluginv1.QueryLimits{Threads: 2, SpillDir: b.TempDir(), SpillBytes: 1 << 30},
	}
	e := &engine{exe: "/proc/self/exe", log: slog.New(slog.DiscardHandler)}
	for _, tt := range []struct {
		name, sql string
		rows      int64
	}{
		{"nothing", "SELECT 1", 1},
		{"aggregate", "SELECT resource, count(*), max(number) FROM t GROUP BY 1 ORDER BY 3 DESC LIMIT 10", 10},
		{"rows", "SELECT number, policy, resource FROM t", 500_000},
	} {
		b.Run(tt.name+"/engine", func(b *testing.B) {
			q.Sql = tt.sql
			for b.Loop() {
				var c counted
				if err := e.Query(context.Background(), q, &c); err != nil || c.rows != tt.rows {
					b.Fatalf("%d rows, %v", c.rows, err)
				}
			}
		})
		b.Run(tt.name+"/bare", func(b *testing.B) {
			d, err := openDatabase(q.GetLimits())
			if err != nil {
				b.Fatal(err)
			}
			if err := d.declare(q.GetTables(), nil); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if n := d.count(b, tt.sql); n != tt.rows {
					b.Fatalf("%d rows", n)
				}
			}
		})
	}
}

// count steps over the rows of a statement.
func (d *database) count(b *testing.B, sql string) (n int64) {
	p, err := d.prepare(sql)
	if err != nil {
		b.Fatal(err)
	}
	defer duckdb.DestroyPrepare(&p)
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.ExecutePreparedStreaming(p, &res) != duckdb.StateSuccess {
		b.Fatal(duckdb.ResultError(&res))
	}
	for {
		chunk := duckdb.FetchChunk(res)
		if chunk.Ptr == nil {
			return n
		}
		n += int64(duckdb.DataChunkGetSize(chunk))
		duckdb.DestroyDataChunk(&chunk)
	}
}
