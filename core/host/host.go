package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Spec is one instance as the configuration declares it.
type Spec struct {
	Instance record.Instance
	Role     pluginv1.Role
	// Plugin is the plugin's name in the configuration.
	Plugin string
	// Path is the binary, SHA256 what it must be, in hexadecimal; "" takes any content.
	Path, SHA256 string
	// Env names the variables that the plugin gets beside the usual ones; "NAME=value" sets one.
	Env []string
	// Config is the config block as JSON.
	Config json.RawMessage
	// Interval is the time from the start of one run of a collector to the next, 0 where one run is
	// all or the run does not end.
	Interval time.Duration
	// StateDir is a folder of the instance's own; it is made where it is missing.
	StateDir string
	// Grace is how long the process may take to stop; 0 takes the host's default.
	Grace time.Duration
	// Where is the instance's block, nil where it stands in no file.
	Where *diag.Range
	// Place returns the place of an attribute of the config block; it may be nil.
	Place func(path []string) *diag.Range
}

// same reports whether a process that was started for s also serves o.
func (s *Spec) same(o *Spec) bool {
	return s.Instance == o.Instance && s.Role == o.Role && s.Plugin == o.Plugin && s.Path == o.Path &&
		strings.EqualFold(s.SHA256, o.SHA256) && slices.Equal(s.Env, o.Env) &&
		string(s.Config) == string(o.Config) && s.Interval == o.Interval && s.StateDir == o.StateDir
}

// Sink takes what collectors say.
type Sink interface {
	// Accept takes one message; it is not called concurrently for one instance. Blocking holds up the
	// plugin. An error ends the collector's run, which begins again at its cursor.
	Accept(ctx context.Context, inst record.Instance, m record.Message) error
}

// Cursors knows where collectors continue.
type Cursors interface {
	// Cursor returns the cursor of the last checkpoint that is durable, nil where there is none.
	Cursor(ctx context.Context, inst record.Instance) ([]byte, error)
}

// Options are what a host needs. Log is required, and for collectors Sink and Cursors.
type Options struct {
	// RunDir is where private folders for sockets are made; it should be short and out of the reach
	// of what cleans up by age. "" is the folder "run" in DataDir.
	RunDir string
	// DataDir is used for copies of scripts where RunDir is mounted noexec.
	DataDir string
	Log     *slog.Logger
	Sink    Sink
	Cursors Cursors
	// OnHealth is told when an instance is well for the first time, becomes unhealthy, is well again,
	// or the reason changes. It is called one at a time, in order, and may take its time.
	OnHealth func(Health)
	// OnDescribe is told what the plugin of an instance says of itself, before it is configured. It
	// is called at each launch and must not block.
	OnDescribe func(record.Instance, *pluginv1.DescribeResponse)
	// OpenGap returns when a gap began that an earlier daemon left open for a collector, so that it can
	// be ended; ok is false where there is none. It may be nil.
	OpenGap func(context.Context, record.Instance) (from time.Time, ok bool, err error)
	Timing  Timing
}

// Timing are the host's times. A zero takes the default, which stands behind each.
type Timing struct {
	Handshake time.Duration // 20s: from the start of the process to its handshake
	Describe  time.Duration // 10s
	Configure time.Duration // 30s
	Notify    time.Duration // 30s: one call
	Ack       time.Duration // 10s: one call

	Grace     time.Duration // 10s: for instances that set none
	KillDelay time.Duration // 2s: from SIGTERM to SIGKILL

	HealthEvery    time.Duration // 10s
	HealthDeadline time.Duration // 5s
	HealthMisses   int           // 3: so many checks in a row fail before the process is ended

	BackoffLow  time.Duration // 1s
	BackoffHigh time.Duration // 2m
	HealthyFor  time.Duration // 5m: a process that ran so long was well; the back-off begins anew
	QuickExits  int           // 5: so many failures in a row, and the instance is failed
	Settle      time.Duration // 30s: a process that was started again is told healthy after so long
}

func (t Timing) withDefaults() Timing {
	def := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	def(&t.Handshake, 20*time.Second)
	def(&t.Describe, 10*time.Second)
	def(&t.Configure, 30*time.Second)
	def(&t.Notify, 30*time.Second)
	def(&t.Ack, 10*time.Second)
	def(&t.Grace, 10*time.Second)
	def(&t.KillDelay, 2*time.Second)
	def(&t.HealthEvery, 10*time.Second)
	def(&t.HealthDeadline, 5*time.Second)
	def(&t.BackoffLow, time.Second)
	def(&t.BackoffHigh, 2*time.Minute)
	def(&t.HealthyFor, 5*time.Minute)
	def(&t.Settle, 30*time.Second)
	if t.HealthMisses <= 0 {
		t.HealthMisses = 3
	}
	if t.QuickExits <= 0 {
		t.QuickExits = 5
	}
	return t
}

// Host runs the instances. Its methods are safe for concurrent use.
type Host struct {
	o      Options
	timing Timing
	base   *base
	teller *teller

	// hard ends when the time to stop is over.
	hard     context.Context
	hardStop context.CancelFunc

	mu        sync.Mutex
	instances map[record.Instance]*instance
	stopped   bool
	running   sync.WaitGroup
}

// ErrStopped is returned by calls that come after Stop.
var ErrStopped = errors.New("the plugin host has stopped")

