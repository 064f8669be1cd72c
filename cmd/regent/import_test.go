package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// writeImport writes n CloudTrail records, each with its own id, one on a line.
func writeImport(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/u%d","accountId":"111122223333","userName":"u%d"},"eventTime":"2025-%02d-%02dT10:%02d:%02dZ","eventSource":"s3.amazonaws.com","eventName":"PutObject","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.%d","requestParameters":{"bucketName":"b%d"},"requestID":"r%d","eventID":"e-%d","eventType":"AwsApiCall","recipientAccountId":"111122223333"}`+"\n",
			i%50, i%50, i%12+1, i%28+1, i/60%60, i%60, i%256, i%1000, i, i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestImport imports a million records, or as many as REGENT_IMPORT_RECORDS says, or REGENT_IMPORT, a file of
// CloudTrail records: the daemon is killed in the middle, the import is run again, and once more. Then SQL
// counts each record once. It tells the rate, beside that of DuckDB's own reader over the same file, and how
// many bytes a record takes.
func TestImport(t *testing.T) {
	plugins := queryPlugins(t)
	dir, err := os.MkdirTemp("", "ri")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := 60_000
	if s := os.Getenv("REGENT_IMPORT_RECORDS"); s != "" {
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	in := os.Getenv("REGENT_IMPORT")
	if in == "" {
		in = filepath.Join(dir, "trail.ndjson")
		writeImport(t, in, n)
	}
	config := fmt.Sprintf("plugin \"duckdb\" {\n  path = %q\n}\n", filepath.Join(plugins, "query-duckdb"))
	importing := func(address string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "regent"), "import", "--address", address, "--format", "cloudtrail", in)
		var out, errOut bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errOut
		err := cmd.Run()
		return out.String() + errOut.String(), err
	}
	totals := func(out string) (read, stored, duplicate int) {
		t.Helper()
		for _, line := range strings.Split(out, "\n") {
			if cells := strings.Fields(line); len(cells) == 5 && cells[0] == "import.files.import" {
				for i, to := range []*int{&read, &stored, &duplicate} {
					if *to, err = strconv.Atoi(cells[i+1]); err != nil {
						t.Fatal(err)
					}
				}
				return read, stored, duplicate
			}
		}
		t.Fatalf("no totals: %s", out)
		return 0, 0, 0
	}

	// Killed in the middle: the import says so, and nothing of it is half there.
	d := runDaemon(t, dir, config)
	d.ready()
	ended := make(chan error, 1)
	var told string
	go func() {
		var err error
		told, err = importing(d.client.address)
		ended <- err
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var s struct {
			Sum struct{ Stored int64 }
		}
		if err := d.call(t.Context(), "GET", "/v1/status", nil, nil, &s); err == nil && s.Sum.Stored > int64(n/10) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the import does not begin")
		}
	}
	d.kill()
	if err := <-ended; err == nil {
		t.Error("an import goes well though the daemon was killed")
	} else if !strings.Contains(told, "regent: ") {
		t.Errorf("the import says %q", told)
	}

	d = runDaemon(t, dir, config)
	d.ready()
	began := time.Now()
	out, err := importing(d.client.address)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(began)
	read, stored, duplicate := totals(out)
	if os.Getenv("REGENT_IMPORT") != "" {
		n = read
	}
	if read != n || stored+duplicate != n || duplicate == 0 {
		t.Errorf("of %d records %d were read, %d stored and %d were there", n, read, stored, duplicate)
	}
	t.Logf("after the kill %d of %d records were there; the others came at %.0f/s", duplicate, n, float64(read)/took.Seconds())
	began = time.Now()
	if out, err = importing(d.client.address); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if read, stored, duplicate := totals(out); read != n || stored != 0 || duplicate != n {
		t.Errorf("again: of %d records %d were read, %d stored and %d were there", n, read, stored, duplicate)
	}
	t.Logf("the second import: %.0f/s", float64(n)/time.Since(began).Seconds())
	code, counts, errOut := regent(t, t.Context(), "", "query", "--address", d.client.address, "-o", "csv",
		"SELECT count(*) AS n, count(DISTINCT id) AS ids, count(record) AS records FROM events WHERE source = 'aws.cloudtrail'")
	if want := fmt.Sprintf("n,ids,records\n%d,%d,%d\n", n, n, n); code != 0 || counts != want {
		t.Errorf("exit code %d: %s%s, want %s", code, counts, errOut, want)
	}
	// No policy judges them and nobody is told.
	if code, out, _ := regent(t, t.Context(), "", "status", "--address", d.client.address); code != 0 || !strings.Contains(out, "0 in ALARM, 0 episodes") {
		t.Errorf("status: %d %s", code, out)
	}
	d.stop()

	// The same at full speed into an empty lake, and DuckDB beside it.
	fresh := filepath.Join(dir, "fresh")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		t.Fatal(err)
	}
	d = runDaemon(t, fresh, config)
	d.ready()
	began = time.Now()
	if out, err = importing(d.client.address); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took = time.Since(began)
	parquet, duckdb := filepath.Join(dir, "duck.parquet"), otherReader(t, "duckdb")
	began = time.Now()
	if out, err := exec.Command(duckdb, "SET threads = 2",
		fmt.Sprintf("COPY (FROM read_json('%s', format = 'newline_delimited', maximum_object_size = 33554432)) TO '%s' (FORMAT parquet, COMPRESSION zstd)", in, parquet),
		"SELECT count(*) FROM '"+parquet+"'").CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != strconv.Itoa(n) {
		t.Errorf("duckdb: %v: %s", err, out)
	}
	duck := time.Since(began)
	t.Logf("import: %.0f records/s; DuckDB's read_json to Parquet: %.0f/s; ratio %.2f", float64(n)/took.Seconds(), float64(n)/duck.Seconds(), duck.Seconds()/took.Seconds())
	if os.Getenv("REGENT_IMPORT") != "" {
		// The files are put together in the background.
		time.Sleep(75 * time.Second)
	}
	if code, counts, _ := regent(t, t.Context(), "", "query", "--address", d.client.address, "-o", "csv", "SELECT count(*) AS n FROM events WHERE source = 'aws.cloudtrail'"); code != 0 || counts != fmt.Sprintf("n\n%d\n", n) {
		t.Errorf("%d %s", code, counts)
	}
	var names []string
	for _, r := range []string{"b7", "sg-84e8fc13", "i-DDd6c7B0e18F0E35f"} {
		for range 3 {
			began := time.Now()
			code, out, errOut := regent(t, t.Context(), "", "events", "list", "--address", d.client.address, "--resource", r)
			if code != 0 {
				t.Error(errOut)
			}
			names = append(names, fmt.Sprintf("%s: %d rows in %d ms", r, strings.Count(out, "\n")-1, time.Since(began).Milliseconds()))
		}
	}
	t.Logf("look-ups by resource: %s", strings.Join(names, "; "))
	d.stop()
	var bytes int64
	rows := int64(0)
	for _, f := range manifestOf(t, filepath.Join(fresh, "d", "lake")) {
		if f.Table == "events" {
			bytes, rows = bytes+f.Bytes, rows+f.Rows
		}
	}
	info, err := os.Stat(in)
	if err != nil {
		t.Fatal(err)
	}
	each := float64(info.Size()) / float64(n)
	t.Logf("an event takes %.1f bytes in the lake, %.1f in the input", float64(bytes)/float64(rows), each)
	if strings.HasSuffix(in, ".gz") && float64(bytes)/float64(rows) >= each/2 {
		t.Error("the lake takes more than half of the compressed input")
	}
}
