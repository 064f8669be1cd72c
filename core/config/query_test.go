package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	load := func(text string) (Query, string) {
		c, problems, _ := Load("x.hcl", Options{Files: Sources{"x.hcl": []byte("data_dir = \"/d\"\n" + text)}})
		var all []string
		for _, p := range problems {
			all = append(all, p.Summary+": "+p.Detail)
		}
		c.Query.Where = nil
		return c.Query, strings.Join(all, "\n")
	}
	got, problems := load("")
	if diff := cmp.Diff(defaultQuery, got); diff != "" || problems != "" {
		t.Errorf("without a block: %s%s", problems, diff)
	}
	got, problems = load(`query {
  memory      = "1GiB"
  threads     = 3
  timeout     = "2m"
  max_rows    = 10
  max_bytes   = "1MiB"
  spill       = "2GiB"
  concurrency = 4
}`)
	want := Query{Engine: "duckdb", Memory: 1 << 30, Threads: 3, Timeout: 2 * time.Minute, MaxRows: 10, MaxBytes: 1 << 20, Spill: 2 << 30, Concurrency: 4}
	if diff := cmp.Diff(want, got); diff != "" || problems != "" {
		t.Errorf("with a block: %s%s", problems, diff)
	}
	for text, want := range map[string]string{
		`query { engine = "../x" }`:      "Invalid engine",
		`query { memory = "1MiB" }`:      "at least 33554432 bytes",
		`query { memory = "much" }`:      "is no size",
		`query { spill = "9999999TiB" }`: "is too much",
		`query { threads = 0 }`:          "from 1 to 256",
		`query { concurrency = 1.5 }`:    "from 1 to 64",
		`query { max_rows = "x" }`:       "Invalid max_rows",
		`query { timeout = "10ms" }`:     "from 1s to 24h",
		`query { memroy = "1GiB" }`:      "memory",
		"query {}\nquery {}":             "Duplicate block",
	} {
		if _, problems := load(text); !strings.Contains(problems, want) {
			t.Errorf("%s: %q, wanted %q", text, problems, want)
		}
	}
}
