package host

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// want is what an instance is to be.
type want struct {
	// spec is nil where the instance is to stop.
	spec *Spec
	// seq counts the changes; a process that was started for another number is to be replaced.
	seq uint64
	// tried gets what came of the first attempt.
	tried chan diag.Problems
}

// answer tells whoever waits what came of the first attempt; later answers are dropped.
func (w want) answer(ps diag.Problems) {
	if w.tried == nil {
		return
	}
	select {
	case w.tried <- ps:
	default:
	}
}

// instance supervises the process of one instance. run is its one goroutine; what it shares with
// others is behind mu.
type instance struct {
	h    *Host
	name record.Instance
	log  *slog.Logger
	// changed wakes run after want has changed.
	changed chan struct{}

	mu       sync.Mutex
	want     want
	status   InstanceStatus
	troubles [troubleKinds]*trouble
	told     bool
	// serving takes calls of Notify; nil where no process serves.
	serving *tenure

	// The rest is run's own.
	current  *tenure
	launch   *launch
	failures int
	retry    *time.Timer
	settling *time.Timer
	// collector is what outlives the processes of a collector.
	collector *collector
	// served is closed when the tenure before has sent its last message.
	served chan struct{}
	// background are the goroutines of tenures.
	background sync.WaitGroup
}

func newInstance(h *Host, name record.Instance) *instance {
	in := &instance{
		h: h, name: name, log: h.o.Log.With("instance", string(name)),
		changed: make(chan struct{}, 1), served: make(chan struct{}),
	}
	close(in.served)
	in.collector = newCollector(in)
	in.status = InstanceStatus{Instance: name, State: StateDeclared, Since: time.Now()}
	return in
}

// set says what the instance is to be. It returns a channel that gets what came of the first attempt,
// or nil where there is nothing to attempt.
func (in *instance) set(s *Spec) <-chan diag.Problems {
	in.mu.Lock()
	defer in.mu.Unlock()
	old := in.want
	switch {
	case s == nil && old.spec == nil && old.seq > 0:
		return nil
	case s != nil && old.spec != nil && old.spec.same(s):
		// The block may have moved in its file. One that waits to be started again is tried at once:
		// whoever applies a configuration has perhaps just mended what was wrong.
		in.want.spec = s
		in.wake()
		return nil
	}
	old.answer(nil)
	in.want = want{spec: s, seq: old.seq + 1}
	if s != nil {
		in.want.tried = make(chan diag.Problems, 1)
		in.status.Plugin, in.status.Path = s.Plugin, s.Path
	}
	in.wake()
	return in.want.tried
}

func (in *instance) wake() {
	select {
	case in.changed <- struct{}{}:
	default:
	}
}

func (in *instance) wanted() want {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.want
}

// run keeps the instance what it is wanted to be, until it is not wanted any more.
func (in *instance) run() {
	ctx := in.h.hard
	seq := uint64(0)
	for {
		w := in.wanted()
		if w.seq != seq {
			seq, in.failures = w.seq, 0
		}
		if w.spec == nil {
			in.cancelLaunch()
			in.stopCurrent()
			in.setState(StateStopped)
			in.background.Wait()
			if in.h.retire(in) {
				return
			}
			continue
		}
		if in.launch != nil && in.launch.want.seq != w.seq {
			in.cancelLaunch()
		}
		if in.launch == nil && in.retry == nil && (in.current == nil || in.current.want.seq != w.seq) {
			in.begin(ctx, w)
		}
		select {
		case <-in.changed:
			in.clearRetry()
		case r := <-in.launch.result():
			in.launched(r)
		case <-in.current.exited():
			in.crashed()
		case <-after(in.retry):
			in.retry = nil
		case <-after(in.settling):
			in.settling = nil
			in.setTrouble(troubleProcess, nil)
		case <-ctx.Done():
			in.cancelLaunch()
			in.stopCurrent()
			in.background.Wait()
			in.h.retire(in)
			return
		}
	}
}

