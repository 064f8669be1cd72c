package main

import (
	"context"
	"errors"
	"os"

	"github.com/regent-dev/regent/sdk"
)

// workerMode is the first argument of the process of one query; the second is what it does.
const workerMode = "worker"

var info = sdk.Info{
	Name: "duckdb", Version: "0.1.0",
	Summary: "Answers SQL over the lake's Parquet files with DuckDB.",
}

// config is the instance's configuration; what bounds a query comes with the query.
type config struct{}

func open(_ context.Context, _ config, env sdk.Env) (sdk.QueryEngine, error) {
	if !linked {
		return nil, errors.New("this query-duckdb was built without cgo and so without DuckDB; build it where a C compiler is found: CGO_ENABLED=1 go build ./plugins/query-duckdb")
	}
	exe, err := program()
	if err != nil {
		return nil, err
	}
	e := &engine{exe: exe, log: env.Log, notes: unconfined()}
	for _, n := range e.notes {
		env.Log.Warn("queries are less confined than they could be", "why", n)
	}
	return e, nil
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == workerMode {
		os.Exit(work(os.Args[2], os.Stdin, os.Stdout))
	}
	sdk.ServeQueryEngine(info, open)
}
