package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/core/diag"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

func problemsErr(ps []diag.Problem) error { return diag.Problems(ps).Err() }

// TestLaunchFailures launches plugins that fail on the way up. The instance reports each in words that
// name the cause, goes on trying, and ends up failed.
func TestLaunchFailures(t *testing.T) {
	t.Parallel()
	short := func(o *Options) {
		o.Timing.Handshake, o.Timing.Describe, o.Timing.Configure = 400*time.Millisecond, 400*time.Millisecond, 400*time.Millisecond
	}
	for _, c := range []struct {
		name, plugin, env string
		want              []string
		change            func(*Options)
	}{
		{"dies at its start", "crashy", "CRASHY=start", []string{"ended with status 3 before its handshake", "cannot open /dev/nonsense"}, nil},
		{"dies within the handshake", "crashy", "CRASHY=half", []string{"ended with status 4 before its handshake", "1|1|unix|/"}, nil},
		{"dies after the handshake", "crashy", "CRASHY=after", []string{"ended with status 5"}, nil},
		{"panics in Describe", "crashy", "CRASHY=describe", []string{"ended with status 2", "panic: no description"}, nil},
		{"panics in Configure", "crashy", "CRASHY=configure", []string{"ended with status 2", "panic: no configuration"}, nil},
		{"hangs before the handshake", "slow", "SLOW=handshake", []string{"made no handshake within 400ms"}, short},
		{"hangs in Describe", "slow", "SLOW=describe", []string{"did not describe itself within 400ms"}, short},
		{"hangs in Configure", "slow", "SLOW=configure", []string{"did not take its configuration within 400ms"}, short},
		{"older protocol", "liar", "LIAR=older", []string{"version 0 of the plugin protocol, this daemon version 1", "build the plugin with a newer SDK"}, nil},
		{"newer protocol", "liar", "LIAR=newer", []string{"version 7 of the plugin protocol, this daemon version 1", "upgrade the daemon"}, nil},
		{"other core protocol", "liar", "LIAR=core", []string{"handshake has version 9"}, nil},
		{"listens on TCP", "liar", "LIAR=network", []string{"only Unix sockets are taken"}, nil},
		{"listens elsewhere", "liar", "LIAR=outside", []string{"/run/other.sock, outside the folder"}, nil},
		{"no certificate", "liar", "LIAR=nocert", []string{"does not take part in mutual TLS"}, nil},
		{"net/rpc", "liar", "LIAR=netrpc", []string{`speaks "netrpc"; it must serve gRPC`}, nil},
		{"nonsense description", "liar", "LIAR=nonsense", []string{
			"has no name", "A::B::C is not JSON", "A::B::C twice", "without a name", "does not begin with a slash", "default of attribute a is not JSON", "has a twice",
		}, nil},
		{"wrong role", "liar", "LIAR=role", []string{"the plugin liar is no collector; it is a notifier"}, nil},
		{"huge description", "huge", "HUGE=describe", []string{"larger than the 4194304 bytes allowed"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var changes []func(*Options)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			r := newRig(t, changes...)
			ps := r.Apply(t.Context(), []Spec{r.spec(c.plugin, c.env)})
			if len(ps) != 1 || ps[0].Severity != diag.Error {
				t.Fatalf("got problems %v, want one error", ps)
			}
			for _, want := range c.want {
				if !strings.Contains(ps[0].Detail, want) {
					t.Errorf("problem %q does not say %q", ps[0].Detail, want)
				}
			}
			if st := r.only(); st.State != StateBackoff && st.State != StateFailed && st.Restarts == 0 || st.Healthy || st.Crash == nil {
				t.Errorf("got status %+v", st)
			}
			if c.change == nil {
				r.eventually("the instance is failed", func() bool { return r.only().State == StateFailed })
			}
			r.eventually("health is told", func() bool { return len(r.health.list()) > 0 })
			if hs := r.health.list(); hs[0].Healthy || hs[0].Summary == "" || hs[0].Detail == "" {
				t.Errorf("got health %+v", hs)
			}
		})
	}
}

