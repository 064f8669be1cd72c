package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/api"
)

// TestQuestions records five years of real changes of Kubernetes objects, as a collector maps them, and asks
// the questions of testdata/queries. The answers are those that a replay of the changes by answers.py gives,
// which shares nothing with Regent; so are the states at ten times.
func TestQuestions(t *testing.T) {
	changes := realData(t, "kubernetes", "k8s_object_changes.ndjson.gz")
	plugins := queryPlugins(t)
	dir, err := os.MkdirTemp("", "rq")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	mapper := filepath.Join(dir, "kubernetes")
	if out, err := exec.Command("go", "build", "-o", mapper, "../../testdata/kubernetes").CombinedOutput(); err != nil {
		t.Fatalf("build the mapper: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(dir, "p"), 0o755); err != nil {
		t.Fatal(err)
	}
	policy, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kubernetes", "owner.rego"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p", "owner.rego"), policy, 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	d := runDaemon(t, dir, fmt.Sprintf(`
policies {
  path = %q
}
plugin "duckdb" {
  path = %q
}
collector "exec" "cluster" {
  every = "24h"
  config {
    command = [%q, %q]
  }
}
`, dir+"/p", filepath.Join(plugins, "query-duckdb"), mapper, changes))
	const records = 100_930
	s, _ := d.until("all records", 5*time.Minute, func(s api.Status) bool { return s.Sum.Read >= records })
	if s.Sum.Quarantined > 0 {
		t.Errorf("%d records were refused", s.Sum.Quarantined)
	}
	t.Logf("%d records in %s", s.Sum.Read, time.Since(start).Round(time.Second))
	ask := func(args ...string) string {
		t.Helper()
		code, out, errOut := regent(t, t.Context(), "", append([]string{"query", "--address", d.client.address, "-o", "csv"}, args...)...)
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", args, code, errOut)
		}
		return out
	}
	// Who did it is looked up beside the recording.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if out := ask("SELECT count(*) FROM causes WHERE step <> 'changed' AND actor_id IS NOT NULL"); strings.Contains(out, "\n"+flips(t)+"\n") {
			break
		} else if time.Now().After(deadline) {
			t.Errorf("not all causes are known: %s of %s", out, flips(t))
			break
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "queries", "*.sql"))
	if err != nil || len(files) != 20 {
		t.Fatalf("%d questions: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		want, err := os.ReadFile(strings.TrimSuffix(file, ".sql") + ".want")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := ask("-f", file)
		t.Logf("%-28s %4d ms", name, time.Since(began).Milliseconds())
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-replay +regent):\n%s", name, diff)
		}
	}
	states, err := os.ReadFile(filepath.Join("..", "..", "testdata", "queries", "state.want"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(states)).ReadAll()
	if err != nil || len(rows) != 11 {
		t.Fatalf("%d states: %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		began := time.Now()
		all, err := list[api.Resource](t.Context(), d.client, "/v1/resources", url.Values{"at": {row[0]}}, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		lines := make([]string, len(all))
		for i, r := range all {
			lines[i] = stateLine(t, r.Item)
		}
		// By type and id, as the replay has them.
		slices.SortFunc(lines, func(a, b string) int {
			x, y := strings.SplitN(a, " ", 3), strings.SplitN(b, " ", 3)
			return slices.Compare(x[:2], y[:2])
		})
		sum := sha256.Sum256([]byte(strings.Join(lines, "")))
		t.Logf("state at %s: %d resources, %d ms", row[0], len(all), took.Milliseconds())
		if got := strconv.Itoa(len(all)); got != row[1] || hex.EncodeToString(sum[:]) != row[2] {
			t.Errorf("the state at %s has %s resources and digest %x, the replay %s and %s", row[0], got, sum, row[1], row[2])
		}
	}
	d.stop()
}

// flips counts the changes of the replay that opened or resolved a finding.
func flips(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "queries", "18-flips-per-year.want"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows[1:] {
		for _, cell := range row[1:] {
			x, err := strconv.Atoi(cell)
			if err != nil {
				t.Fatal(err)
			}
			n += x
		}
	}
	return strconv.Itoa(n)
}

// stateLine is a resource as the replay writes it: its configuration with sorted members.
func stateLine(t *testing.T, item []byte) string {
	t.Helper()
	var it struct {
		ResourceType  string
		ResourceID    string
		Configuration json.RawMessage
	}
	if err := json.Unmarshal(item, &it); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(it.Configuration))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return it.ResourceType + " " + it.ResourceID + " " + b.String()
}
