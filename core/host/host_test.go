package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