func TestCrashReport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.spec("crashy", "CRASHY=idle:100"))
	r.eventually("the crash is reported", func() bool { return r.only().Crash != nil })
	c := r.only().Crash
	if c.Phase != StateRunning || c.Count != 1 || c.Uptime < 100*time.Millisecond || c.Next.IsZero() {
		t.Errorf("got %+v", c)
	}
	for _, want := range []string{"collector.crashy.test ended with status 6.\n", "It ran for ", "It wrote nothing.", "It is started again at", "(1 failure in a row)"} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("report does not say %q:\n%s", want, c)
		}
	}
}

// TestCrashInStream kills a collector in its stream: what it sent counts, a gap is told, and the next
// process continues at the cursor.
func TestCrashInStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.spec("crashy", "CRASHY=once:5"))
	r.eventually("both processes have sent", func() bool { return r.sink.count() >= 10 })
	if got, want := strings.Join(r.sink.ids(), " "), "1 2 3 4 5 6 7 8 9 10"; got != want {
		t.Errorf("got events %s, want %s", got, want)
	}
	gaps := r.sink.gaps()
	if len(gaps) != 2 || !gaps[0].To.IsZero() || gaps[1].To.IsZero() || !gaps[0].From.Equal(gaps[1].From) || !gaps[1].To.After(gaps[1].From) {
		t.Fatalf("got gaps %+v, want one that opens and then ends", gaps)
	}
	if want := "the process of the collector ended with status 2"; gaps[1].Reason != want {
		t.Errorf("got reason %q, want %q", gaps[1].Reason, want)
	}
	r.eventually("the instance is healthy again", func() bool { return r.only().Healthy })
	st := r.only()
	if st.Crash == nil || !strings.HasPrefix(strings.Join(st.Crash.Lines, "\n"), "panic: the source is gone") {
		t.Errorf("the report does not begin with the panic: %+v", st.Crash)
	}
	r.eventually("health is told", func() bool { return len(r.health.list()) >= 3 })
	hs := r.health.list()
	var got []bool
	for _, h := range hs {
		got = append(got, h.Healthy)
	}
	if fmt.Sprint(got) != "[true false true]" {
		t.Errorf("got health %+v", hs)
	}
	if !strings.Contains(r.logs.String(), "a plugin ended unasked") {
		t.Error("the crash is not in the log")
	}
}

func TestNoise(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.spec("chatty"))
	r.eventually("the event arrives", func() bool { return r.sink.count() == 1 })
	r.eventually("the log holds everything", func() bool {
		log := r.logs.String()
		for _, want := range []string{
			"standard output: welcome to chatty", "standard output: 1|not a handshake", `msg=5`, `level=INFO msg="from slog"`, "n=9007199254740993",
			`level=DEBUG msg="from hclog"`, "@module=m", `level=ERROR msg=bad`, "plugin.instance=mine", `level=WARN msg="plain text"`, "cut=true",
			"standard output: a forgotten print", `level=INFO msg="logged late"`, "to the first standard output",
		} {
			if !strings.Contains(log, want) {
				return false
			}
		}
		return true
	})
	r.Apply(t.Context(), nil)
	r.eventually("the line without an end is logged in the end", func() bool { return strings.Contains(r.logs.String(), `msg="no end of line`) })
	if strings.Contains(r.logs.String(), "\x1b[31m") {
		t.Error("control characters reach the log")
	}
}

func TestFlood(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.spec("chatty", "CHATTY=flood"))
	r.eventually("the event arrives", func() bool { return r.sink.count() == 1 })
	if st := r.only(); st.State != StateRunning {
		t.Errorf("got state %s", st.State)
	}
	if n := strings.Count(r.logs.String(), "flood"); n > 100_000 {
		t.Errorf("%d lines reached the log", n)
	}
}

func TestDeafPluginIsKilled(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"answers", "hang"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *Options) { o.Timing.Grace = 300 * time.Millisecond })
			r.start(r.spec("deaf", "DEAF="+mode))
			r.eventually("the event arrives", func() bool { return r.sink.count() == 1 })
			pid := r.only().PID
			begin := time.Now()
			if ps := r.Apply(t.Context(), nil); len(ps) > 0 {
				t.Fatal(ps)
			}
			r.eventually("the instance is gone", func() bool { return len(r.Status()) == 0 })
			if alive(pid) {
				t.Error("the process lives")
			}
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("it took %s", d)
			}
			for _, want := range []string{"within its grace", "sending SIGTERM", "sending SIGKILL"} {
				if !strings.Contains(r.logs.String(), want) {
					t.Errorf("the log does not say %q", want)
				}
			}
		})
	}
}

func TestStopKillsWhenTimeIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Timing.Grace = time.Minute })
	r.start(r.spec("deaf"))
	pid := r.only().PID
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := r.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if alive(pid) {
		t.Error("the process lives")
	}
	if ps := r.Apply(t.Context(), []Spec{r.spec("steady")}); problemsErr(ps) == nil {
		t.Error("a stopped host takes instances")
	}
}

func TestHugeMessageFailsTheRunOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.spec("huge"))
	r.eventually("several runs were tried", func() bool { return r.sink.count() >= 3 })
	r.eventually("the reason shows", func() bool { return strings.Contains(r.only().Summary, "larger than the 4194304 bytes") })
	if st := r.only(); st.State != StateRunning || st.Restarts != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestLiesInTheStream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mode, want string }{
		{"sweeps", `sweep "s" begins twice`},
		{"unbegun", `sweep "s" ends and was not begun`},
		{"cursor", "cursor has 2097152 bytes; at most 1048576 are kept"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.start(r.spec("liar", "LIAR="+c.mode))
			r.eventually("the breach is told", func() bool { return strings.Contains(r.only().Summary, c.want) })
			if st := r.only(); st.State != StateRunning || st.Healthy {
				t.Errorf("got %+v", st)
			}
		})
	}
	t.Run("broken sweeps are ended", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.start(r.spec("liar", "LIAR=sweeps"))
		r.eventually("the sweep is ended", func() bool { return len(r.sink.messages()) >= 2 })
		if end := r.sink.messages()[1].m.SweepEnd; end == nil || end.ID != "s" || end.Complete {
			t.Errorf("got %+v, want an incomplete end", end)
		}
	})
	t.Run("damaged records pass", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.start(r.spec("liar", "LIAR=records"))
		r.eventually("the records arrive", func() bool { return r.sink.count() == 4 })
	})
	t.Run("large batches are cut and unknown kinds kept apart", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.start(r.spec("liar", "LIAR=kinds"))
		r.eventually("the records arrive", func() bool { return r.sink.count() == 2500 })
		ms := r.sink.messages()
		if len(ms) != 3 || len(ms[0].m.Records) != 1000 || len(ms[2].m.Records) != 500 {
			t.Errorf("got %d messages", len(ms))
		}
		if got := ms[0].m.Records[:4]; got[0].Kind != 77 || got[1].Kind != 0 || got[2].Kind != 0 || got[3].Kind != 2 {
			t.Errorf("got kinds %v %v %v %v", got[0].Kind, got[1].Kind, got[2].Kind, got[3].Kind)
		}
	})
	t.Run("unreadable gaps become problems", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.start(r.spec("liar", "LIAR=gap"))
		r.eventually("the problem arrives", func() bool { return len(r.sink.messages()) == 1 })
		if p := r.sink.messages()[0].m.Problem; p == nil || !strings.Contains(p.Detail, "asleep") || !strings.Contains(p.Detail, "yesterday") {
			t.Errorf("got %+v", p)
		}
	})
}

func TestNewerPluginWorks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(r.spec("newer"))
	r.eventually("everything known arrives", func() bool { return len(r.sink.messages()) == 2 })
	if got := r.sink.ids(); len(got) != 1 || got[0] != "1" {
		t.Errorf("got events %v", got)
	}
}

func TestFrozenPluginIsRestarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) {
		o.Timing.HealthEvery, o.Timing.HealthDeadline, o.Timing.HealthMisses = 50*time.Millisecond, 50*time.Millisecond, 2
	})
	r.start(r.spec("slow", "SLOW=frozen"))
	r.eventually("the process is ended", func() bool { return r.only().Crash != nil })
	if c := r.only().Crash; !strings.Contains(c.Summary, "was ended because it did not answer health checks") {
		t.Errorf("got %q", c.Summary)
	}
}

