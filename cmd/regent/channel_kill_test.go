package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/record"
)

// TestKillChannels kills the daemon at random moments while records pour in and a trail and history files are
// written as fast as it goes: in the end each record is in one file, once, and each file was told of once, with
// its digest.
func TestKillChannels(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "kc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bucket, in := filepath.Join(dir, "bucket"), filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
data_dir   = %q
plugin_dir = %q
collector "files" "all" {
  config {
    paths  = [%q]
    format = "regent"
    poll   = "50ms"
  }
}
notifier "file" "out" {
  config {
    path = %q
  }
}
snapshot "s" {
  to            = %q
  history_every = "20ms"
  notify        = [notifier.file.out]
}
trail "t" {
  to     = %[5]q
  every  = "20ms"
  notify = [notifier.file.out]
}
`, dir+"/d", bin, in, filepath.Join(dir, "out.ndjson"), bucket)
	if err := os.WriteFile(filepath.Join(dir, "regent.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &client{address: "unix://" + dir + "/d/regent.sock"}
	var d *exec.Cmd
	start := func() {
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		d = exec.Command(filepath.Join(bin, "regent"), "run", "-c", filepath.Join(dir, "regent.hcl"))
		d.Stdout, d.Stderr = log, log
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
	}
	start()
	t.Cleanup(func() { _ = d.Process.Kill(); _ = d.Wait() })
	await := func(what string, ok func(api.Status) bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			var s api.Status
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err := c.call(ctx, "GET", "/v1/status", nil, nil, &s)
			cancel()
			if err == nil && ok(s) {
				return
			}
		}
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("%s never happened\n%s", what, log[max(0, len(log)-4000):])
	}
	var events, items atomic.Int64
	stop, written := make(chan struct{}), make(chan error, 1)
	go func() { written <- pour(filepath.Join(in, "a.log"), &events, &items, stop) }()
	n := max(8, kills(t)/2)
	for range n {
		// It answers, and then goes down in the middle of whatever it does.
		await("an answer", func(s api.Status) bool { return s.Sum.Stored > 0 })
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		if err := d.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = d.Wait()
		start()
	}
	close(stop)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	await("that everything is delivered", func(s api.Status) bool {
		var records int64
		for _, c := range s.Channels {
			records += c.Records
			if c.Waiting > 0 {
				return false
			}
		}
		return records >= events.Load()+items.Load() && s.Deliveries["notifier.file.out"]["pending"] == 0
	})
	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}

	told := deliveredFiles(t, filepath.Join(dir, "out.ndjson"))
	seen := map[string]int{}
	files := 0
	err = filepath.WalkDir(bucket, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		files++
		key, err := filepath.Rel(bucket, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if sum := record.Sum(text).String(); told[key] != sum {
			t.Errorf("%s has digest %s, told was %q", key, sum, told[key])
		}
		f, err := gzip.NewReader(strings.NewReader(string(text)))
		if err != nil {
			return err
		}
		var doc struct {
			Records            []struct{ EventID string }
			ConfigurationItems []struct{ ResourceID string }
		}
		if err := json.NewDecoder(f).Decode(&doc); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		for _, r := range doc.Records {
			seen[r.EventID]++
		}
		for _, it := range doc.ConfigurationItems {
			seen[it.ResourceID]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files != len(told) {
		t.Errorf("%d files are in the bucket, %d were told of", files, len(told))
	}
	for i := range events.Load() {
		if id := fmt.Sprint("e", i); seen[id] != 1 {
			t.Errorf("event %s is there %d times", id, seen[id])
		}
	}
	for i := range items.Load() {
		if id := fmt.Sprint("b", i); seen[id] != 1 {
			t.Errorf("item %s is there %d times", id, seen[id])
		}
	}
	t.Logf("%d kills, %d events, %d items, %d files", n, events.Load(), items.Load(), files)
}
