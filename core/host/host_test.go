package host

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

func TestOneRunIsAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.steady(`{"records": 2500}`))
	r.eventually("the run is over", func() bool { return r.only().Runs == 1 })
	ids := r.sink.ids()
	if len(ids) != 2500 || ids[0] != "e1" || ids[2499] != "e2500" {
		t.Fatalf("got %d events", len(ids))
	}
	st := r.only()
	if st.State != StateRunning || !st.Healthy || st.Records != 2500 || st.PID == 0 || st.Version != "0.1.0" || len(st.SHA256) != 64 || !st.NextRun.IsZero() {
		t.Errorf("got %+v", st)
	}
	time.Sleep(100 * time.Millisecond)
	if n := r.sink.count(); n != 2500 {
		t.Errorf("it ran again: %d events", n)
	}
}

func TestRunsAgainAfterItsInterval(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.steady(`{"records": 3}`)
	s.Interval = 200 * time.Millisecond
	begin := time.Now()
	r.start(s)
	r.eventually("three runs are over", func() bool { return r.only().Runs >= 3 })
	if d := time.Since(begin); d < 380*time.Millisecond {
		t.Errorf("three runs took only %s", d)
	}
	if got, want := strings.Join(r.sink.ids()[:9], " "), "e1 e2 e3 e4 e5 e6 e7 e8 e9"; got != want {
		t.Errorf("got %s, want each run to continue at the cursor: %s", got, want)
	}
	if r.only().NextRun.IsZero() {
		t.Error("the next run does not show")
	}
	if gaps := r.sink.gaps(); len(gaps) > 0 {
		t.Errorf("got gaps %+v", gaps)
	}
}

func TestFailedRunIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.steady(`{"records": 1, "fail": "no access to the source"}`))
	r.eventually("several runs were tried", func() bool { return r.sink.count() >= 3 })
	st := r.only()
	if st.State != StateRunning || st.Healthy || st.Restarts != 0 || !strings.Contains(st.Summary, "collector.steady.test does not collect: no access to the source") {
		t.Errorf("got %+v", st)
	}
}

func TestBrokenSweepIsEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.steady(`{"records": 1, "sweep": "broken"}`))
	r.eventually("the run is over", func() bool { return r.only().Runs == 1 })
	var got []string
	for _, a := range r.sink.messages() {
		switch {
		case a.m.SweepBegin != nil:
			got = append(got, "begin "+a.m.SweepBegin.Scope)
		case a.m.SweepEnd != nil:
			got = append(got, "end "+strconv.FormatBool(a.m.SweepEnd.Complete))
		case a.m.Records != nil:
			got = append(got, "records")
		case a.m.Checkpoint != nil:
			got = append(got, "checkpoint")
		}
	}
	if diff := cmp.Diff([]string{"begin broken", "records", "checkpoint", "end false"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSinkThatBlocksHoldsUpThePlugin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sink.gate = make(chan struct{})
	r.start(r.steady(`{"records": 100000, "checkpoint": 1000}`))
	time.Sleep(500 * time.Millisecond)
	// A health check gets through while the stream is held up.
	time.Sleep(r.timing.HealthEvery)
	if st := r.only(); st.State != StateRunning || st.Records != 0 || st.Crash != nil {
		t.Errorf("got %+v", st)
	}
	rss := residentKiB(t, r.only().PID)
	if rss > 100<<10 {
		t.Errorf("the plugin holds %d KiB", rss)
	}
	close(r.sink.gate)
	r.eventually("everything arrives", func() bool { return r.sink.count() == 100_000 })
	for i, id := range r.sink.ids() {
		if id != "e"+strconv.Itoa(i+1) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
}

func TestBlockedSinkDoesNotKeepThePlugin(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Timing.Grace = 200 * time.Millisecond })
	r.sink.gate = make(chan struct{})
	r.start(r.steady(`{"records": 50000, "stay": true}`))
	pid := r.only().PID
	r.Apply(t.Context(), nil)
	r.eventually("the instance is gone", func() bool { return len(r.Status()) == 0 })
	if alive(pid) {
		t.Error("its process lives")
	}
	close(r.sink.gate)
}

// TestOpenGapIsEnded lets a collector begin for which an earlier daemon left a gap open.
func TestOpenGapIsEnded(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := newRig(t, func(o *Options) {
		o.OpenGap = func(context.Context, record.Instance) (time.Time, bool, error) { return from, true, nil }
	})
	s := r.steady(`{"records": 1}`)
	s.Interval = 50 * time.Millisecond
	r.start(s)
	r.eventually("two runs are over", func() bool { return r.only().Runs >= 2 })
	if gaps := r.sink.gaps(); len(gaps) != 1 || !gaps[0].From.Equal(from) || gaps[0].To.IsZero() || r.sink.messages()[0].m.Gap == nil {
		t.Errorf("got %+v", gaps)
	}
}

// TestSlowListenerHoldsUpNothing tells health to somebody who takes for ever.
func TestSlowListenerHoldsUpNothing(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	var told atomic.Int64
	r := newRig(t, func(o *Options) { o.OnHealth = func(Health) { told.Add(1); <-gate } })
	r.start(r.spec("crashy", "CRASHY=once:1"))
	r.eventually("it was started again and collects", func() bool { return r.sink.count() >= 2 })
	r.eventually("it is well", func() bool { return r.only().Healthy })
	close(gate)
	r.eventually("all was told in the end", func() bool { return told.Load() == 3 })
}

