package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	corequery "github.com/regent-dev/regent/core/query"
)

// askable starts a daemon with the plugins of a folder that has recorded some events, and returns its address.
func askable(t *testing.T, plugins, events string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rq")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := runDaemonWith(t, dir, plugins, "query {\n  memory = \"128MiB\"\n}\n")
	d.ready()
	if events != "" {
		in := filepath.Join(dir, "events.ndjson")
		if err := os.WriteFile(in, []byte(events), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(filepath.Join(bin, "regent"), "import", "--address", d.client.address, "--format", "regent", in).CombinedOutput(); err != nil {
			t.Fatalf("import: %v: %s", err, out)
		}
	}
	return d.client.address
}

func regent(t *testing.T, ctx context.Context, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(ctx, args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

// queryPlugins returns a folder with the query engine.
func queryPlugins(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler, which query-duckdb needs")
	}
	plugins := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(plugins, "query-duckdb"), "../../plugins/query-duckdb")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if err := os.Chmod(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	return plugins
}

func TestQuery(t *testing.T) {
	t.Parallel()
	plugins := queryPlugins(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro()
	address := askable(t, plugins, `{"id":"1","source":"s","time":"2026-03-01T12:00:00Z","outcome":"success","actor":{"id":"eve"},"detail":{"a":1}}
{"id":"2","source":"s","time":"2026-03-01T12:00:00Z","outcome":"failure"}
`)
	ctx := t.Context()
	ask := func(args ...string) (int, string, string) {
		return regent(t, ctx, "SELECT 'from stdin' AS x", append([]string{"query", "--address", address}, args...)...)
	}
	const sql = `SELECT number, actor_id, detail, time FROM events WHERE source = 's' ORDER BY number`
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{sql}, "NUMBER  ACTOR_ID  DETAIL   TIME\n1       eve       {\"a\":1}  2026-03-01T12:00:00.000000Z\n2       -         -        2026-03-01T12:00:00.000000Z\n"},
		{[]string{sql, "-o", "ndjson"}, `{"number":1,"actor_id":"eve","detail":{"a":1},"time":"2026-03-01T12:00:00.000000Z"}` + "\n" + `{"number":2,"actor_id":null,"detail":null,"time":"2026-03-01T12:00:00.000000Z"}` + "\n"},
		{[]string{"SELECT 1 AS a, 2 AS a", "-o", "json"}, "[\n{\"a\":1,\"a_1\":2}\n]\n"},
		{[]string{"SELECT 1 AS a WHERE false", "-o", "json"}, "[\n]\n"},
		{[]string{sql, "-o", "csv"}, "number,actor_id,detail,time\n1,eve,\"{\"\"a\"\":1}\",2026-03-01T12:00:00.000000Z\n2,,,2026-03-01T12:00:00.000000Z\n"},
		{[]string{"-", "-o", "csv"}, "x\nfrom stdin\n"},
		{[]string{"SELECT count(*) AS n FROM events WHERE source = 's'", "--since", "2026-03-02", "-o", "csv"}, "n\n0\n"},
		{[]string{"SELECT count(*) AS n FROM events WHERE source = 's'", "--since", "2026-03-01", "--until", "2026-03-02", "-o", "csv"}, "n\n2\n"},
	} {
		code, out, errOut := ask(tt.args...)
		if code != 0 || out != tt.want || errOut != "" {
			t.Errorf("%q: exit code %d, printed\n%s%swanted\n%s", tt.args, code, out, errOut, tt.want)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"SELECT *\n\tFRM events"}, exitUsage, "on line 2, column 6:\n  \tFRM events\n  \t    ^"},
		{[]string{"DROP VIEW events"}, exitUsage, "only SELECT"},
		{[]string{"SELECT * FROM '/etc/passwd'"}, exitUsage, "/etc/passwd"},
		{[]string{"SELECT repeat('x', 4000000)"}, exitError, "a row has"},
		{[]string{"SELECT sum(a.range) FROM range(10000000) a, range(10000000) b", "--timeout", "1s"}, exitError, "longer than 1s"},
		{[]string{"SELECT 1", "--timeout", "never"}, exitUsage, "never"},
		{[]string{"SELECT 1", "--since", "never"}, exitUsage, "never"},
		{[]string{"SELECT '" + strings.Repeat("x", corequery.MaxSQL) + "'"}, exitError, "bytes"},
		{[]string{}, exitUsage, "no statement"},
		{[]string{"--schema", "nope"}, exitUsage, "--tables"},
	} {
		if code, out, errOut := ask(tt.args...); code != tt.code || !strings.Contains(errOut, tt.want) {
			t.Errorf("%.80q: exit code %d, printed\n%s%swanted code %d and %q", tt.args, code, out, errOut, tt.code, tt.want)
		}
	}
	t.Run("parquet", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "out.parquet")
		if code, _, errOut := ask(sql+" LIMIT 2", "-o", "parquet", "--out", path); code != 0 {
			t.Fatal(errOut)
		}
		rows, err := parquet.ReadFile[struct {
			Number int64   `parquet:"number,optional"`
			Actor  *string `parquet:"actor_id,optional"`
			Detail []byte  `parquet:"detail,optional,json"`
			Time   int64   `parquet:"time,optional,timestamp(microsecond)"`
		}](path)
		if err != nil || len(rows) != 2 || rows[0].Number != 1 || *rows[0].Actor != "eve" || rows[1].Actor != nil || string(rows[0].Detail) != `{"a":1}` || rows[1].Time != at {
			t.Errorf("%+v, %v", rows, err)
		}
	})
	t.Run("schema", func(t *testing.T) {
		if _, out, _ := ask("--tables"); !strings.Contains(out, "resources_at(ts)") {
			t.Error(out)
		}
		if _, out, _ := ask("--schema", "resources_at"); !strings.Contains(out, "configuration") || !strings.Contains(out, "FROM resources_at(") {
			t.Error(out)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		code, _, errOut := regent(t, ctx, "", "query", "--address", address, "SELECT sum(a.range) FROM range(10000000) a, range(10000000) b")
		if code != exitError || !strings.Contains(errOut, "cancelled") {
			t.Errorf("exit code %d: %s", code, errOut)
		}
	})
	t.Run("http", func(t *testing.T) { overHTTP(t, strings.TrimPrefix(address, "unix://")) })
}

