package query_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/query"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

const instance = record.Instance("query.duckdb.main")

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "query-duckdb-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "query-duckdb")
	cmd := exec.Command("go", "build", "-o", path, "./plugins/query-duckdb")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

// plugin is the real plugin in the real host.
type plugin struct{ h *host.Host }

func (p plugin) Query(ctx context.Context, r *pluginv1.QueryRequest) (query.Stream, error) {
	return p.h.Query(ctx, instance, r)
}

func (p plugin) Tables(ctx context.Context, r *pluginv1.TablesRequest) (*pluginv1.TablesResponse, error) {
	return p.h.QueryTables(ctx, instance, r)
}

// folder is a lake of one folder a table.
type folder struct {
	dir string
	mu  sync.Mutex
	// asked are the tables that were asked for, held how many snapshots are held.
	asked []table.Name
	held  int
}

func (f *folder) Snapshot(_ context.Context, tables []table.Name, _ query.Span) (*query.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = tables
	s := &query.Snapshot{Files: map[table.Name][]string{}, Release: func() { f.mu.Lock(); f.held--; f.mu.Unlock() }}
	for _, t := range tables {
		files, err := filepath.Glob(filepath.Join(f.dir, string(t), "*.parquet"))
		if err != nil {
			return nil, err
		}
		s.Files[t] = files
	}
	f.held++
	return s, nil
}

func put[T table.Row](t testing.TB, f *folder, name table.Name, file string, rows ...T) {
	t.Helper()
	path := filepath.Join(f.dir, string(name), file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(path, rows, parquet.Compression(&parquet.Zstd)); err != nil {
		t.Fatal(err)
	}
}

type world struct {
	*query.Engine
	lake  *folder
	spill string
	host  *host.Host
	// span is asked for with the next questions.
	span query.Span
}

var limits = query.Limits{
	Memory: 256 << 20, Threads: 2, Timeout: 30 * time.Second, MaxRows: 10_000_000, MaxBytes: 1 << 30, Spill: 1 << 30, Concurrent: 4,
}

func newWorld(t testing.TB, l query.Limits) *world {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler, which query-duckdb needs")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	h, err := host.New(host.Options{RunDir: run, DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	for _, p := range h.Apply(t.Context(), []host.Spec{{Instance: instance, Role: pluginv1.Role_ROLE_QUERY_ENGINE, Plugin: "duckdb", Path: path, StateDir: t.TempDir()}}) {
		t.Fatal(p.Error())
	}
	w := &world{lake: &folder{dir: t.TempDir()}, spill: filepath.Join(t.TempDir(), "spill"), host: h}
	l.SpillDir = w.spill
	w.Engine = query.New(plugin{h}, w.lake, l)
	return w
}

// ask returns the rows of a statement as text.
func (w *world) ask(ctx context.Context, sql string) ([]string, error) {
	res, err := w.Query(ctx, query.Request{SQL: sql, Events: w.span})
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []string
	for {
		rows, err := res.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		for _, r := range rows {
			var vs []string
			for _, v := range r {
				vs = append(vs, string(v))
			}
			out = append(out, strings.Join(vs, " "))
		}
	}
}

func (w *world) want(t *testing.T, sql string, want ...string) {
	t.Helper()
	got, err := w.ask(t.Context(), sql)
	if err != nil {
		t.Errorf("%s: %v", sql, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", sql, diff)
	}
}

func (w *world) refuse(t *testing.T, sql string, kind query.Kind, text string) *query.Error {
	t.Helper()
	rows, err := w.ask(t.Context(), sql)
	var e *query.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: answered %q with %v, wanted an error of kind %s", cutTo(sql), rows, err, kind)
		return nil
	}
	if e.Kind != kind || !strings.Contains(e.Message, text) {
		t.Errorf("%s: %s: %s\nwanted kind %s with %q", cutTo(sql), e.Kind, e.Message, kind, text)
	}
	return e
}

func cutTo(s string) string { return s[:min(len(s), 100)] }

// at is a time of the day of the tests.
func at(minute int) int64 {
	return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC).UnixMicro()
}

func item(n int64, minute int, id, status, configuration string) table.Item {
	return table.Item{
		Number: n, Time: at(minute), Received: at(minute), Instance: "collector.files.x", AccountID: "1", Region: "r", ResourceType: "AWS::S3::Bucket",
		ResourceID: id, Status: status, Tags: map[string]string{"team": "a"}, ContentSHA256: "00",
		Record: []byte(`{"resourceId":"` + id + `","configuration":` + configuration + `}`),
	}
}

