package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
)

// The load of BenchmarkNotify.
const (
	notifyRate  = 1000
	notifyBoxes = 15_000
)

// changesCommand makes the test binary a program that collector-exec runs: it lists boxes, waits for the
// daemon to have taken them as the first listing that they are, and then opens them one after another.
const changesCommand = "bench-changes"

func runChanges() {
	w := bufio.NewWriter(os.Stdout)
	box := func(i int, open bool, sent int64) {
		fmt.Fprintf(w, `{"resourceType":"Bench::Box::Box","resourceId":"box-%d","configuration":{"open":%t,"sent":"%d"}}`+"\n", i, open, sent)
	}
	for i := range notifyBoxes {
		box(i, false, 0)
	}
	w.Flush()
	go func() {
		// The collector is told to stop while this waits or writes.
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	time.Sleep(15 * time.Second)
	start := time.Now()
	for i := range notifyBoxes {
		at := start.Add(time.Duration(i) * time.Second / notifyRate)
		time.Sleep(time.Until(at))
		box(i, true, time.Now().UnixNano())
		w.Flush()
	}
	time.Sleep(time.Hour)
}

// BenchmarkNotify measures the way from a change that a collector sees to its notification at a receiver,
// at 1,000 changes a second, each of which opens a finding and is a request of its own. The budget is
// 100 ms for the 99th of a hundred.
func BenchmarkNotify(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var mu sync.Mutex
		var took []time.Duration
		last := time.Now()
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			now := time.Now()
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			for _, sent := range sentTimes(body) {
				mu.Lock()
				took = append(took, now.Sub(time.Unix(0, sent)))
				last = now
				mu.Unlock()
			}
		}))
		dir := benchDir(b)
		benchFile(b, filepath.Join(dir, "p", "closed.rego"), `# METADATA
# title: Boxes are closed
# custom: {severity: high, resource_types: [Bench::Box::Box]}
package compliance.bench.closed

deny contains {"msg": $"sent={input.resource.configuration.sent};", "path": "/configuration/open"} if input.resource.configuration.open
`)
		d := runDaemon(b, dir, fmt.Sprintf(`
policies {
  path = "p"
}
collector "exec" "changes" {
  config {
    command = [%q, %q]
  }
}
notifier "webhook" "out" {
  config {
    url = %q
  }
}
route "all" {
  on     = ["compliance"]
  notify = [notifier.webhook.out]
}
`, self, changesCommand, receiver.URL))
		d.until("the boxes", time.Minute, func(s api.Status) bool { return s.Sum.Stored == notifyBoxes })
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			mu.Lock()
			n := len(took)
			mu.Unlock()
			if n == notifyBoxes {
				break
			}
			if time.Now().After(deadline) {
				b.Fatalf("%d of %d changes were notified", n, notifyBoxes)
			}
		}
		d.stop()
		receiver.Close()
		first := last.Add(-notifyBoxes * time.Second / notifyRate)
		slices.Sort(took)
		at := func(p float64) float64 {
			return float64(took[min(len(took)-1, int(p*float64(len(took))))]) / float64(time.Millisecond)
		}
		b.ReportMetric(at(0.50), "ms-p50")
		b.ReportMetric(at(0.99), "ms-p99")
		b.ReportMetric(at(1), "ms-max")
		b.ReportMetric(notifyBoxes/last.Sub(first).Seconds(), "changes/s")
	}
}

// sentTimes finds when the changes of a notification were sent.
func sentTimes(body []byte) (out []int64) {
	var doc any
	if json.Unmarshal(body, &doc) != nil {
		return nil
	}
	seen := map[int64]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case string:
			if _, rest, ok := strings.Cut(v, "sent="); ok {
				text, _, _ := strings.Cut(rest, ";")
				if n, err := strconv.ParseInt(text, 10, 64); err == nil && !seen[n] {
					seen[n] = true
					out = append(out, n)
				}
			}
		}
	}
	walk(doc)
	return out
}
