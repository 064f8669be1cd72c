package host

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// testPlugins are built once for all tests.
var testPlugins = []string{"steady", "crashy", "chatty", "slow", "deaf", "liar", "huge", "forky", "newer"}

// testFolder holds the plugins and the run folders, whose paths must be short.
var testFolder string

var runFolders atomic.Int64

func TestMain(m *testing.M) {
	if os.Getenv("REGENT_FAKE_DAEMON") != "" {
		fakeDaemon()
	}
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rgt")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testFolder = dir
	if flag.Lookup("test.fuzz").Value.String() != "" {
		// Fuzzing runs this in each of its workers, and needs no processes.
		return m.Run()
	}
	args := []string{"build", "-ldflags=-s -w", "-o", dir + "/"}
	for _, p := range testPlugins {
		args = append(args, "github.com/regent-dev/regent/testdata/plugins/"+p)
	}
	build := exec.Command("go", args...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the test plugins:", err)
		return 1
	}
	// The tests decide about permissions; the umask of whoever runs them does not.
	for _, p := range testPlugins {
		if err := os.Chmod(binary(p), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
		if left := ourProcesses(); len(left) > 0 {
			fmt.Fprintln(os.Stderr, "processes are left:", left)
			code = 1
		}
	}
	return code
}

func binary(name string) string { return filepath.Join(testFolder, name) }

func runFolder(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(testFolder, "r"+strconv.FormatInt(runFolders.Add(1), 36))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// quick are times with which a test is over soon.
func quick() Timing {
	return Timing{
		Handshake: 10 * time.Second, Describe: 10 * time.Second, Configure: 10 * time.Second, Notify: 5 * time.Second, Ack: 5 * time.Second,
		Grace: 5 * time.Second, KillDelay: 300 * time.Millisecond,
		HealthEvery: time.Second, HealthDeadline: time.Second, HealthMisses: 3,
		BackoffLow: 20 * time.Millisecond, BackoffHigh: 100 * time.Millisecond, HealthyFor: time.Minute, QuickExits: 5,
		Settle: 100 * time.Millisecond,
	}
}

// sink records what it accepts and makes every checkpoint durable at once, unless it is held.
type sink struct {
	mu       sync.Mutex
	got      []accepted
	cursors  map[record.Instance][]byte
	hold     bool
	held     []func()
	gate     chan struct{}
	inAccept map[record.Instance]int
	overlap  bool
	changed  chan struct{}
}

type accepted struct {
	inst record.Instance
	m    record.Message
}

func newSink() *sink {
	return &sink{cursors: map[record.Instance][]byte{}, inAccept: map[record.Instance]int{}, changed: make(chan struct{})}
}

func (s *sink) Accept(ctx context.Context, inst record.Instance, m record.Message) error {
	s.mu.Lock()
	if s.inAccept[inst]++; s.inAccept[inst] > 1 {
		s.overlap = true
	}
	gate := s.gate
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inAccept[inst]--
	}()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, accepted{inst, m})
	if m.Checkpoint != nil {
		commit := func() {
			s.cursors[inst] = m.Checkpoint.Cursor
			m.Done()
		}
		if s.hold {
			s.held = append(s.held, commit)
		} else {
			commit()
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *sink) Cursor(_ context.Context, inst record.Instance) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[inst], nil
}

// release commits what was held.
func (s *sink) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = false
	for _, commit := range s.held {
		commit()
	}
	s.held = nil
}

func (s *sink) messages() []accepted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]accepted(nil), s.got...)
}

// count returns how many records were accepted.
func (s *sink) count() int {
	n := 0
	for _, a := range s.messages() {
		n += len(a.m.Records)
	}
	return n
}

// ids returns the ids of the accepted events in order.
func (s *sink) ids() []string {
	var ids []string
	for _, a := range s.messages() {
		for _, r := range a.m.Records {
			var ev struct{ ID string }
			_ = json.Unmarshal(r.JSON, &ev)
			ids = append(ids, ev.ID)
		}
	}
	return ids
}

func (s *sink) gaps() []record.Gap {
	var out []record.Gap
	for _, a := range s.messages() {
		if a.m.Gap != nil {
			out = append(out, *a.m.Gap)
		}
	}
	return out
}

// healths collects what OnHealth is told.
type healths struct {
	mu  sync.Mutex
	all []Health
}