func overHTTP(t *testing.T, socket string) {
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	post := func(accept, sql string) (int, string, []byte, error) {
		body, err := json.Marshal(map[string]string{"sql": sql})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://regent/v1/query", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", accept)
		res, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, res.Header.Get("Content-Type"), b, err
	}
	code, typ, b, err := post("text/csv;q=0.9, application/json;q=0.1", "SELECT range AS n FROM range(3)")
	if rows, csvErr := csv.NewReader(bytes.NewReader(b)).ReadAll(); code != 200 || typ != "text/csv" || err != nil || csvErr != nil || len(rows) != 4 {
		t.Errorf("%d %s %s %v %v", code, typ, b, err, csvErr)
	}
	if code, typ, b, _ := post("", "SELECT 1 AS a"); code != 200 || typ != "application/json" || !json.Valid(b) {
		t.Errorf("%d %s %s", code, typ, b)
	}
	if code, typ, b, _ := post("*/*", "SELECT * FRM x"); code != 422 || typ != "application/problem+json" || !strings.Contains(string(b), "urn:regent:query:syntax") {
		t.Errorf("%d %s %s", code, typ, b)
	}
	if code, _, b, _ := post("image/png", "SELECT 1"); code != 406 {
		t.Errorf("%d %s", code, b)
	}
	// An error after the first rows must not look like an end.
	if _, _, b, err := post("text/csv", "SELECT CASE WHEN range < 190000 THEN range ELSE error('late') END FROM range(200000)"); err == nil {
		t.Errorf("%d bytes came and no error", len(b))
	}
}

// TestQueryWithout asks a daemon that has no engine, or one that was built without DuckDB.
func TestQueryWithout(t *testing.T) {
	t.Parallel()
	for plugins, want := range map[string]string{t.TempDir(): "needs a C toolchain to build", bin: "built without cgo"} {
		address := askable(t, plugins, "")
		if code, _, errOut := regent(t, t.Context(), "", "query", "--address", address, "SELECT 1"); code != exitUnreachable || !strings.Contains(errOut, want) {
			t.Errorf("exit code %d: %s", code, errOut)
		}
		if code, out, errOut := regent(t, t.Context(), "", "status", "--address", address); code != 0 {
			t.Errorf("status: exit code %d: %s%s", code, out, errOut)
		}
	}
}