// after returns a timer's channel; that of no timer never fires.
func after(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

func (in *instance) clearRetry() {
	if in.retry != nil {
		in.retry.Stop()
		in.retry = nil
	}
}

// launched takes the result of a launch.
func (in *instance) launched(r launchResult) {
	w := in.launch.want
	in.launch = nil
	if r.err != nil {
		in.refused(w, r)
		return
	}
	old := in.current
	t := in.enter(w, r.session, r.image)
	if old != nil {
		in.leave(old)
	}
	in.current = t
	in.setTrouble(troubleConfig, nil)
	switch {
	case in.failures == 0:
		in.setTrouble(troubleProcess, nil)
	case in.settling == nil:
		// What has just failed may fail again at once.
		in.settling = time.NewTimer(in.h.timing.Settle)
	}
	w.answer(r.problems)
}

// refused handles a launch that failed.
func (in *instance) refused(w want, r launchResult) {
	in.failures++
	phase := r.phase
	c := &Crash{At: time.Now(), Phase: phase, Summary: r.err.Error(), Count: in.failures}
	var le *launchError
	if errors.As(r.err, &le) {
		c.Summary, c.Uptime, c.Lines = le.err.Error(), le.uptime, le.lines
	}
	c.Summary = fmt.Sprintf("%s is not up: %s", in.name, strings.ReplaceAll(c.Summary, "\n", "; "))
	in.scheduleRetry(c)
	in.log.Error("a plugin could not be started", "plugin", w.spec.Plugin, "phase", string(phase), "err", r.err, "next", c.Next)
	if in.current != nil {
		// The process with the configuration before goes on.
		in.update(func(st *InstanceStatus) { st.Outdated = true })
		in.setState(StateRunning)
		in.setTrouble(troubleConfig, &trouble{summary: c.Summary, detail: c.Detail() + "\nMeanwhile it runs with its configuration from before."})
	} else {
		in.setTrouble(troubleProcess, &trouble{summary: c.Summary, detail: c.Detail()})
		in.chain(func() { in.collector.tellDown(c.Summary) })
	}
	ps := r.problems
	if !ps.HasErrors() {
		ps.Errorf(w.spec.Where, summaryOf(phase), "%s", r.err)
	}
	w.answer(ps)
}

func summaryOf(phase State) string {
	switch phase {
	case StateVerifying:
		return "Plugin refused"
	case StateConfiguring:
		return "Plugin could not be configured"
	}
	return "Plugin could not be started"
}

// scheduleRetry sets when the instance is started again.
func (in *instance) scheduleRetry(c *Crash) {
	t := in.h.timing
	d := backoff(in.failures, t.QuickExits, t.BackoffLow, t.BackoffHigh, nil)
	c.Next = time.Now().Add(d)
	in.clearRetry()
	in.retry = time.NewTimer(d)
	if in.settling != nil {
		in.settling.Stop()
		in.settling = nil
	}
	state := StateBackoff
	if in.failures >= t.QuickExits {
		state = StateFailed
		c.Summary += fmt.Sprintf(" (%d failures in a row)", t.QuickExits)
	}
	in.setState(state)
	in.update(func(st *InstanceStatus) {
		st.Crash, st.Next = c, c.Next
		if in.current == nil {
			st.PID, st.Started = 0, time.Time{}
		}
	})
}

// crashed handles the end of the current process that nobody asked for.
func (in *instance) crashed() {
	t := in.current
	in.current = nil
	in.mu.Lock()
	in.serving = nil
	in.mu.Unlock()
	exit := t.session.proc.exit
	if exit.Uptime >= in.h.timing.HealthyFor {
		in.failures = 0
	}
	in.failures++
	in.update(func(st *InstanceStatus) { st.Outdated = false })
	c := &Crash{
		At: exit.At, Phase: StateRunning, Summary: fmt.Sprintf("%s %s", in.name, exit),
		Uptime: exit.Uptime, Lines: t.session.proc.out.tail(), Count: in.failures,
	}
	if in.launch == nil {
		in.scheduleRetry(c)
	} else {
		in.update(func(st *InstanceStatus) { st.Crash, st.PID, st.Started = c, 0, time.Time{} })
	}
	in.log.Error("a plugin ended unasked", "plugin", t.want.spec.Plugin, "exit", exit.String(),
		"uptime", roundUptime(exit.Uptime).String(), "output", c.Lines, "next", c.Next)
	in.setTrouble(troubleConfig, nil)
	in.setTrouble(troubleProcess, &trouble{summary: c.Summary, detail: c.Detail()})
}

// stopCurrent lets the current process drain and waits for it.
func (in *instance) stopCurrent() {
	in.clearRetry()
	if in.settling != nil {
		in.settling.Stop()
		in.settling = nil
	}
	if t := in.current; t != nil {
		in.current = nil
		in.leave(t)
		<-t.left
	}
	in.update(func(st *InstanceStatus) {
		st.PID, st.Started, st.Next, st.NextRun = 0, time.Time{}, time.Time{}, time.Time{}
	})
}

// chain runs f after all that was chained before has ended: the messages of an instance leave one
// after another, whichever of its processes they are from.
func (in *instance) chain(f func()) {
	before, done := in.served, make(chan struct{})
	in.served = done
	in.background.Add(1)
	go func() {
		defer in.background.Done()
		defer close(done)
		<-before
		f()
	}()
}

// maxProblems bounds how many of a plugin's problems are shown.
const maxProblems = 100

// problemsOf turns a plugin's answer to its configuration into problems with a place.
func problemsOf(s *Spec, in []*pluginv1.Problem) diag.Problems {
	var out diag.Problems
	for i, p := range in {
		if i == maxProblems {
			out.Warnf(s.Where, "Too many problems", "The plugin names %d more problems.", len(in)-i)
			break
		}
		d := diag.Problem{Severity: diag.Error, Summary: printable([]byte(p.GetSummary()), maxKey), Detail: printable([]byte(p.GetDetail()), maxText), Where: s.Where}
		if p.GetSeverity() == pluginv1.Problem_SEVERITY_WARNING {
			d.Severity = diag.Warning
		}
		if d.Summary == "" {
			d.Summary = "Invalid configuration"
		}
		if path := p.GetPath(); len(path) > 0 {
			var at *diag.Range
			if s.Place != nil {
				at = s.Place(path)
			}
			if at != nil {
				d.Where = at
			} else {
				d.Detail = fmt.Sprintf("At %s: %s", dotted(path), d.Detail)
			}
		}
		out = append(out, d)
	}
	return out
}