func TestChildOfPluginEndsWithIt(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"crash", "stop"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.spec("forky", "FORKY="+mode)
			r.start(s)
			child := readPID(t, filepath.Join(s.StateDir, "child"))
			if mode == "stop" {
				if !alive(child) {
					t.Fatal("there is no child")
				}
				r.Apply(t.Context(), nil)
			}
			r.eventually("the child has ended", func() bool { return !alive(child) })
		})
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(path)
		if err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestNothingSurvivesAKilledDaemon kills a real process that runs the host. Its plugin ends at once,
// even one that ignores everything; what the plugin started is ended by the next daemon.
func TestNothingSurvivesAKilledDaemon(t *testing.T) {
	t.Parallel()
	for _, plugin := range []string{"steady", "deaf", "forky"} {
		t.Run(plugin, func(t *testing.T) {
			t.Parallel()
			run, state := runFolder(t), t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "REGENT_FAKE_DAEMON="+binary(plugin), "REGENT_FAKE_RUN="+run, "REGENT_FAKE_STATE="+state)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatalf("the daemon says %q", line)
			}
			if !alive(pid) {
				t.Fatal("the plugin does not run")
			}
			if err := unix.Kill(cmd.Process.Pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			r := &rig{t: t}
			r.eventually("the plugin has ended", func() bool { return !alive(pid) })
			left, err := os.ReadDir(run)
			if err != nil || len(left) != 1 {
				t.Fatalf("got %v, %v, want one leftover", left, err)
			}
			if plugin == "forky" {
				if child := readPID(t, filepath.Join(state, "child")); !alive(child) {
					t.Error("the child ended by itself; the test shows nothing")
				}
			}
			// The next daemon finds and removes what was left.
			newRig(t, func(o *Options) { o.RunDir = run })
			if plugin == "forky" {
				child := readPID(t, filepath.Join(state, "child"))
				r.eventually("the child has ended", func() bool { return !alive(child) })
			}
			if _, err := os.Stat(filepath.Join(run, left[0].Name())); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the leftover is still there: %v", err)
			}
		})
	}
}

func TestNotifyFailures(t *testing.T) {
	t.Parallel()
	one := []*pluginv1.Notification{{Id: "a", Json: []byte("{}")}}
	for _, c := range []struct {
		name, plugin, env string
		want              string
		down              bool
	}{
		{"dies", "crashy", "CRASHY=notify", "its process ended with status 7 during the delivery", true},
		{"hangs", "slow", "SLOW=notify", "did not deliver within 300ms", false},
		{"answers too few", "liar", "LIAR=answers", "answered 0 of 1 notifications", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *Options) { o.Timing.Notify, o.Timing.Grace = 300*time.Millisecond, 300*time.Millisecond })
			s := r.notifier(c.plugin, c.env)
			r.start(s)
			_, err := r.Notify(t.Context(), s.Instance, one)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrDown) != c.down {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("unknown outcome", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		s := r.notifier("liar", "LIAR=outcome")
		r.start(s)
		res, err := r.Notify(t.Context(), s.Instance, one)
		if err != nil {
			t.Fatal(err)
		}
		if res[0].GetOutcome() != pluginv1.NotifyResult_OUTCOME_RETRY || res[0].GetRetryAfterMs() != 0 || strings.Contains(res[0].GetDetail(), "\x1b") {
			t.Errorf("got %v", res[0])
		}
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(o *Options) { o.Timing.BackoffLow, o.Timing.BackoffHigh = time.Hour, time.Hour })
		s := r.notifier("crashy", "CRASHY=start")
		r.Apply(t.Context(), []Spec{s})
		_, err := r.Notify(t.Context(), s.Instance, one)
		if !errors.Is(err, ErrDown) || !strings.Contains(err.Error(), "ended with status 3") || !strings.Contains(err.Error(), "it is started again at") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		if _, err := r.Notify(t.Context(), "notifier.no.one", one); !errors.Is(err, ErrUnknown) {
			t.Errorf("got %v", err)
		}
	})
}