func verdictRow(n int64, minute int, id, outcome string) table.Verdict {
	return table.Verdict{
		Number: n, Time: at(minute), Received: at(minute), Policy: "compliance.x", Outcome: outcome, AccountID: "1", Region: "r",
		ResourceType: "AWS::S3::Bucket", ResourceID: id, ItemNumber: n, Messages: []string{"m"}, Record: []byte(`{}`),
	}
}

func fill(t testing.TB, w *world) {
	t.Helper()
	put(t, w.lake, table.Items, "1.parquet",
		item(1, 0, "a", "OK", `{"n":9007199254740993}`), item(2, 1, "b", "OK", `{}`), item(3, 2, "a", "OK", `{"n":2}`), item(4, 3, "b", "ResourceDeleted", `null`))
	checkpoint := item(3, 2, "a", "OK", `{"n":2}`)
	checkpoint.AsOf = at(10)
	put(t, w.lake, table.Items, "checkpoint.parquet", checkpoint)
	put(t, w.lake, table.Verdicts, "1.parquet", verdictRow(1, 0, "a", "COMPLIANT"), verdictRow(2, 2, "a", "NON_COMPLIANT"), verdictRow(3, 1, "b", "NON_COMPLIANT"), verdictRow(4, 3, "b", "REMOVED"))
	said := verdictRow(2, 2, "a", "NON_COMPLIANT")
	said.AsOf = at(10)
	put(t, w.lake, table.Verdicts, "checkpoint.parquet", said)
	put(t, w.lake, table.Events, "1.parquet", table.Event{
		Number: 1, Time: at(2), Received: at(2), Instance: "i", ID: "e1", Source: "aws.cloudtrail", Action: "s3:PutBucketPolicy", Outcome: "success", ActorID: "eve",
		Targets: []table.Target{{ResourceType: "AWS::S3::Bucket", ResourceID: "a"}}, Record: []byte(`{"detail":{"eventName":"PutBucketPolicy"}}`),
	})
}

func TestViews(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	fill(t, w)
	w.want(t, `SELECT number, configuration FROM configuration_items ORDER BY number`, `1 {"n":9007199254740993}`, `2 {}`, `3 {"n":2}`, `4 null`)
	w.want(t, `SELECT resource_id, configuration->>'n', time, tags FROM resources`, `"a" "2" "2026-03-01T12:02:00.000000Z" {"team":"a"}`)
	w.want(t, `SELECT resource_id, number FROM resources_at('2026-03-01 12:01') ORDER BY 1`, `"a" 1`, `"b" 2`)
	w.want(t, `SELECT resource_id, outcome FROM compliance`, `"a" "NON_COMPLIANT"`)
	w.want(t, `SELECT count(*) FROM verdicts`, `4`)
	w.want(t, `SELECT resource_id, outcome FROM compliance_at(TIMESTAMPTZ '2026-03-01 12:01:30+00') ORDER BY 1`, `"a" "COMPLIANT"`, `"b" "NON_COMPLIANT"`)
	w.want(t, `SELECT detail->>'eventName', typeof(detail), typeof(record), typeof(time), as_of FROM events, (SELECT any_value(as_of) AS as_of FROM lake.configuration_items)`,
		`"PutBucketPolicy" "JSON" "JSON" "TIMESTAMP WITH TIME ZONE" "2026-03-01T12:10:00.000000Z"`)
	for span, n := range map[query.Span]string{
		{}: "1", {Since: time.UnixMicro(at(2))}: "1", {Since: time.UnixMicro(at(3))}: "0", {Until: time.UnixMicro(at(2))}: "0",
		{Since: time.UnixMicro(at(1)), Until: time.UnixMicro(at(3))}: "1",
	} {
		w.span = span
		w.want(t, `SELECT count(*) FROM events`, n)
		w.want(t, `SELECT count(*) FROM verdicts`, `4`)
	}
	w.span = query.Span{}
	// The point of it all: configuration, activity and compliance in one statement.
	w.want(t, `SELECT DISTINCT r.resource_id, e.actor_id FROM compliance c
		JOIN resources r USING (account_id, region, resource_type, resource_id)
		JOIN (SELECT actor_id, time, unnest(targets) AS t FROM events) e ON e.t.resource_id = r.resource_id
		WHERE c.outcome = 'NON_COMPLIANT' AND e.time >= '2026-03-01'`, `"a" "eve"`)
	// What the README shows is run here.
	example, err := os.ReadFile("../../testdata/query/changed-by.sql")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```sql\n"+string(example)+"```\n") {
		t.Error("the README does not show testdata/query/changed-by.sql as it is")
	}
	w.want(t, string(example), `"compliance.x" "a" "s3:PutBucketPolicy" "eve" "2026-03-01T12:02:00.000000Z"`)
	if held := w.lake.held; held != 0 {
		t.Errorf("%d snapshots are still held", held)
	}
}

