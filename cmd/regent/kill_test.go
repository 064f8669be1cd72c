package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/verdict"
)

// kills is how often TestKill kills the daemon; REGENT_KILLS says otherwise.
func kills(t *testing.T) int {
	text := os.Getenv("REGENT_KILLS")
	if text == "" {
		return 25
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("REGENT_KILLS: %v", err)
	}
	return n
}

// killFolders makes the folder of a daemon that is to be killed and its run folder, and a function that writes
// files into the first.
func killFolders(t *testing.T) (dir, run string, write func(name, text string)) {
	t.Helper()
	var err error
	dir, err = filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// Socket paths have little room, and a test's own folder is named after the test.
	run, err = os.MkdirTemp("", "rk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	return dir, run, func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKill kills the daemon at random moments while events and items pour in, and then looks whether
// every event is there once, every item was judged, and every finding was notified.
func TestKill(t *testing.T) {
	t.Parallel()
	dir, run, write := killFolders(t)
	write("policies/big.rego", `# METADATA
# title: Boxes are small
# custom: {severity: high, resource_types: [Test::Box::Box]}
package compliance.test.small

deny contains {"msg": $"box {input.resource.resourceId} is large", "path": "/configuration/size"} if {
	input.resource.configuration.size > 0
}
`)
	write("regent.hcl", fmt.Sprintf(`
data_dir   = %[1]q
run_dir    = %[3]q
plugin_dir = %[2]q
policies {
  path = "policies"
}
collector "files" "all" {
  config {
    paths  = [%[4]q]
    format = "regent"
    poll   = "100ms"
  }
}
notifier "file" "out" {
  config {
    path = %[5]q
  }
}
route "all" {
  on     = ["compliance"]
  notify = [notifier.file.out]
}
`, run+"/d", bin, run+"/r", filepath.Join(dir, "in"), filepath.Join(dir, "out.ndjson")))
	write("in/a.log", `{"resourceType":"Test::Box::Box","resourceId":"first","configuration":{"size":0}}`+"\n")

	c := &client{address: "unix://" + run + "/d/regent.sock"}
	start := func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "regent"), "run", "-c", "regent.hcl")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	status := func() (s api.Status, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err = c.call(ctx, "GET", "/v1/status", nil, nil, &s)
		return s, err
	}
	await := func(what string, limit time.Duration, ok func(api.Status) bool) {
		t.Helper()
		var s api.Status
		for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			var err error
			if s, err = status(); err == nil && ok(s) {
				return
			}
		}
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("%s never happened; status %+v\n%s", what, s.Sum, log[max(0, len(log)-4000):])
	}

	// The collector's first listing is told in one summary; what follows must come one by one.
	d := start()
	t.Cleanup(func() { _ = d.Process.Kill() })
	await("the first item", 20*time.Second, func(s api.Status) bool { return s.Sum.Stored == 1 })
	time.Sleep(7 * time.Second)

	var events, items atomic.Int64
	stop := make(chan struct{})
	written := make(chan error, 1)
	go func() { written <- pour(filepath.Join(dir, "in", "b.log"), &events, &items, stop) }()
	n := kills(t)
	for i := range n {
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		if err := d.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = d.Wait()
		d = start()
		if i%5 == 4 {
			// Now and then it gets somewhere.
			await("an answer", 20*time.Second, func(api.Status) bool { return true })
		}
	}
	close(stop)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	want := events.Load() + items.Load() + 1
	await("that everything is stored", 60*time.Second, func(s api.Status) bool { return s.Sum.Stored >= want })
	await("that everything is delivered", 60*time.Second, func(s api.Status) bool {
		n := s.Deliveries["notifier.file.out"]
		return n["delivered"] >= items.Load() && n["pending"] == 0
	})
	s, err := status()
	if err != nil {
		t.Fatal(err)
	}
	if s.Sum.Stored != want || s.Sum.Read != s.Sum.Stored+s.Sum.Duplicate+s.Sum.Quarantined {
		t.Errorf("stored %d records, want %d; %+v", s.Sum.Stored, want, s.Sum)
	}
	seen := map[string]int{}
	all, err := list[api.Event](t.Context(), c, "/v1/events", url.Values{"source": {"test"}}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		seen[eventOf(e.Event).ID]++
	}
	for n := range events.Load() {
		if id := fmt.Sprint("e", n); seen[id] != 1 {
			t.Errorf("event %s is there %d times", id, seen[id])
		}
	}
	findings, err := list[verdict.Finding](t.Context(), c, "/v1/findings", url.Values{}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(findings)) != items.Load() {
		t.Errorf("%d findings, want %d", len(findings), items.Load())
	}
	told := notified(t, filepath.Join(dir, "out.ndjson"))
	for n := range items.Load() {
		if id := fmt.Sprint("b", n); told[id] != 1 {
			t.Errorf("the finding on %s was notified %d times", id, told[id])
		}
	}
	t.Logf("%d kills, %d events, %d items, %d duplicates recognised", n, events.Load(), items.Load(), s.Sum.Duplicate)
	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}

// pour appends events and items as fast as a busy source.
func pour(path string, events, items *atomic.Int64, stop chan struct{}) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		var b strings.Builder
		at := time.Now().UTC().Format(time.RFC3339Nano)
		e, n := events.Load(), items.Load()
		for range 100 {
			fmt.Fprintf(&b, `{"id":"e%d","source":"test","time":%q,"action":"test:Do","actor":{"id":"alice"},"detail":{"n":%d}}`+"\n", e, at, e)
			e++
		}
		for range 2 {
			fmt.Fprintf(&b, `{"resourceType":"Test::Box::Box","resourceId":"b%d","configuration":{"size":1}}`+"\n", n)
			n++
		}
		if _, err := f.WriteString(b.String()); err != nil {
			return err
		}
		events.Store(e)
		items.Store(n)
		select {
		case <-stop:
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// notified counts by resource the notifications that the file holds. A delivery that came twice is
// written once, so every finding stands there once.
func notified(t *testing.T, path string) map[string]int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]int{}
	r := bufio.NewScanner(f)
	r.Buffer(nil, 1<<24)
	for r.Scan() {
		var e struct {
			Data struct {
				Changes []struct {
					Resource struct {
						ResourceID string `json:"resourceId"`
					} `json:"resource"`
				} `json:"changes"`
			} `json:"data"`
		}
		if err := json.Unmarshal(r.Bytes(), &e); err != nil {
			t.Fatalf("line of the notifier's file: %v", err)
		}
		for _, c := range e.Data.Changes {
			out[c.Resource.ResourceID]++
		}
	}
	return out
}
