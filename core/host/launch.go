package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/diag"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// launch is an attempt to bring up a process for what is wanted.
type launch struct {
	want   want
	cancel context.CancelFunc
	done   chan launchResult
}

// launchResult is what came of it: a session, or an error with the phase in which it arose.
type launchResult struct {
	session  *session
	image    *image
	problems diag.Problems
	phase    State
	err      error
}

// result returns the channel on which the result comes; that of no launch gives none.
func (l *launch) result() <-chan launchResult {
	if l == nil {
		return nil
	}
	return l.done
}

// begin starts a launch.
func (in *instance) begin(ctx context.Context, w want) {
	ctx, cancel := context.WithCancel(ctx)
	l := &launch{want: w, cancel: cancel, done: make(chan launchResult, 1)}
	in.launch = l
	in.update(func(st *InstanceStatus) {
		if st.Next = (time.Time{}); in.failures > 0 {
			st.Restarts++
		}
	})
	enter := func(State) {}
	if in.current == nil {
		enter = in.setState
	}
	go func() {
		defer cancel()
		l.done <- in.bringUp(ctx, w.spec, enter)
	}()
}

// cancelLaunch calls off the launch under way and takes down what it made.
func (in *instance) cancelLaunch() {
	l := in.launch
	if l == nil {
		return
	}
	in.launch = nil
	l.cancel()
	if r := <-l.done; r.session != nil {
		r.session.proc.condemn("its start was called off")
		r.session.release()
		<-r.session.settled
		r.image.release()
	}
	l.want.answer(nil)
}

// bringUp verifies, starts and configures a process. enter is told of each phase.
func (in *instance) bringUp(ctx context.Context, spec *Spec, enter func(State)) (r launchResult) {
	b := in.h.base
	phase := func(s State) { r.phase = s; enter(s) }
	phase(StateVerifying)
	im, err := b.images.open(spec.Path, spec.SHA256)
	if err != nil {
		r.err = err
		return r
	}
	defer func() {
		if r.err != nil {
			im.release()
		}
	}()
	if err := os.MkdirAll(spec.StateDir, 0o700); err != nil {
		r.err = fmt.Errorf("make state folder: %w", err)
		return r
	}
	phase(StateStarting)
	s, err := b.connect(ctx, connectOptions{image: im, env: spec.Env, dir: spec.StateDir, log: in.log.With("plugin", spec.Plugin)})
	if err != nil {
		r.err = err
		return r
	}
	fail := func(err error) launchResult {
		r.err = s.proc.fail(ctx, err)
		s.release()
		<-s.settled
		return r
	}
	if d := s.described; !slices.Contains(d.GetRoles(), spec.Role) {
		return fail(fmt.Errorf("the plugin %s is no %s; it is a %s", printable([]byte(d.GetName()), maxKey), roleName(spec.Role), roleNames(d.GetRoles())))
	}
	in.h.o.OnDescribe(in.name, s.described)
	phase(StateConfiguring)
	r.problems, err = s.configure(ctx, spec)
	if err != nil {
		return fail(err)
	}
	if r.problems.HasErrors() {
		s.shutdown(ctx, b.timing.KillDelay)
		s.release()
		<-s.settled
		r.err = &refusal{r.problems}
		return r
	}
	r.session, r.image = s, im
	return r
}

// refusal is the error of a configuration that the plugin does not take.
type refusal struct{ problems diag.Problems }

func (e *refusal) Error() string {
	return "the plugin refuses its configuration: " + e.problems.Err().Error()
}

// configure hands the configuration over. The problems are the plugin's, the error ours.
func (s *session) configure(ctx context.Context, spec *Spec) (diag.Problems, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.Configure)
	defer cancel()
	config := spec.Config
	if len(config) == 0 {
		config = []byte("{}")
	}
	resp, err := s.plugin.Configure(ctx, &pluginv1.ConfigureRequest{
		Instance: string(spec.Instance), Config: config, StateDir: spec.StateDir,
		IntervalMs: spec.Interval.Milliseconds(), MaxMessageBytes: wire.MaxMessage,
	})
	if err != nil {
		return nil, callError("take its configuration", s.timing.Configure, err)
	}
	return problemsOf(spec, resp.GetProblems()), nil
}

func roleName(r pluginv1.Role) string {
	switch r {
	case pluginv1.Role_ROLE_COLLECTOR:
		return "collector"
	case pluginv1.Role_ROLE_NOTIFIER:
		return "notifier"
	case pluginv1.Role_ROLE_QUERY_ENGINE:
		return "query engine"
	}
	return fmt.Sprintf("plugin of role %d", int32(r))
}

func roleNames(rs []pluginv1.Role) string {
	var names []string
	for _, r := range rs {
		names = append(names, roleName(r))
	}
	return strings.Join(names, " and ")
}

// dotted shows an attribute path.
func dotted(path []string) string { return printable([]byte(strings.Join(path, ".")), maxKey) }

// Check launches each of specs, hands it its configuration, and stops it, without collecting or
// delivering anything. It returns what went wrong, in the order of specs. Plugins get an empty state
// folder of their own, so that a daemon that runs beside is not disturbed.
func Check(ctx context.Context, o Options, specs []Spec) ([]diag.Problem, error) {
	h, err := New(o)
	if err != nil {
		return nil, err
	}
	results := make([]diag.Problems, len(specs))
	done := make(chan struct{}, len(specs))
	for i := range specs {
		s := specs[i]
		s.StateDir = fmt.Sprintf("%s/state%d", h.base.private.path, i)
		go func() {
			defer func() { done <- struct{}{} }()
			results[i] = h.try(ctx, &s)
		}()
	}
	for range specs {
		<-done
	}
	var out []diag.Problem
	for _, ps := range results {
		out = append(out, ps...)
	}
	return out, h.Stop(ctx)
}

// try brings a process up and takes it down again.
func (h *Host) try(ctx context.Context, s *Spec) diag.Problems {
	r := newInstance(h, s.Instance).bringUp(ctx, s, func(State) {})
	if r.err != nil {
		if !r.problems.HasErrors() {
			r.problems.Errorf(s.Where, summaryOf(r.phase), "%s", r.err)
		}
		return r.problems
	}
	r.session.shutdown(ctx, h.timing.Grace)
	r.session.release()
	<-r.session.settled
	r.image.release()
	return r.problems
}
