// Command duckdb runs statements over a connection of its own that Regent has no part in, and prints the
// rows that the last of them answers, whose columns are BIGINT.
package main

import (
	"fmt"
	"os"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

func run(statements []string) error {
	var db duckdb.Database
	if duckdb.Open(":memory:", &db) != duckdb.StateSuccess {
		return fmt.Errorf("the database does not open")
	}
	defer duckdb.Close(&db)
	var conn duckdb.Connection
	if duckdb.Connect(db, &conn) != duckdb.StateSuccess {
		return fmt.Errorf("no connection")
	}
	defer duckdb.Disconnect(&conn)
	for i, sql := range statements {
		var res duckdb.Result
		if duckdb.Query(conn, sql, &res) != duckdb.StateSuccess {
			return fmt.Errorf("%s: %s", sql, duckdb.ResultError(&res))
		}
		if i == len(statements)-1 {
			for {
				chunk := duckdb.FetchChunk(res)
				n := int(duckdb.DataChunkGetSize(chunk))
				if n == 0 {
					break
				}
				columns := int(duckdb.DataChunkGetColumnCount(chunk))
				for row := range n {
					for col := range columns {
						at := unsafe.Add(duckdb.VectorGetData(duckdb.DataChunkGetVector(chunk, duckdb.IdxT(col))), 8*row)
						fmt.Print(*(*int64)(at), " ")
					}
					fmt.Println()
				}
				duckdb.DestroyDataChunk(&chunk)
			}
		}
		duckdb.DestroyResult(&res)
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
