package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/regent-dev/regent/sdk"
	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestMain is also the process of a query, for the engine that runs inside of the test.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == workerMode {
		os.Exit(work(os.Args[2], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	if !linked {
		t.Skip("built without DuckDB, as with CGO_ENABLED=0; TestNotLinked is for that")
	}
	sdktest.VerifyQueryEngine(t, info, open)
}

// TestNotLinked says what is missing where there is no DuckDB.
func TestNotLinked(t *testing.T) {
	t.Parallel()
	if linked {
		t.Skip("built with DuckDB; CGO_ENABLED=0 go test runs it")
	}
	_, err := open(context.Background(), config{}, sdk.Env{})
	if err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("open without DuckDB: %v", err)
	}
}
