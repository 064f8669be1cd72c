package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/lake/manifest"
)

// otherReader builds a program of testdata.
func otherReader(t *testing.T, name string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("..", "..", "testdata", name)
	build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return bin
}

// manifestOf reads the published manifest of a lake.
func manifestOf(t *testing.T, lake string) []manifest.File {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(lake, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Files []manifest.File `json:"files"`
	}
	if err := json.Unmarshal(b, &m); err != nil || len(m.Files) == 0 {
		t.Fatalf("%d files: %v", len(m.Files), err)
	}
	return m.Files
}

// checkReaders holds what two other implementations of Parquet read of every file of a lake against the
// manifest and against the records as they were accepted. It returns the rows of each table.
func checkReaders(t *testing.T, lake string) map[string]int64 {
	t.Helper()
	files := manifestOf(t, lake)
	rows := map[string]int64{}
	var paths, counts []string
	want := map[string]string{}
	for _, f := range files {
		path := filepath.Join(lake, f.Path)
		rows[string(f.Table)] += f.Rows
		paths = append(paths, path)
		want[path] = fmt.Sprintf("%s %d %x", path, f.Rows, recordsOf(t, path))
		counts = append(counts, fmt.Sprintf("SELECT count(*) AS n, count(record) AS r, max(number) AS m FROM read_parquet('%s')", path))
	}
	out, err := exec.Command(otherReader(t, "arrow"), paths...).Output()
	if err != nil {
		t.Fatalf("arrow: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(paths) {
		t.Errorf("arrow read %d files of %d", len(lines), len(paths))
	}
	for _, line := range lines {
		path, _, _ := strings.Cut(line, " ")
		if line != want[path] {
			t.Errorf("arrow reads %s, want %s", line, want[path])
		}
	}
	if out, err = exec.Command(otherReader(t, "duckdb"), strings.Join(counts, " UNION ALL ")).Output(); err != nil {
		t.Fatalf("duckdb: %v", err)
	}
	var total, got int64
	for _, f := range files {
		total += f.Rows
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		cells := strings.Fields(line)
		n, err := strconv.ParseInt(cells[0], 10, 64)
		if err != nil || cells[1] != cells[0] {
			t.Errorf("duckdb answers %q", line)
		}
		got += n
	}
	if got != total {
		t.Errorf("duckdb counts %d rows, the manifest says %d", got, total)
	}
	return rows
}

// recordsOf is the digest of the records of a file, as parquet-go reads them.
func recordsOf(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := parquet.NewGenericReader[struct {
		Record []byte `parquet:"record"`
	}](f)
	defer r.Close()
	sum := sha256.New()
	page := make([]struct {
		Record []byte `parquet:"record"`
	}, 256)
	for {
		n, err := r.Read(page)
		for _, row := range page[:n] {
			sum.Write(row.Record)
			sum.Write([]byte{'\n'})
		}
		if errors.Is(err, io.EOF) {
			return sum.Sum(nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReaders fills every table of a lake and reads its files with DuckDB and Apache Arrow.
func TestReaders(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler, which DuckDB needs")
	}
	dir, err := os.MkdirTemp("", "rr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var in bytes.Buffer
	for i := range 300 {
		fmt.Fprintf(&in, `{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"b%d","configurationItemCaptureTime":"2026-01-0%dT10:00:00Z","tags":{"n":"%d"},"configuration":{"size":%d}}`+"\n", i%100, i%9+1, i, i%13)
		fmt.Fprintf(&in, `{"id":"e%d","source":"test","time":"2026-01-0%dT09:59:%02dZ","action":"box:Put","outcome":"success","actor":{"id":"eve"},"targets":[{"resourceType":"Test::Box::Box","resourceId":"b%d"},{"name":"x"}],"accountId":"1"}`+"\n", i, i%9+1, i%60, i%100)
	}
	in.WriteString("{\"resourceType\":\"bad\"}\n")
	for name, text := range map[string]string{
		"items/all.json": in.String(),
		"p/small.rego": `# METADATA
# title: Boxes are small
# custom: {severity: high, resource_types: [Test::Box::Box]}
package compliance.test.small

deny contains {"msg": "too large", "path": "/configuration/size"} if input.resource.configuration.size > 5
`,
		"p/put.rego": `# METADATA
# title: Boxes are put
# custom: {severity: low, on: event}
package alarms.test.put

alarm contains {"msg": "a box is put"} if input.event.action == "box:Put"
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := runDaemon(t, dir, fmt.Sprintf(`
notify_max_age = "36500d"
lake {
  drain_every = "1s"
}
policies {
  path = "%[1]s/p"
}
collector "files" "all" {
  config {
    paths  = ["%[1]s/items"]
    format = "regent"
    poll   = "200ms"
  }
}
collector "exec" "gone" {
  every = "1h"
  config {
    command = ["/nonexistent"]
  }
}
notifier "file" "out" {
  config {
    path = "%[1]s/out.ndjson"
  }
}
route "all" {
  on     = ["compliance", "alarm"]
  notify = [notifier.file.out]
}
`, dir))
	d.until("all records", time.Minute, func(s api.Status) bool {
		return s.Sum.Read == 601 && s.Deliveries["notifier.file.out"]["delivered"] > 0
	})
	tables := []string{"configuration_items", "events", "verdicts", "findings", "causes", "alarms", "deliveries", "quarantine"}
	var rows map[string]int64
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Second) {
		b, err := os.ReadFile(filepath.Join(dir, "d", "lake", "manifest.json"))
		missing := 0
		for _, name := range tables {
			if !strings.Contains(string(b), `"`+name+`"`) {
				missing++
			}
		}
		if err == nil && missing == 0 || time.Now().After(deadline) {
			break
		}
	}
	d.stop()
	rows = checkReaders(t, filepath.Join(dir, "d", "lake"))
	for _, name := range tables {
		if rows[name] == 0 {
			t.Errorf("there are no rows of %s: %v", name, rows)
		}
	}
	if rows["events"] < 300 || rows["configuration_items"] != 300 || rows["quarantine"] != 1 {
		t.Errorf("rows: %v", rows)
	}
	t.Log(rows)
}