func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "acks")
	r.sink.hold = true
	r.start(r.steady(`{"records": 10, "checkpoint": 2, "stay": true, "acks": "` + file + `"}`))
	r.eventually("the checkpoints arrive", func() bool { return len(r.sink.messages()) == 10 })
	time.Sleep(50 * time.Millisecond)
	if b, err := os.ReadFile(file); err == nil {
		t.Fatalf("acknowledged before it was durable: %s", b)
	}
	r.sink.release()
	r.eventually("the last is acknowledged", func() bool {
		b, _ := os.ReadFile(file)
		return strings.HasSuffix(string(b), "5\n")
	})
}

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

func copyBinary(t testing.TB, plugin string, mode os.FileMode) string {
	t.Helper()
	b, err := os.ReadFile(binary(plugin))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "collector-"+plugin)
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInstancesDoNotDisturbOneAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	specs := []Spec{r.spec("crashy", "CRASHY=start"), r.spec("chatty"), r.steady(`{"records": 500}`)}
	for i := range 3 {
		s := r.steady(`{"records": 100, "checkpoint": 7}`)
		s.Instance = record.Instance("collector.steady.n" + strconv.Itoa(i))
		specs = append(specs, s)
	}
	ps := r.Apply(t.Context(), specs)
	if len(ps) != 1 {
		t.Errorf("got %v", ps)
	}
	r.eventually("the good ones have finished", func() bool {
		n := 0
		for _, st := range r.Status() {
			if st.Runs == 1 && st.Healthy {
				n++
			}
		}
		return n == 4
	})
	r.eventually("all events have arrived", func() bool { return r.sink.count() == 801 })
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

func TestNotify(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.notifier("slow", "SLOW=answer")
	r.start(s)
	pid := itoa(r.only().PID)
	var ns []*pluginv1.Notification
	var want []string
	for i := range 6 {
		// Together they are larger than one message may be, and the fourth is by itself.
		n := &pluginv1.Notification{Id: "n" + itoa(i), Json: make([]byte, 1500<<10)}
		want = append(want, "DELIVERED n"+itoa(i)+" by "+pid)
		if i == 3 {
			n.Json = make([]byte, 5<<20)
			want[i] = "REJECTED the notification has 5242905 bytes, more than the 4128768 that a plugin takes"
		}
		ns = append(ns, n)
	}
	res, err := r.Notify(t.Context(), s.Instance, ns)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range res {
		got = append(got, strings.TrimPrefix(x.GetOutcome().String(), "OUTCOME_")+" "+x.GetDetail())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if res, err := r.Notify(t.Context(), s.Instance, nil); err != nil || len(res) != 0 {
		t.Errorf("got %v, %v for nothing", res, err)
	}
	other := r.steady(`{"stay": true}`)
	r.start(s, other)
	if _, err := r.Notify(t.Context(), other.Instance, ns[:1]); !errors.Is(err, ErrUnknown) {
		t.Errorf("a collector takes notifications: %v", err)
	}
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

func TestDescribe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sum, err := Sum(binary("steady"))
	if err != nil {
		t.Fatal(err)
	}
	o := DescribeOptions{Path: binary("steady"), SHA256: strings.ToUpper(sum), RunDir: runFolder(t), Log: r.o.Log, Timing: quick()}
	d, got, err := Describe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if d.GetName() != "steady" || got != sum || len(d.GetConfig().GetAttributes()) == 0 {
		t.Errorf("got %v, %s", d, got)
	}
	first, _, err := r.Describe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := r.Describe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if first != again {
		t.Error("the second answer was not remembered")
	}
	o.SHA256 = strings.Repeat("0", 64)
	_, _, err = r.Describe(t.Context(), o)
	var sumErr *SumError
	if !errors.As(err, &sumErr) || !strings.Contains(err.Error(), sum) || !strings.Contains(err.Error(), o.SHA256) {
		t.Errorf("got %v, want both sums", err)
	}
	r.start(r.spec("liar", "LIAR=changing"))
	if _, _, err := r.Describe(t.Context(), DescribeOptions{Path: binary("liar")}); err != nil {
		t.Fatal(err)
	}
	r.Apply(t.Context(), nil)
	r.start(r.spec("liar", "LIAR=changing"))
	if !strings.Contains(r.logs.String(), "says something else of itself") {
		t.Error("the change is not in the log")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good, bad, gone := r.steady(`{"records": 1}`), r.steady(`{"refuse": "records"}`), r.steady(`{}`)
	gone.Path = filepath.Join(t.TempDir(), "collector-gone")
	gone.Where = &diag.Range{File: "a.hcl"}
	o := Options{RunDir: runFolder(t), Log: r.o.Log, Timing: quick()}
	ps, err := Check(t.Context(), o, []Spec{good, bad, gone})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ps {
		got = append(got, p.Summary)
	}
	if diff := cmp.Diff([]string{"Invalid records", "Invalid configuration", "Plugin refused"}, got); diff != "" {
		t.Error(diff)
	}
	if ps[2].Where != gone.Where || !strings.Contains(ps[2].Detail, "no such file") {
		t.Errorf("got %+v", ps[2])
	}
	if _, err := os.Stat(good.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state folder was touched: %v", err)
	}
	if left, _ := os.ReadDir(o.RunDir); len(left) > 0 {
		t.Errorf("left in the run folder: %v", left)
	}
}

func TestOnDescribeComesBeforeTheFirstRecord(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var described []string
	r := newRig(t, func(o *Options) {
		o.OnDescribe = func(inst record.Instance, d *pluginv1.DescribeResponse) {
			mu.Lock()
			defer mu.Unlock()
			described = append(described, string(inst)+" is "+d.GetName())
		}
	})
	r.start(r.steady(`{"records": 1}`))
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"collector.steady.test is steady"}, described); diff != "" {
		t.Error(diff)
	}
}