// TestTables says which tables are asked for.
func TestTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	for _, tt := range []struct {
		sql  string
		want []table.Name
	}{
		{`SELECT 1`, nil},
		{`SELECT * FROM Events`, []table.Name{table.Events}},
		{`SELECT * FROM lake.events`, []table.Name{table.Events}},
		{`DESCRIBE open_findings`, []table.Name{table.Findings}},
		{`WITH x AS (SELECT * FROM compliance) SELECT * FROM x WHERE resource_id IN (SELECT resource_id FROM resources_at(now()))`, []table.Name{table.Items, table.Verdicts}},
		{`FROM query_table('alarms')`, table.Names[:]},
	} {
		if _, err := w.ask(t.Context(), tt.sql); err != nil {
			t.Errorf("%s: %v", tt.sql, err)
		}
		if diff := cmp.Diff(tt.want, w.lake.asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sql, diff)
		}
	}
}

// TestSchema holds the documentation against what the engine says, over an empty lake and over one whose
// files lack columns.
func TestSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	check := func() {
		for _, tb := range query.Schema() {
			from := strings.Replace(tb.Name, "(ts)", "(now())", 1)
			var want []string
			for _, c := range tb.Columns {
				want = append(want, fmt.Sprintf("%q %q", c.Name, c.Type))
				if c.Doc == "" {
					t.Errorf("%s.%s is not documented", tb.Name, c.Name)
				}
			}
			got, err := w.ask(t.Context(), "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+from+")")
			if err != nil {
				t.Error(err)
			}
			for i := range got {
				// Types are texts in this answer, with quotes of their own.
				got[i] = strings.ReplaceAll(got[i], `\"`, "")
			}
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], `\"`, "")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-documented +engine):\n%s", tb.Name, diff)
			}
			w.want(t, "SELECT count(*) FROM "+from, "0")
			if _, err := w.ask(t.Context(), tb.Example); err != nil {
				t.Errorf("the example of %s: %v", tb.Name, err)
			}
		}
	}
	check()
	for _, name := range table.Names {
		path := filepath.Join(w.lake.dir, string(name), "old.parquet")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := parquet.WriteFile(path, []struct {
			Number int64 `parquet:"number"`
		}{}); err != nil {
			t.Fatal(err)
		}
	}
	check()
}

