package host

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// TestReconfigure changes the configuration of a collector that is in the middle of a run: the new
// process is up before the old one stops, the old one's last checkpoint is durable before the new one
// begins, and nothing is sent twice or left out.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.steady(`{"records": 10, "stay": true, "last": 5}`)
	r.start(s)
	r.eventually("the first run has sent", func() bool { return r.sink.count() == 10 })
	before := r.only().PID
	r.eventually("its checkpoint is durable", func() bool { c, _ := r.sink.Cursor(t.Context(), s.Instance); return string(c) == "10" })

	r.sink.mu.Lock()
	r.sink.hold = true
	r.sink.mu.Unlock()
	s.Config = json.RawMessage(`{"records": 3, "stay": true}`)
	r.start(s)
	r.eventually("the old process has sent its last", func() bool { return r.sink.count() == 15 })
	time.Sleep(200 * time.Millisecond)
	if !alive(before) {
		t.Error("the old process ended before its checkpoint was durable")
	}
	if after := r.only().PID; after == before || !alive(after) {
		t.Error("the new process is not up beside the old one")
	}
	if n := r.sink.count(); n != 15 {
		t.Errorf("the new process collects already: %d events", n)
	}
	r.sink.release()
	r.eventually("the new process has sent", func() bool { return r.sink.count() == 18 })
	r.eventually("the old process has ended", func() bool { return !alive(before) })
	for i, id := range r.sink.ids() {
		if id != "e"+strconv.Itoa(i+1) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
	if gaps := r.sink.gaps(); len(gaps) > 0 {
		t.Errorf("got gaps %+v", gaps)
	}
	if st := r.only(); st.Restarts != 0 || !st.Healthy {
		t.Errorf("got %+v", st)
	}
}

func TestUnchangedInstanceIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.steady(`{"records": 1, "stay": true}`), r.steady(`{"records": 1, "stay": true}`)
	b.Instance = "collector.steady.other"
	r.start(a, b)
	pids := map[record.Instance]int{}
	for _, st := range r.Status() {
		pids[st.Instance] = st.PID
	}
	a.Where = &diag.Range{File: "moved.hcl"}
	b.Config = json.RawMessage(`{"records": 2, "stay": true}`)
	r.start(a, b)
	for _, st := range r.Status() {
		if same := st.PID == pids[st.Instance]; same != (st.Instance == a.Instance) {
			t.Errorf("%s: the same process: %v", st.Instance, same)
		}
	}
	r.start(a)
	r.eventually("the other is gone", func() bool { return len(r.Status()) == 1 })
	if alive(pids[b.Instance]) {
		t.Error("its first process lives")
	}
}

// TestRefusedConfigurationKeepsTheOldProcess refuses a change: the process from before goes on, the
// problems have their places, and a good configuration mends it.
func TestRefusedConfigurationKeepsTheOldProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.steady(`{"records": 1, "stay": true}`)
	s.Where = &diag.Range{File: "a.hcl", Start: diag.Pos{Line: 1}}
	line := &diag.Range{File: "a.hcl", Start: diag.Pos{Line: 7}}
	s.Place = func(path []string) *diag.Range {
		if slices.Equal(path, []string{"tls", "ca_file"}) {
			return line
		}
		return nil
	}
	r.start(s)
	pid := r.only().PID
	bad := s
	bad.Config = json.RawMessage(`{"refuse": "tls.ca_file"}`)
	ps := r.Apply(t.Context(), []Spec{bad})
	want := []diag.Problem{
		{Severity: diag.Error, Summary: "Invalid ca_file", Detail: "not this one", Where: line},
		{Severity: diag.Error, Summary: "Invalid configuration", Detail: "nor the rest", Where: s.Where},
	}
	if diff := cmp.Diff(want, ps); diff != "" {
		t.Error(diff)
	}
	st := r.only()
	if st.PID != pid || !alive(pid) || st.Healthy || !st.Outdated || !strings.Contains(st.Detail, "Meanwhile it runs with its configuration from before") {
		t.Errorf("got %+v", st)
	}
	bad.Config = json.RawMessage(`{"refuse": "some.where"}`)
	if ps := r.Apply(t.Context(), []Spec{bad}); len(ps) == 0 || ps[0].Where != s.Where || ps[0].Detail != "At some.where: not this one" {
		t.Errorf("got %+v", ps)
	}
	good := s
	good.Config = json.RawMessage(`{"records": 2, "stay": true}`)
	r.start(good)
	if st := r.only(); st.PID == pid || !st.Healthy && st.State != StateRunning || st.Outdated {
		t.Errorf("got %+v", st)
	}
}

// TestApplyTriesAgainAtOnce mends a binary whose instance waits for its next start.
func TestApplyTriesAgainAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Timing.BackoffLow, o.Timing.BackoffHigh = time.Hour, time.Hour })
	path := copyBinary(t, "steady", 0o775)
	s := r.steady(`{"records": 1}`)
	s.Path = path
	ps := r.Apply(t.Context(), []Spec{s})
	if len(ps) != 1 || !strings.Contains(ps[0].Detail, "chmod go-w "+path) {
		t.Fatalf("got %v", ps)
	}
	if st := r.only(); st.State != StateBackoff || st.Next.IsZero() || st.Crash.Phase != StateVerifying {
		t.Errorf("got %+v", st)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	r.start(s)
	r.eventually("it runs", func() bool { return r.only().Runs == 1 })
	if gaps := r.sink.gaps(); len(gaps) != 2 || gaps[1].To.IsZero() {
		t.Errorf("got gaps %+v", gaps)
	}
}

func TestApplyWhileApplying(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	slow := r.spec("slow", "SLOW=configure")
	done := make(chan []diag.Problem)
	go func() { done <- r.Apply(context.WithoutCancel(t.Context()), []Spec{slow}) }()
	r.eventually("it is being configured", func() bool {
		all := r.Status()
		return len(all) == 1 && all[0].State == StateConfiguring
	})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { r.Apply(context.WithoutCancel(t.Context()), nil) })
	}
	wg.Wait()
	if ps := <-done; len(ps) != 0 {
		t.Errorf("a superseded attempt reports %v", ps)
	}
	r.eventually("it is gone", func() bool { return len(r.Status()) == 0 })
}

// TestReconfigureNotifier changes a notifier while it delivers: the delivery is finished by the old
// process, the next is made by the new one, and none fails.
func TestReconfigureNotifier(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.notifier("slow", "SLOW=answer:700")
	r.start(s)
	before := r.only().PID
	notify := func() string {
		res, err := r.Notify(context.WithoutCancel(t.Context()), s.Instance, []*pluginv1.Notification{{Id: "n"}})
		if err != nil {
			return err.Error()
		}
		return res[0].GetDetail()
	}
	slow := make(chan string, 1)
	go func() { slow <- notify() }()
	r.eventually("the delivery is under way", func() bool {
		r.mu.Lock()
		in := r.instances[s.Instance]
		r.mu.Unlock()
		in.mu.Lock()
		serving := in.serving
		in.mu.Unlock()
		serving.mu.Lock()
		defer serving.mu.Unlock()
		return serving.calls == 1
	})
	s.Env = []string{"SLOW=answer"}
	r.start(s)
	if got, want := notify(), "n by "+itoa(r.only().PID); got != want || r.only().PID == before {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := <-slow, "n by "+itoa(before); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.eventually("the old process has ended", func() bool { return !alive(before) })
}