func (h *healths) on(x Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, x)
}

func (h *healths) list() []Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Health(nil), h.all...)
}

// logs is a log that can be searched.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a host with everything around it.
type rig struct {
	*Host
	t      testing.TB
	sink   *sink
	health *healths
	logs   *logs
	// dir is removed after the host has stopped.
	dir    string
	states int
}

func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, sink: newSink(), health: &healths{}, logs: &logs{}, dir: t.TempDir()}
	o := Options{
		RunDir: runFolder(t), Log: slog.New(slog.NewTextHandler(io.MultiWriter(r.logs), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sink: r.sink, Cursors: r.sink, OnHealth: r.health.on, Timing: quick(),
	}
	for _, c := range change {
		c(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = h
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if r.sink.overlap {
			t.Error("messages of one instance were accepted concurrently")
		}
		if left, _ := os.ReadDir(o.RunDir); len(left) > 0 {
			t.Errorf("the run folder is not empty: %v", left)
		}
		if t.Failed() {
			for line := range strings.Lines(r.logs.String()) {
				t.Log(strings.TrimSpace(line[:min(len(line), 600)]))
			}
		}
	})
	return r
}

// spec is an instance of a test plugin; env is what makes it misbehave.
func (r *rig) spec(plugin string, env ...string) Spec {
	r.t.Helper()
	r.states++
	return Spec{
		Instance: record.NewInstance("collector", plugin, "test"), Role: pluginv1.Role_ROLE_COLLECTOR, Plugin: plugin,
		Path: binary(plugin), Env: env, StateDir: filepath.Join(r.dir, "state"+strconv.Itoa(r.states)),
	}
}

func (r *rig) notifier(plugin string, env ...string) Spec {
	r.t.Helper()
	s := r.spec(plugin, env...)
	s.Instance, s.Role = record.NewInstance("notifier", plugin, "test"), pluginv1.Role_ROLE_NOTIFIER
	return s
}

func (r *rig) steady(config string) Spec {
	r.t.Helper()
	s := r.spec("steady")
	s.Config = json.RawMessage(config)
	return s
}

// start applies specs, which must succeed.
func (r *rig) start(specs ...Spec) {
	r.t.Helper()
	if ps := r.Apply(r.t.Context(), specs); len(ps) > 0 {
		r.t.Fatalf("apply: %v", ps)
	}
}

// only returns the status of the only instance.
func (r *rig) only() InstanceStatus {
	r.t.Helper()
	all := r.Status()
	if len(all) != 1 {
		r.t.Fatalf("got %d instances, want 1", len(all))
	}
	return all[0]
}

// eventually waits until ok holds.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within 15s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// processState returns the letter of a process's state, "" where there is no such process.
func processState(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			return strings.Fields(state)[0]
		}
	}
	return ""
}

// alive reports whether a process runs. Nobody may reap what PID 1 inherits, so a zombie is dead.
func alive(pid int) bool {
	s := processState(pid)
	return s != "" && s != "Z" && s != "X"
}

// ourProcesses returns the processes that run from the folder of the tests.
func ourProcesses() []string {
	var out []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		pid, _ := strconv.Atoi(filepath.Base(p))
		env, err := os.ReadFile(p + "/environ")
		if err == nil && strings.Contains(string(env), "PLUGIN_UNIX_SOCKET_DIR="+testFolder) && alive(pid) {
			cmd, _ := os.ReadFile(p + "/cmdline")
			out = append(out, fmt.Sprintf("%d %q", pid, cmd))
		}
	}
	return out
}

// fakeDaemon is the child that a test kills: it runs one plugin, says which process that is, and
// waits.
func fakeDaemon() {
	testFolder = filepath.Dir(os.Getenv("REGENT_FAKE_DAEMON"))
	s := newSink()
	h, err := New(Options{RunDir: os.Getenv("REGENT_FAKE_RUN"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Sink: s, Cursors: s, Timing: quick()})
	if err == nil {
		err = errors.Join(problemsErr(h.Apply(context.Background(), []Spec{{
			Instance: "collector.fake.test", Role: pluginv1.Role_ROLE_COLLECTOR, Plugin: "fake",
			Path: os.Getenv("REGENT_FAKE_DAEMON"), StateDir: os.Getenv("REGENT_FAKE_STATE"),
		}})))
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(h.Status()[0].PID)
	select {}
}