// TestOlderFiles reads files that lack a column beside files that have it.
func TestOlderFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	put(t, w.lake, table.Deliveries, "new.parquet", table.Delivery{Number: 2, ID: "d2", Answer: "ok", Record: []byte(`{}`)})
	if err := parquet.WriteFile(filepath.Join(w.lake.dir, "deliveries", "old.parquet"), []struct {
		Number int64  `parquet:"number"`
		ID     string `parquet:"id"`
	}{{1, "d1"}}); err != nil {
		t.Fatal(err)
	}
	w.want(t, `SELECT number, id, answer FROM deliveries ORDER BY number`, `1 "d1" null`, `2 "d2" "ok"`)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	fill(t, w)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a\nsecret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	lakeFile := filepath.Join(w.lake.dir, "events", "1.parquet")
	before, err := os.ReadFile(lakeFile)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "written")
	for _, tt := range []struct {
		sql  string
		kind query.Kind
		text string
	}{
		{"SELECT * FRM events", query.Syntax, "syntax error"},
		{"SELECT nope FROM events", query.Syntax, "nope"},
		{"SELECT * FROM nope", query.Syntax, "nope"},
		{"SELECT 'a'::INTEGER", query.Syntax, "Could not convert"},
		{"", query.Syntax, "no statement"},
		{"-- nothing", query.Syntax, "no statement"},
		{"SELECT 1; SELECT 2", query.NotASelect, "2 statements"},
		{"SELECT '" + strings.Repeat("x", query.MaxSQL) + "'", query.Limit, "bytes"},
		{"COPY events TO '" + target + "'", query.Refused, ""},
		{"COPY (SELECT 1) TO '" + lakeFile + "' (FORMAT parquet)", query.Refused, ""},
		{"EXPORT DATABASE '" + target + "'", query.Refused, ""},
		{"CREATE TABLE t AS SELECT 1", query.NotASelect, ""},
		{"INSERT INTO events SELECT * FROM events", "", ""},
		{"DROP VIEW events", query.NotASelect, ""},
		{"DELETE FROM events", "", ""},
		{"ATTACH '" + target + "'", "", ""},
		{"INSTALL httpfs", query.NotASelect, ""},
		{"LOAD httpfs", query.NotASelect, ""},
		{"PRAGMA memory_limit='1TB'", query.NotASelect, ""},
		{"SET memory_limit='1TB'", query.NotASelect, ""},
		{"RESET lock_configuration", query.NotASelect, ""},
		{"EXPLAIN ANALYZE COPY events TO '" + target + "'", query.Refused, ""},
		{"CALL pragma_version()", query.NotASelect, ""},
		{"SELECT * FROM read_csv('/etc/passwd')", query.Refused, "/etc/passwd"},
		{"SELECT * FROM '" + secret + "'", query.Refused, ""},
		{"SELECT * FROM read_text('" + secret + "')", query.Refused, ""},
		{"SELECT * FROM glob('/etc/*')", query.Refused, ""},
		{"SELECT * FROM read_parquet('" + w.lake.dir + "/*/*.parquet')", query.Refused, ""},
		{"SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')", query.Refused, ""},
	} {
		var e *query.Error
		if tt.kind == "" {
			// What DuckDB refuses first differs; that nothing is done does not.
			rows, err := w.ask(t.Context(), tt.sql)
			if !errors.As(err, &e) {
				t.Errorf("%s: answered %q", tt.sql, rows)
			}
			continue
		}
		w.refuse(t, tt.sql, tt.kind, tt.text)
	}
	if e := w.refuse(t, "SELECT *\nFRM events", query.Syntax, "syntax"); e != nil && e.Position != 14 {
		t.Errorf("position %d, wanted 14", e.Position)
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	if after, err := os.ReadFile(lakeFile); err != nil || !slices.Equal(before, after) {
		t.Errorf("a file of the lake was changed: %v", err)
	}
	w.want(t, `SELECT count(*) FROM events`, `1`)
}

func TestBounds(t *testing.T) {
	t.Parallel()
	l := limits
	l.Timeout, l.Memory, l.Spill, l.MaxRows = 2*time.Second, 100<<20, 1<<20, 100_000
	w := newWorld(t, l)
	w.refuse(t, `SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b`, query.Timeout, "longer than 2s")
	w.refuse(t, `WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT count(*) FROM r`, query.Timeout, "")
	w.refuse(t, `SELECT range FROM range(200000)`, query.Limit, "100000 rows")
	w.refuse(t, `SELECT len(list(range::VARCHAR || repeat('x', 1000))) FROM range(1000000)`, query.Limit, "")
	w.refuse(t, `SELECT range, repeat('x', 500) AS x FROM range(2000000) ORDER BY hash(range) LIMIT 1 OFFSET 1900000`, query.Limit, "")
	w.want(t, `SELECT 42`, `42`)
	entries, err := os.ReadDir(w.spill)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 0 {
		t.Errorf("the spill folder still has %v", entries)
	}
}

// TestSpill sorts more than fits into memory.
func TestSpill(t *testing.T) {
	t.Parallel()
	l := limits
	l.Memory = 64 << 20
	w := newWorld(t, l)
	var most int
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			files, _ := filepath.Glob(filepath.Join(w.spill, "*", "*"))
			most = max(most, len(files))
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	w.want(t, `SELECT count(*), max(length(x)) FROM (SELECT range, repeat('x', 200) || range AS x FROM range(1000000) ORDER BY hash(range) LIMIT 900000)`, `900000 206`)
	close(done)
	<-watched
	if most == 0 {
		t.Error("nothing was spilled")
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	time.AfterFunc(500*time.Millisecond, stop)
	start := time.Now()
	_, err := w.ask(ctx, `SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b`)
	var e *query.Error
	if !errors.As(err, &e) || e.Kind != query.Cancelled {
		t.Errorf("cancelled: %v", err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("it took %s", d)
	}
	until(t, "the query's process to be gone", func() bool { return len(children(t, w)) == 0 })
	w.want(t, `SELECT 42`, `42`)
}

// TestKill kills a query's process in the middle, and then the plugin.
func TestKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	begin := func() chan error {
		done := make(chan error, 1)
		go func() {
			_, err := w.ask(t.Context(), `SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b`)
			done <- err
		}()
		until(t, "a query's process", func() bool { return len(children(t, w)) == 1 })
		return done
	}
	done := begin()
	time.Sleep(200 * time.Millisecond)
	for _, pid := range children(t, w) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "the query's process ended unasked (signal: killed)") {
		t.Errorf("killed query: %v", err)
	}
	w.want(t, `SELECT 42`, `42`)
	done = begin()
	child := children(t, w)
	if err := syscall.Kill(w.host.Status()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "was ended by SIGKILL") {
		t.Errorf("killed plugin: %v", err)
	}
	until(t, "the query's process to end with the plugin", func() bool { return syscall.Kill(child[0], 0) != nil })
	until(t, "the plugin to be back", func() bool { _, err := w.ask(t.Context(), `SELECT 42`); return err == nil })
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited too long for %s", what)
}

