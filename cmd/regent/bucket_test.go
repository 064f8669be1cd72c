package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/regent-dev/regent/core/api"
)

// bucketServer is a server that speaks S3 and can be made to fail.
type bucketServer struct {
	*httptest.Server
	// fault is what it answers, 0 where all is well, less where it answers nothing.
	fault   atomic.Int64
	faults  atomic.Int64
	backend *s3mem.Backend
}

func newBucketServer(t *testing.T) *bucketServer {
	t.Helper()
	s := &bucketServer{backend: s3mem.New()}
	if err := s.backend.CreateBucket("history"); err != nil {
		t.Fatal(err)
	}
	h := gofakes3.New(s.backend).Server()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch code := s.fault.Load(); {
		case code < 0:
			for s.fault.Load() < 0 && r.Context().Err() == nil {
				time.Sleep(20 * time.Millisecond)
			}
			return
		case code > 0:
			s.faults.Add(1)
			w.WriteHeader(int(code))
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.fault.Store(0)
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// keys are those of the objects below a prefix.
func (s *bucketServer) keys(t *testing.T, prefix string) []string {
	t.Helper()
	p := gofakes3.NewPrefix(&prefix, nil)
	list, err := s.backend.ListBucket("history", &p, gofakes3.ListBucketPage{MaxKeys: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range list.Contents {
		out = append(out, c.Key)
	}
	return out
}

// TestLakeInABucket keeps the lake in a bucket whose server answers 500 and 403 or nothing at all and forgets
// an object, and kills the daemon meanwhile: nothing that was recorded is lost, none of it is there twice, and
// what is forgotten is named.
func TestLakeInABucket(t *testing.T) {
	t.Parallel()
	s := newBucketServer(t)
	dir, err := os.MkdirTemp("", "rl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in := filepath.Join(dir, "in")
	if err := os.MkdirAll(in, 0o755); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
lake {
  drain_every = "1s"
  s3 {
    endpoint   = %q
    bucket     = "history"
    prefix     = "regent"
    access_key = "k"
    secret_key = "s"
    insecure   = true
    timeout    = "1s"
  }
}
collector "files" "trail" {
  config {
    paths  = [%q]
    format = "cloudtrail"
    poll   = "100ms"
  }
}
`, s.URL, in)
	total := 0
	more := func(n int) {
		t.Helper()
		var b strings.Builder
		for range n {
			fmt.Fprintf(&b, `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/u","userName":"u"},"eventTime":"2026-01-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","awsRegion":"eu-west-1","eventID":"e%d","recipientAccountId":"111122223333"}`+"\n", total)
			total++
		}
		tmp := filepath.Join(dir, "new")
		if err := os.WriteFile(tmp, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(in, fmt.Sprintf("%06d.json", total))); err != nil {
			t.Fatal(err)
		}
	}
	stored := func(want int) func(api.Status) bool {
		return func(s api.Status) bool { return s.Records["collector.files.trail"].Stored == int64(want) }
	}
	whole := func(api.Status) bool {
		for _, k := range s.keys(t, "regent/events/") {
			if strings.HasSuffix(k, ".parquet") {
				return true
			}
		}
		return false
	}
	// counted exports all events and holds them against what was written.
	counted := func(d *bench) {
		t.Helper()
		out := filepath.Join(dir, "out")
		if code, _, errOut := regent(t, t.Context(), "", "export", "--address", d.client.address, "--tables", "events", "--out", out); code != 0 {
			t.Fatalf("export: %d: %s", code, errOut)
		}
		b, err := os.ReadFile(filepath.Join(out, "events.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, part := range strings.Split(string(b), `"eventID":"`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			seen[id]++
		}
		for i := range total {
			if n := seen[fmt.Sprintf("e%d", i)]; n != 1 {
				t.Fatalf("event e%d is there %d times", i, n)
			}
		}
	}

	more(2000)
	d := runDaemon(t, dir, config)
	d.until("the first records", 30*time.Second, stored(total))
	d.until("files in the bucket", 30*time.Second, whole)
	counted(d)

	for _, fault := range []int64{500, 403} {
		s.fault.Store(fault)
		more(1000)
		d.until("what comes meanwhile", 30*time.Second, stored(total))
		for deadline := time.Now().Add(30 * time.Second); s.faults.Load() < 2; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the bucket is not asked")
			}
		}
		s.faults.Store(0)
		d.kill()
		s.fault.Store(0)
		d = runDaemon(t, dir, config)
		d.until("that it is back", 30*time.Second, stored(total))
		counted(d)
	}

	// While it fails the status says so, and it goes on by itself.
	for fault, says := range map[int64]string{503: "503", -1: "no byte moved"} {
		s.fault.Store(fault)
		more(500)
		status, _ := d.until("that the status says so", time.Minute, func(s api.Status) bool { return s.LakeFailure != "" })
		if !strings.Contains(status.LakeFailure, says) {
			t.Errorf("the status says %q, want %q", status.LakeFailure, says)
		}
		s.fault.Store(0)
		d.until("that it works again", 90*time.Second, func(s api.Status) bool { return s.LakeFailure == "" && stored(total)(s) })
		counted(d)
	}

	// A bucket that does not answer when the daemon starts keeps nothing from being recorded, and is told of
	// though there is nothing to put there.
	d.stop()
	s.fault.Store(-1)
	d = runDaemon(t, dir, config)
	d.until("that the status says so", time.Minute, func(s api.Status) bool { return strings.Contains(s.LakeFailure, "no byte moved") })
	more(500)
	d.until("what comes meanwhile", 30*time.Second, stored(total))
	s.fault.Store(0)
	d.until("that it works again", 90*time.Second, func(s api.Status) bool { return s.LakeFailure == "" })
	counted(d)

	// What the bucket forgets is named; what is not in it can be asked for all the same.
	var lost string
	for _, k := range s.keys(t, "regent/events/") {
		if strings.HasSuffix(k, ".parquet") {
			lost = k
		}
	}
	if _, err := s.backend.DeleteObject("history", lost); err != nil {
		t.Fatal(err)
	}
	d.stop()
	if err := os.RemoveAll(filepath.Join(dir, "d", "cache")); err != nil {
		t.Fatal(err)
	}
	d = runDaemon(t, dir, config)
	d.until("that it starts", 30*time.Second, stored(total))
	code, _, errOut := regent(t, t.Context(), "", "export", "--address", d.client.address, "--tables", "events", "--out", filepath.Join(dir, "none"))
	if name := strings.TrimPrefix(lost, "regent/"); code == 0 || !strings.Contains(errOut, name) {
		t.Errorf("export: exit code %d: %s; want it to name %s", code, errOut, name)
	}
	if _, err := os.Stat(filepath.Join(dir, "none", "events.ndjson")); err == nil {
		t.Error("half an export looks like a whole one")
	}
	d.stop()
}
