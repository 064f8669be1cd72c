package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/sdk"
)

// escapeVariable makes the test binary a program that starts another in a session of its own, which
// holds the output and which no kill of the group reaches. Its value is the file for that one's id.
const escapeVariable = "REGENT_TEST_ESCAPE"

func TestMain(m *testing.M) {
	if path := os.Getenv(escapeVariable); path != "" {
		cmd := exec.Command("/bin/sleep", "60")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
			panic(err)
		}
		fmt.Println(`{"kind":"problem","summary":"escaped"}`)
		time.Sleep(time.Minute)
	}
	os.Exit(m.Run())
}

// emitted writes down what a collector sends, a line for each.
type emitted struct {
	sdk.Emitter
	cursor []byte
	// heard is told of each line.
	heard func(string)
	fail  error

	mu    sync.Mutex
	lines []string
	next  uint64
}

func (e *emitted) add(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	e.mu.Lock()
	if e.fail != nil {
		defer e.mu.Unlock()
		return e.fail
	}
	e.lines = append(e.lines, s)
	e.mu.Unlock()
	if e.heard != nil {
		e.heard(s)
	}
	return nil
}

func (e *emitted) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.lines...)
}

func (e *emitted) Cursor() []byte { return e.cursor }

func (e *emitted) ItemJSON(_ context.Context, b []byte) error { return e.add("item %s", b) }

func (e *emitted) EventJSON(_ context.Context, b []byte) error { return e.add("event %s", b) }

func (e *emitted) Damaged(_ context.Context, kind sdk.Kind, raw []byte, origin, reason string) error {
	k := "item"
	if kind == sdk.KindEvent {
		k = "event"
	}
	return e.add("damaged %s %s at %s: %.20s", k, reason, origin, raw)
}

func (e *emitted) Checkpoint(_ context.Context, cursor []byte) (uint64, error) {
	e.mu.Lock()
	e.next++
	n := e.next
	e.mu.Unlock()
	return n, e.add("checkpoint %s", cursor)
}

func (e *emitted) SweepBegin(_ context.Context, scope string, types ...string) (sdk.Sweep, error) {
	return sweep{e}, e.add("sweep %s %s", scope, strings.Join(types, ","))
}

type sweep struct{ e *emitted }

func (s sweep) End(_ context.Context, complete bool) error { return s.e.add("end %v", complete) }

func (e *emitted) Gap(_ context.Context, from, to time.Time, reason string) error {
	if !to.After(from) {
		return e.add("gap without a length")
	}
	return e.add("gap %s", reason)
}