// New returns a host that runs nothing yet. It makes its private folder and sweeps leftovers. The
// caller calls Stop in the end.
func New(o Options) (*Host, error) {
	if o.RunDir == "" {
		if o.DataDir == "" {
			return nil, errors.New("the plugin host needs a run folder")
		}
		o.RunDir = filepath.Join(o.DataDir, "run")
	}
	if o.OnHealth == nil {
		o.OnHealth = func(Health) {}
	}
	if o.OpenGap == nil {
		o.OpenGap = func(context.Context, record.Instance) (time.Time, bool, error) { return time.Time{}, false, nil }
	}
	if o.OnDescribe == nil {
		o.OnDescribe = func(record.Instance, *pluginv1.DescribeResponse) {}
	}
	b, err := newBase(o.RunDir, o.DataDir, o.Log, o.Timing)
	if err != nil {
		return nil, err
	}
	h := &Host{o: o, timing: b.timing, base: b, teller: newTeller(o.OnHealth), instances: map[record.Instance]*instance{}}
	h.hard, h.hardStop = context.WithCancel(context.Background())
	return h, nil
}

// Apply makes the instances that run those of specs. A changed one is launched and configured with its
// new specification before its old process drains and stops; an unchanged one is left alone; one that
// is gone drains and stops. Apply returns when each new or changed instance has been configured or has
// failed for the first time, or ctx ends; what takes longer goes on behind it. It returns what went
// wrong, in the order of specs, and the warnings of plugins about their configuration; what failed is
// tried again with a back-off.
func (h *Host) Apply(ctx context.Context, specs []Spec) []diag.Problem {
	h.mu.Lock()
	if h.stopped {
		h.mu.Unlock()
		return []diag.Problem{{Severity: diag.Error, Summary: "Plugins cannot be started", Detail: ErrStopped.Error()}}
	}
	wanted := map[record.Instance]bool{}
	var tries []<-chan diag.Problems
	for i := range specs {
		s := specs[i]
		wanted[s.Instance] = true
		in := h.instances[s.Instance]
		if in == nil {
			in = newInstance(h, s.Instance)
			h.instances[s.Instance] = in
			h.running.Add(1)
			go func() { defer h.running.Done(); in.run() }()
		}
		if tried := in.set(&s); tried != nil {
			tries = append(tries, tried)
		}
	}
	for name, in := range h.instances {
		if !wanted[name] {
			in.set(nil)
		}
	}
	h.mu.Unlock()

	var out []diag.Problem
	for _, tried := range tries {
		select {
		case problems := <-tried:
			out = append(out, problems...)
		case <-ctx.Done():
			return out
		}
	}
	return out
}

// retire removes an instance that is no longer wanted. It reports false where it is wanted again.
func (h *Host) retire(in *instance) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.wanted().spec != nil {
		return false
	}
	if h.instances[in.name] == in {
		delete(h.instances, in.name)
	}
	return true
}

// Status returns the state of all instances, sorted by name.
func (h *Host) Status() []InstanceStatus {
	h.mu.Lock()
	all := make([]*instance, 0, len(h.instances))
	for _, in := range h.instances {
		all = append(all, in)
	}
	h.mu.Unlock()
	out := make([]InstanceStatus, 0, len(all))
	for _, in := range all {
		out = append(out, in.snapshot())
	}
	slices.SortFunc(out, func(a, b InstanceStatus) int { return strings.Compare(string(a.Instance), string(b.Instance)) })
	return out
}

// Stop lets all instances drain and stop, each within its grace. When ctx ends, what still runs is
// killed. It returns when no process is left.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	first := !h.stopped
	h.stopped = true
	for _, in := range h.instances {
		in.set(nil)
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.running.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("stop plugins: %w; what still ran was killed", ctx.Err())
		h.hardStop()
		<-done
	}
	h.hardStop()
	if !first {
		return err
	}
	h.teller.close()
	select {
	case <-h.teller.done:
	case <-ctx.Done():
		// What is not told now is told to nobody.
	}
	return errors.Join(err, h.base.close())
}

// base is what launching needs, whether an instance is to run or only to be described.
type base struct {
	log       *slog.Logger
	timing    Timing
	private   *privateFolder
	copies    string
	images    *images
	launcher  *launcher
	described *descriptions
	// slots bounds how many processes start at once: each wants a processor, and together they would
	// miss their deadlines.
	slots chan struct{}
}

func newBase(runDir, dataDir string, log *slog.Logger, t Timing) (*base, error) {
	private, err := openPrivate(runDir, log)
	if err != nil {
		return nil, err
	}
	b := &base{
		log: log, timing: t.withDefaults(), private: private, launcher: newLauncher(),
		described: newDescriptions(), slots: make(chan struct{}, max(4, 2*runtime.GOMAXPROCS(0))),
	}
	folder := private.path
	if noexec(folder) && dataDir != "" {
		// Only one daemon uses a data folder, so what is there is a leftover.
		b.copies = filepath.Join(dataDir, "plugin-copies")
		if err := errors.Join(os.RemoveAll(b.copies), os.MkdirAll(b.copies, 0o700)); err != nil {
			return nil, errors.Join(fmt.Errorf("make folder for copies of plugins: %w", err), b.close())
		}
		folder = b.copies
	}
	b.images = newImages(folder)
	return b, nil
}

func (b *base) close() error {
	b.launcher.close()
	err := b.private.close()
	if b.copies != "" {
		err = errors.Join(err, os.RemoveAll(b.copies))
	}
	return err
}