// children are the processes that the plugin has started.
func children(t *testing.T, w *world) []int {
	t.Helper()
	parent := w.host.Status()[0].PID
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			// The thread has just ended.
			continue
		}
		for _, s := range strings.Fields(string(b)) {
			var pid int
			if _, err := fmt.Sscan(s, &pid); err != nil {
				t.Fatal(err)
			}
			if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasSuffix(string(cmdline), "worker\x00query\x00") {
				out = append(out, pid)
			}
		}
	}
	return out
}

// TestConcurrent runs more queries than there are places, over 1,000 small files.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	l := limits
	l.Concurrent = 2
	w := newWorld(t, l)
	for i := range 1000 {
		put(t, w.lake, table.Verdicts, fmt.Sprintf("%04d.parquet", i), verdictRow(int64(i+1), i%60, fmt.Sprint(i), "COMPLIANT"))
	}
	var g sync.WaitGroup
	for range 6 {
		g.Go(func() { w.want(t, `SELECT count(*), sum(number) FROM verdicts`, `1000 500500`) })
	}
	g.Wait()
}

// TestTypes shows each type's form in a result.
func TestTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	for sql, want := range map[string]string{
		`NULL`: `null`, `true`: `true`, `1::TINYINT`: `1`, `-2::BIGINT`: `-2`, `18446744073709551615::UBIGINT`: `18446744073709551615`,
		`170141183460469231731687303715884105727::HUGEINT`: `170141183460469231731687303715884105727`, `-5::HUGEINT`: `-5`,
		`1.50::DECIMAL(4,2)`: `1.50`, `-0.05::DECIMAL(38,2)`: `-0.05`, `0.1::DOUBLE`: `0.1`, `'nan'::DOUBLE`: `"NaN"`,
		`'a"b'`: `"a\"b"`, `'a long text that does not stand in place'`: `"a long text that does not stand in place"`,
		`'ab'::BLOB`: `"YWI="`, `DATE '2026-01-02'`: `"2026-01-02"`, `TIME '01:02:03'`: `"01:02:03.000000"`,
		`TIMESTAMP '2026-01-02 03:04:05.6'`: `"2026-01-02T03:04:05.600000"`, `TIMESTAMPTZ '2026-01-02 03:04:05+01'`: `"2026-01-02T02:04:05.000000Z"`,
		`'infinity'::TIMESTAMP`: `"infinity"`, `INTERVAL '1 month 2 days 3.5 seconds'`: `"P1M2DT3.5S"`,
		`'00112233-4455-6677-8899-aabbccddeeff'::UUID`: `"00112233-4455-6677-8899-aabbccddeeff"`,
		`[1, NULL, 3]`: `[1,null,3]`, `{'a': 1, 'b': [{'c': 'd'}]}`: `{"a":1,"b":[{"c":"d"}]}`, `MAP {'k': 1}`: `{"k":1}`, `MAP {1: 2}`: `[{"key":1,"value":2}]`,
		`[1,2]::INTEGER[2]`: `[1,2]`, `'x'::ENUM('w','x')`: `"x"`, `'{"a" :  12345678901234567890123}'::JSON`: `{"a" :  12345678901234567890123}`,
		"'{\n}'::JSON": `{}`,
	} {
		w.want(t, "SELECT "+sql, want)
	}
	w.refuse(t, "SELECT '101'::BIT", query.Syntax, "cast it to VARCHAR")
}

// TestLarge streams a result that is far larger than a message.
func TestLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits)
	got, err := w.ask(t.Context(), `SELECT range, repeat('x', 1000) FROM range(50000)`)
	if err != nil || len(got) != 50000 {
		t.Errorf("%d rows, %v", len(got), err)
	}
	w.refuse(t, `SELECT repeat('x', 5000000)`, query.Limit, "a row has")
}
