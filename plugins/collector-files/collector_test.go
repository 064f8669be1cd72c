package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/regent-dev/regent/sdk"
)

// sink is an emitter that keeps what it is given.
type sink struct {
	sdk.Emitter
	mu      sync.Mutex
	records []string
	bad     []string
	cursor  []byte
	grown   chan struct{}
}

func newSink(cursor []byte) *sink { return &sink{cursor: cursor, grown: make(chan struct{}, 1)} }

func (s *sink) add(to *[]string, text string) error {
	s.mu.Lock()
	*to = append(*to, text)
	s.mu.Unlock()
	select {
	case s.grown <- struct{}{}:
	default:
	}
	return nil
}

func (s *sink) Cursor() []byte                              { return s.cursor }
func (s *sink) ItemJSON(_ context.Context, b []byte) error  { return s.add(&s.records, string(b)) }
func (s *sink) EventJSON(_ context.Context, b []byte) error { return s.add(&s.records, string(b)) }
func (s *sink) Problem(context.Context, sdk.Problem) error  { return nil }
func (s *sink) Flush(context.Context) error                 { return nil }
func (s *sink) Damaged(_ context.Context, _ sdk.Kind, _ []byte, origin, reason string) error {
	return s.add(&s.bad, filepath.Base(origin)+" "+reason)
}

func (s *sink) Checkpoint(_ context.Context, cursor []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = cursor
	return 1, nil
}

func (s *sink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.records {
		id := gjson.Get(r, "id").Str
		if id == "" {
			id = gjson.Get(r, "resourceId").Str
		}
		out = append(out, id)
	}
	return out
}

func (s *sink) wait(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if got := s.ids(); slices.Equal(got, want) {
			return
		}
		select {
		case <-s.grown:
		case <-deadline:
			t.Fatalf("got %q, want %q", s.ids(), want)
		}
	}
}