func (e *emitted) Problem(_ context.Context, p sdk.Problem) error {
	return e.add("problem %s|%s", p.Summary, p.Detail)
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// script is a collector that runs a shell script; $1 is a folder of the test's own.
func script(t *testing.T, every time.Duration, text string, change ...func(*config)) (*collector, string, *logged) {
	t.Helper()
	dir := t.TempDir()
	cfg := config{Command: []string{"/bin/sh", "-c", text, "sh", dir}, Kind: "item", Timeout: 20 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	log := &logged{}
	c, err := open(t.Context(), cfg, sdk.Env{Every: every, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*collector), dir, log
}

func sweeping(c *config) { c.Sweep = []string{"A::B::C", "A::B::D"} }

func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := config{Command: []string{"/bin/sh"}, Timeout: time.Second}
	if _, err := open(t.Context(), good, sdk.Env{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*config)
		want   string
	}{
		{func(c *config) { c.Command = nil }, "name a program"},
		{func(c *config) { c.Command = []string{"sh"} }, `"sh" is not an absolute path`},
		{func(c *config) { c.Command = []string{filepath.Join(dir, "none")} }, "none is not a program"},
		{func(c *config) { c.Command = []string{dir} }, "is not a program"},
		{func(c *config) { c.Timeout = -1 }, "greater than zero"},
		{sweeping, "set every"},
		{func(c *config) { c.Env = map[string]string{"": "c"} }, `"" cannot be`},
		{func(c *config) { c.Env = map[string]string{"A": "b\x00c"} }, `"A" cannot be`},
	} {
		cfg := good
		c.change(&cfg)
		if _, err := open(t.Context(), cfg, sdk.Env{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", cfg, err, c.want)
		}
	}
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	const item = `{"resourceId":"a"}`
	for _, c := range []struct {
		name, script string
		change       func(*config)
		want         []string
		err          string
	}{
		{"kinds", `printf '%s\n' '{"resourceId":"a"}' '' '  {"kind":"event","id":"e"}	' '{"kind":"item","item":{"resourceId":"b"}}' '{"kind":"event","event":{"id":"f"}}' '{"kind":"problem","summary":"S","detail":"D"}' '{"kind":"problem"}'`, nil, []string{
			"item " + item, `event {"kind":"event","id":"e"}`, `item {"resourceId":"b"}`, `event {"id":"f"}`, "problem S|D", "problem The program reports a problem|",
		}, ""},
		{"events", `printf '%s\n' '{"id":"e"}' nonsense '{"kind":"item","resourceId":"a"}'`, func(c *config) { c.Kind = "event" }, []string{
			`event {"id":"e"}`, "damaged event line is not a JSON object at sh:2: nonsense", `item {"kind":"item","resourceId":"a"}`,
		}, ""},
		{"malformed", `printf '%s\n' '{"a":1' '[]' '"x"' 'null' '{"resourceId":"a"}' '{} {}'`, nil, []string{
			`damaged item line is not a JSON object at sh:1: {"a":1`, "damaged item line is not a JSON object at sh:2: []",
			`damaged item line is not a JSON object at sh:3: "x"`, "damaged item line is not a JSON object at sh:4: null",
			"item " + item, "damaged item line is not a JSON object at sh:6: {} {}",
		}, ""},
		{"without an end of line", `printf '{"resourceId":"a"}'`, nil, []string{"item " + item}, ""},
		{"carriage returns", `printf '{"resourceId":"a"}\r\n\r\n{"resourceId":"a"}\r\n'`, nil, []string{"item " + item, "item " + item}, ""},
		{"cursor", `printf '{"kind":"checkpoint","cursor":"%s+1"}\n' "$REGENT_CURSOR"`, nil, []string{"checkpoint start+1"}, ""},
		// A cursor that cannot be handed back would keep the program from ever running again.
		{"unusable cursors", `printf '%s\n' '{"kind":"checkpoint","cursor":"a\u0000b"}'; printf '{"kind":"checkpoint","cursor":"'; head -c 70000 /dev/zero | tr '\0' x; echo '"}'`, nil, []string{
			"problem Unusable cursor|sh:1: a cursor has at most 65536 bytes and no NUL character; the one before stays.",
			"problem Unusable cursor|sh:2: a cursor has at most 65536 bytes and no NUL character; the one before stays.",
		}, ""},
		{"a message that is not UTF-8", `printf '{"kind":"problem","summary":"a\377b"}\n'`, nil, []string{"problem a\uFFFDb|"}, ""},
		{"too long", `head -c 3000000 /dev/zero | tr '\0' x; echo; printf '%s\n' '{"resourceId":"a"}'`, nil, []string{
			"damaged item line is longer than 1048576 bytes at sh:1: " + strings.Repeat("x", 20), "item " + item,
		}, ""},
		{"too long and blank for long", `printf '{"a":"'; head -c 3000000 /dev/zero | tr '\0' ' '; echo x; head -c 3000000 /dev/zero | tr '\0' ' '; echo x`, nil, []string{
			`damaged item line is longer than 1048576 bytes at sh:1: {"a":"`,
			"damaged item line is longer than 1048576 bytes at sh:2: ",
		}, ""},
		{"failure", `printf '%s\n' '{"resourceId":"a"}'; exit 3`, nil, []string{"item " + item}, "exit status 3"},
		{"timeout", `printf '%s\n' '{"resourceId":"a"}'; printf '{"half'; sleep 60`, func(c *config) { c.Timeout = 300 * time.Millisecond }, []string{"item " + item}, "ran longer than 300ms"},
		{"sweep", `printf '%s\n' '{"resourceId":"a"}'`, sweeping, []string{"sweep exec A::B::C,A::B::D", "item " + item, "end true"}, ""},
		{"sweep that fails", `printf '%s\n' '{"resourceId":"a"}'; exit 1`, sweeping, []string{"sweep exec A::B::C,A::B::D", "item " + item, "end false"}, "exit status 1"},
		// What the damaged line was about is not gone.
		{"sweep with a damaged line", `printf '%s\n' '{"resourceId":"a"}' '{"resourceId":"b"'`, sweeping, []string{
			"sweep exec A::B::C,A::B::D", "item " + item, `damaged item line is not a JSON object at sh:2: {"resourceId":"b"`, "end false",
		}, ""},
		{"sweep that is killed", "sleep 60", func(c *config) { sweeping(c); c.Timeout = 200 * time.Millisecond }, []string{"sweep exec A::B::C,A::B::D", "end false"}, "ran longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			change := c.change
			if change == nil {
				change = func(*config) {}
			}
			col, _, _ := script(t, time.Hour, c.script, change)
			out := &emitted{cursor: []byte("start")}
			err := col.Collect(t.Context(), out)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(c.want, out.got()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestStream lets a program end twice: it comes back with the cursor it left, after a pause, and the
// time between is a gap.
func TestStream(t *testing.T) {
	t.Parallel()
	col, dir, log := script(t, 0, `echo run >> "$1/runs"; printf '{"kind":"checkpoint","cursor":"%sx"}\n' "$REGENT_CURSOR"; printf 'last words' >&2; [ "$REGENT_CURSOR" = "" ]`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at []time.Time
	out := &emitted{heard: func(s string) {
		if strings.HasPrefix(s, "checkpoint") {
			if at = append(at, time.Now()); len(at) == 3 {
				cancel()
			}
		}
	}}
	if err := col.Collect(ctx, out); err != nil {
		t.Fatal(err)
	}
	const gap = "gap the program ended and is started again"
	if diff := cmp.Diff([]string{"checkpoint x", gap, "checkpoint xx", gap, "checkpoint xxx"}, out.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Half a second at the least, then twice that.
	if len(at) == 3 && (at[1].Sub(at[0]) < 500*time.Millisecond || at[2].Sub(at[1]) < time.Second) {
		t.Errorf("pauses of %s and %s", at[1].Sub(at[0]), at[2].Sub(at[1]))
	}
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	if err != nil || strings.Count(string(runs), "run") != 3 {
		t.Errorf("runs %q, %v", runs, err)
	}
	for _, want := range []string{"last words", "exit code 0", "exit status 1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
}

// gone waits for a process to end.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Log(err)
	}
}

// TestStop stops a program that never ends, deaf to signals, with a child; by schedule and as a stream.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, every := range map[string]time.Duration{"scheduled": time.Hour, "stream": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			col, dir, _ := script(t, every, `trap '' TERM INT HUP; sleep 60 & echo $! > "$1/child"; echo $$ > "$1/self"; echo '{"resourceId":"a"}'; printf '{"half'; wait; sleep 60`)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &emitted{heard: func(string) { time.AfterFunc(50*time.Millisecond, cancel) }}
			start := time.Now()
			if err := col.Collect(ctx, out); err != nil {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			// Half a line that our kill has left is not a damaged record.
			if diff := cmp.Diff([]string{`item {"resourceId":"a"}`}, out.got()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			gone(t, filepath.Join(dir, "child"))
			gone(t, filepath.Join(dir, "self"))
		})
	}
}

// TestStopEscaped: a process that has left the group holds the output, and stopping takes no longer for
// that.
func TestStopEscaped(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	col, _, _ := script(t, 0, "", func(c *config) {
		c.Command = []string{os.Args[0]}
		c.Env = map[string]string{escapeVariable: pid}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &emitted{heard: func(string) { cancel() }}
	done := make(chan error, 1)
	go func() { done <- col.Collect(ctx, out) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Error("still collecting")
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	// It is the test's to end.
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestLeftBehind: what a program leaves behind ends with it.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	col, dir, _ := script(t, time.Hour, `echo '{"resourceId":"a"}'; sleep 60 > /dev/null & echo $! > "$1/child"`, sweeping)
	out := &emitted{}
	if err := col.Collect(t.Context(), out); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"sweep exec A::B::C,A::B::D", `item {"resourceId":"a"}`, "end true"}, out.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	gone(t, filepath.Join(dir, "child"))
}

// TestDaemonGone: nothing runs on for a daemon that has closed the stream.
func TestDaemonGone(t *testing.T) {
	t.Parallel()
	col, dir, _ := script(t, 0, `echo $$ > "$1/self"; while :; do echo '{"resourceId":"a"}'; done`)
	closed := errors.New("closed")
	if err := col.Collect(t.Context(), &emitted{fail: closed}); !errors.Is(err, closed) {
		t.Errorf("%v, want %v", err, closed)
	}
	gone(t, filepath.Join(dir, "self"))
}

func TestStandardError(t *testing.T) {
	t.Parallel()
	log := &logged{}
	l := &lines{log: slog.New(slog.NewTextHandler(log, nil))}
	for _, s := range []string{"one\ntw", "o\n\n  \n", "bad \xff byte\n", strings.Repeat("y", 3*maxSaid), strings.Repeat("z", 100) + "\n", "end"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if len(l.rest) > maxSaid {
			t.Errorf("%d bytes are kept", len(l.rest))
		}
	}
	l.end()
	l.end()
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		_, said, _ := strings.Cut(line, "line=")
		got = append(got, said)
	}
	if diff := cmp.Diff([]string{"one", "two", "\"bad \uFFFD byte\"", strings.Repeat("y", maxSaid), strings.Repeat("z", 100), "end"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzRead: whatever a program prints, each line that is not blank, or too long to tell, becomes one thing, and nothing that
// is passed on has an end of line in it or more bytes than a record may have.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"resourceId":"a"}` + "\n" + `{"kind":"event","event":{"id":"e"}}`))
	f.Add([]byte("{\"kind\":\"checkpoint\",\"cursor\":\"\\u0000\"}\r\n\r\n[1]\n\xff\x00"))
	f.Add([]byte(`{"kind":{"kind":"item"},"item":[],"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}"))
	f.Add([]byte(`{"kind":"problem","summary":"\ud800","detail":{"a":[1]}}`))
	f.Add(bytes.Repeat([]byte("a"), maxLine+5))
	f.Add(bytes.Repeat([]byte(" "), maxLine+5))
	f.Fuzz(func(t *testing.T, b []byte) {
		out := &emitted{}
		c := &collector{cfg: config{Command: []string{"/p"}, Kind: "item"}, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		cursor := "before"
		damaged, err := c.read(t.Context(), bytes.NewReader(b), out, &cursor)
		if err != nil {
			t.Fatal(err)
		}
		want, said := 0, 0
		for line := range bytes.Lines(b) {
			if len(bytes.TrimSpace(line)) > 0 || len(line) > maxLine {
				want++
			}
		}
		got := out.got()
		if len(got) != want {
			t.Errorf("%d lines, %d things", want, len(got))
		}
		for _, s := range got {
			if strings.HasPrefix(s, "damaged ") {
				said++
			}
			if kind, rest, _ := strings.Cut(s, " "); (kind == "item" || kind == "event") && (strings.Contains(rest, "\n") || len(rest) > maxLine) {
				t.Errorf("%d bytes: %.60q", len(rest), s)
			}
		}
		if damaged != said {
			t.Errorf("%d counted as damaged, %d passed on", damaged, said)
		}
		if len(cursor) > maxCursor || strings.Contains(cursor, "\x00") {
			t.Errorf("cursor %q", cursor)
		}
	})
}