func start(t *testing.T, cfg config, s *sink) (stop func()) {
	t.Helper()
	if cfg.Poll == 0 {
		cfg.Poll = 50 * time.Millisecond
	}
	c, err := open(t.Context(), cfg, sdk.Env{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Collect(ctx, s) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("collect: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func line(id string) string {
	return fmt.Sprintf(`{"eventID":%q,"eventSource":"s3.amazonaws.com","eventName":"GetObject","eventTime":"2026-01-01T00:00:00Z"}`+"\n", id)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "trail.log")
	write(t, log, line("a")+line("b"))
	cfg := config{Paths: []string{dir}, Format: "cloudtrail", Follow: true, Settle: time.Second}
	s := newSink(nil)
	stop := start(t, cfg, s)
	s.wait(t, "a", "b")
	appendTo(t, log, line("c"))
	s.wait(t, "a", "b", "c")
	// Half a line is not taken before the other half is there.
	half := line("d")
	appendTo(t, log, half[:30])
	time.Sleep(200 * time.Millisecond)
	appendTo(t, log, half[30:])
	s.wait(t, "a", "b", "c", "d")
	// Rotation: the old file is known under its new name.
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, log, line("e"))
	s.wait(t, "a", "b", "c", "d", "e")
	// Truncation: the same inode begins anew.
	write(t, log, line("f"))
	s.wait(t, "a", "b", "c", "d", "e", "f")
	stop()

	appendTo(t, log, line("g"))
	again := newSink(s.cursor)
	start(t, cfg, again)
	again.wait(t, "g")
	if len(s.bad)+len(again.bad) != 0 {
		t.Errorf("reported as damaged: %q %q", s.bad, again.bad)
	}
}

// TestReplaced writes another file over one that was read, with the same beginning and longer: what it
// says is new all the same.
func TestReplaced(t *testing.T) {
	t.Parallel()
	same := line("same")
	for len(same) < 2*headBytes {
		same += line("same")
	}
	times := func(n int) (out []string) {
		for range n {
			out = append(out, "same")
		}
		return out
	}
	n := strings.Count(same, "\n")
	path := filepath.Join(t.TempDir(), "trail.log")
	write(t, path, same+line("a")+line("b"))
	cfg := config{Paths: []string{path}, Format: "cloudtrail", Follow: true, Settle: time.Second}
	s := newSink(nil)
	stop := start(t, cfg, s)
	s.wait(t, append(times(n), "a", "b")...)
	stop()
	write(t, path, same+line("c")+line("d")+line("e"))
	again := newSink(s.cursor)
	start(t, cfg, again)
	again.wait(t, append(times(n), "c", "d", "e")...)
}

// TestStopWhileLooking stops a collector before it has looked at its files: it must not take them for
// gone and forget how far it had read.
func TestStopWhileLooking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "trail.log"), line("a"))
	s := newSink(nil)
	col, err := open(t.Context(), config{Paths: []string{dir}, Format: "cloudtrail", Poll: time.Second, Settle: time.Second}, sdk.Env{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{collector: col.(*collector), out: s, parse: col.(*collector).format.parser(), state: readCursor(nil)}
	if _, err := r.pass(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.pass(cancelled, func(string) {}); err != nil {
		t.Fatal(err)
	}
	// A folder that is not there for a while comes back.
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.pass(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := r.pass(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if got := s.ids(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("read %q, want one record once", got)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	rec := func(id string) string { return strings.TrimSpace(line(id)) }
	var zipped bytes.Buffer
	for _, part := range []string{`{"Records":[` + rec("a"), "," + rec("b") + "]}"} {
		// Two gzip members, as appending to a compressed file makes.
		z := gzip.NewWriter(&zipped)
		_, _ = z.Write([]byte(part))
		_ = z.Close()
	}
	for _, c := range []struct {
		name, format, text string
		want               []string
		bad                int
	}{
		{"native", "cloudtrail", `{"Records":[` + rec("a") + "," + rec("b") + `]}`, []string{"a", "b"}, 0},
		{"native, with other members first", "cloudtrail", `{"x":{"Records":1},"Records": [` + rec("a") + `], "y":[1]}`, []string{"a"}, 0},
		{"an array", "cloudtrail", "[\n" + rec("a") + ",\n" + rec("b") + "\n]\n", []string{"a", "b"}, 0},
		{"gzip of two members", "cloudtrail", zipped.String(), []string{"a", "b"}, 0},
		{"pretty printed records", "cloudtrail", pretty(rec("a")) + "\n" + pretty(rec("b")), []string{"a", "b"}, 0},
		{"an EventBridge envelope", "cloudtrail", `{"detail-type":"AWS API Call via CloudTrail","detail":` + rec("a") + `}`, []string{"a"}, 0},
		{"a damaged line", "cloudtrail", line("a") + `{"eventID":"x","eventSo` + "\n" + line("b"), []string{"a", "b"}, 1},
		{"a file that is cut off", "cloudtrail", `{"Records":[` + rec("a") + "," + rec("b")[:20], []string{"a"}, 1},
		{"gzip that is cut off", "cloudtrail", zipped.String()[:zipped.Len()-20], []string{"a"}, 1},
		{"a record that is none", "cloudtrail", `{"Records":[{"a":1},` + rec("b") + `]}`, []string{"b"}, 1},
		{"a snapshot", "aws-config", `{"fileVersion":"1.0","configurationItems":[{"resourceType":"A::B::C","resourceId":"x"},{"resourceType":"A::B::C","resourceId":"y"}]}`, []string{"x", "y"}, 0},
		{"a notification", "aws-config", `{"Message":{"configurationItem":[{"resourceType":"A::B::C","resourceId":"x"}]}}`, []string{"x"}, 0},
		{"own records", "regent", `{"source":"s","id":"e"}` + "\n" + `{"resourceType":"A::B::C","resourceId":"x"}`, []string{"e", "x"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, c.text)
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
			s := newSink(nil)
			stop := start(t, config{Paths: []string{path}, Format: c.format, Settle: time.Second}, s)
			s.wait(t, c.want...)
			time.Sleep(50 * time.Millisecond)
			stop()
			if len(s.bad) != c.bad {
				t.Errorf("reported %q, want %d", s.bad, c.bad)
			}
		})
	}
}

func pretty(rec string) string {
	var b bytes.Buffer
	_ = json.Indent(&b, []byte(rec), "", "  ")
	return b.String()
}

func FuzzValues(f *testing.F) {
	f.Add([]byte(`{"Records":[{"a":"]"},{"b":[1,2]}]} {"x":1}` + "\n" + `[1,"a",{"b":"}"}]`))
	f.Add([]byte(`{"Records":[{"a":`))
	f.Add([]byte("{\"a\n{}"))
	var parsers []func([]byte) []parsed
	for _, f := range formats {
		parsers = append(parsers, f.parser())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v := newValues(bytes.NewReader(in), "Records")
		v.settled = true
		for n := 0; ; n++ {
			if n > len(in)+1 {
				t.Fatalf("%q gives more values than it has bytes", in)
			}
			rec, _, err := v.next()
			for _, parse := range parsers {
				parse(rec)
			}
			if err != nil && err != errBroken && err != errTooLong {
				return
			}
		}
	})
}

// TestRealFiles reads real logs and items where they lie beside the repository.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	data := os.Getenv("REGENT_TESTDATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	data, err := filepath.Abs(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, "cloudtrail", "files")); err != nil {
		t.Skip("no real data beside the repository")
	}
	for _, c := range []struct {
		path, format string
		good, bad    int
	}{
		{"cloudtrail/files", "cloudtrail", 523, 0},
		{"awsconfig/rdk-example-ci", "aws-config", 78, 1},
	} {
		s := newSink(nil)
		col, err := open(t.Context(), config{Paths: []string{filepath.Join(data, c.path)}, Format: c.format, Poll: time.Second, Settle: time.Nanosecond}, sdk.Env{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r := &run{collector: col.(*collector), out: s, parse: col.(*collector).format.parser(), state: readCursor(nil)}
		if _, err := r.pass(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		n := len(s.records)
		if _, err := r.pass(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		if len(s.records) != n {
			t.Errorf("%s: a second look read %d records again", c.path, len(s.records)-n)
		}
		if len(s.records) < c.good || len(s.records) > c.good+2 {
			t.Errorf("%s: %d records, want %d", c.path, len(s.records), c.good)
		}
		// The damaged files are damaged in several places each.
		if len(s.bad) < c.bad || len(s.bad) > 30*c.bad {
			t.Errorf("%s: %d damaged, want at least %d", c.path, len(s.bad), c.bad)
		}
		for _, rec := range s.records {
			if !json.Valid([]byte(rec)) {
				t.Fatalf("not JSON: %s", rec)
			}
		}
	}
}

func BenchmarkCloudTrail(b *testing.B) {
	rec := []byte(`{"eventVersion":"1.08","eventID":"1","eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.1","userAgent":"` + strings.Repeat("agent ", 40) + `","recipientAccountId":"111122223333","userIdentity":{"type":"AssumedRole","principalId":"AROA:sess","arn":"arn:aws:sts::111122223333:assumed-role/admin/sess","accountId":"111122223333","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/path/admin","userName":"admin"}}},"requestParameters":{"userName":"bob"},"responseElements":{"accessKey":{"accessKeyId":"AKIA","status":"Active","userName":"bob"}},"requestID":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","readOnly":false,"managementEvent":true}`)
	parse := formats["cloudtrail"].parser()
	b.ReportAllocs()
	b.SetBytes(int64(len(rec)))
	for b.Loop() {
		if p := parse(rec); p[0].err != nil {
			b.Fatal(p[0].err)
		}
	}
}
