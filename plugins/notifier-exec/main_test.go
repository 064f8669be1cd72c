package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/sdk"
)

// script is a notifier that runs a shell script; $1 is a folder of the test's own.
func script(t *testing.T, text string, change ...func(*config)) (sdk.Notifier, string) {
	t.Helper()
	dir := t.TempDir()
	cfg := config{Command: []string{"/bin/sh", "-c", text, "sh", dir}, Timeout: 20 * time.Second}
	for _, c := range change {
		c(&cfg)
	}
	n, err := open(t.Context(), cfg, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return n, dir
}

func timeout(d time.Duration) func(*config) { return func(c *config) { c.Timeout = d } }

func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
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
		{func(c *config) { c.Command = []string{plain} }, "plain is not a program"},
		{func(c *config) { c.Timeout = 0 }, "greater than zero"},
		{func(c *config) { c.Env = map[string]string{"A=B": "c"} }, `"A=B" cannot be`},
		{func(c *config) { c.Env = map[string]string{"A": "b\x00c"} }, `"A" cannot be`},
	} {
		cfg := good
		c.change(&cfg)
		if _, err := open(t.Context(), cfg, sdk.Env{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", cfg, err, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script string
		retry  []int
		want   sdk.Result
	}{
		{"exit 0", nil, sdk.Result{Outcome: sdk.OutcomeDelivered}},
		{"echo ' thanks '; echo and >&2", nil, sdk.Result{Outcome: sdk.OutcomeDelivered, Detail: "thanks \nand"}},
		{"exit 75", nil, sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "exit code 75"}},
		{"echo later >&2; exit 75", nil, sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "exit code 75: later"}},
		{"exit 1", nil, sdk.Result{Outcome: sdk.OutcomeRejected, Detail: "exit code 1"}},
		{"exit 255", []int{1}, sdk.Result{Outcome: sdk.OutcomeRejected, Detail: "exit code 255"}},
		{"exit 1", []int{2, 1}, sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "exit code 1"}},
		{"exit 75", []int{2}, sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "exit code 75"}},
		// A program that somebody killed has not refused anything.
		{"kill -KILL $$", nil, sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "signal: killed"}},
	} {
		t.Run(c.script, func(t *testing.T) {
			t.Parallel()
			n, _ := script(t, c.script, func(cfg *config) { cfg.RetryCodes = c.retry })
			got := n.Notify(t.Context(), sdk.Notification{ID: "D1", JSON: []byte("{}")})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestInput shows what a program is given, and what it is not.
func TestInput(t *testing.T) {
	// It may not run beside others: it changes the environment.
	t.Setenv("REGENT_TEST_SECRET", "of the daemon")
	n, dir := script(t, `cat > "$1/in"; env > "$1/env"`, func(c *config) { c.Env = map[string]string{"OWN": "a=b c"} })
	if r := n.Notify(t.Context(), sdk.Notification{ID: "D1", Attempt: 3, JSON: []byte(`{"a":1}`)}); r.Outcome != sdk.OutcomeDelivered {
		t.Fatalf("%+v", r)
	}
	in, err := os.ReadFile(filepath.Join(dir, "in"))
	if err != nil || string(in) != "{\"a\":1}\n" {
		t.Errorf("standard input %q, %v", in, err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"REGENT_DELIVERY=D1\n", "REGENT_ATTEMPT=3\n", "OWN=a=b c\n", "PATH="} {
		if !strings.Contains("\n"+string(env), "\n"+want) {
			t.Errorf("%q is not in the environment:\n%s", want, env)
		}
	}
	if strings.Contains(string(env), "REGENT_TEST_SECRET") {
		t.Errorf("the daemon's environment reaches the program:\n%s", env)
	}
}

// TestStandardInputUnread: a program need not read what it is told.
func TestStandardInputUnread(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"exit 0", "exec <&-; sleep 0.1; exit 0", "head -c 10 > /dev/null"} {
		n, _ := script(t, text)
		if r := n.Notify(t.Context(), sdk.Notification{ID: "D1", JSON: make([]byte, 4<<20)}); r.Outcome != sdk.OutcomeDelivered {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, begins string }{
		{"large", "head -c 20000000 /dev/zero | tr '\\0' a; head -c 20000000 /dev/zero | tr '\\0' b >&2", "aaa"},
		// An answer is cut at a number of bytes, which may be within a character.
		{"cut", "printf x; i=0; while [ $i -lt 2000 ]; do printf 'é'; i=$((i+1)); done", "xé"},
		{"binary", "printf 'ok \\377\\376 done'", "ok \uFFFD done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, _ := script(t, c.script)
			r := n.Notify(t.Context(), sdk.Notification{ID: "D1", JSON: []byte("{}")})
			if r.Outcome != sdk.OutcomeDelivered || !strings.HasPrefix(r.Detail, c.begins) {
				t.Errorf("outcome %d, %.40q", r.Outcome, r.Detail)
			}
			if len(r.Detail) > 2100 {
				t.Errorf("an answer of %d bytes", len(r.Detail))
			}
			if !utf8.ValidString(r.Detail) {
				t.Error("the answer is not UTF-8; gRPC cannot send it")
			}
		})
	}
}

// alive reports whether a process is there and no zombie.
func alive(t *testing.T, pidFile string) (int, bool) {
	t.Helper()
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return pid, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return pid, err == nil && !strings.Contains(string(stat), ") Z ")
}

// ended waits for a process to be gone.
func ended(t *testing.T, pidFile string) {
	t.Helper()
	for range 200 {
		if _, ok := alive(t, pidFile); !ok {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	pid, _ := alive(t, pidFile)
	t.Errorf("process %d is still there", pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Log(err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	n, dir := script(t, `echo begun; trap '' TERM INT HUP; sleep 60 & echo $! > "$1/child"; echo $$ > "$1/self"; wait; sleep 60`, timeout(500*time.Millisecond))
	start := time.Now()
	got := n.Notify(t.Context(), sdk.Notification{ID: "D1", JSON: []byte("{}")})
	if diff := cmp.Diff(sdk.Result{Outcome: sdk.OutcomeRetry, Detail: "the program ran longer than 500ms and was killed: begun"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	ended(t, filepath.Join(dir, "child"))
	ended(t, filepath.Join(dir, "self"))
}

// TestLeftBehind: a program that ends well while something it started holds its output has delivered.
// Anything else would deliver again and again.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		want sdk.Outcome
	}{{0, sdk.OutcomeDelivered}, {1, sdk.OutcomeRejected}, {75, sdk.OutcomeRetry}} {
		t.Run(strconv.Itoa(c.code), func(t *testing.T) {
			t.Parallel()
			n, dir := script(t, fmt.Sprintf(`echo said; sleep 60 & echo $! > "$1/child"; exit %d`, c.code))
			if r := n.Notify(t.Context(), sdk.Notification{ID: "D1", JSON: []byte("{}")}); r.Outcome != c.want || !strings.HasSuffix(r.Detail, "said") {
				t.Errorf("%+v", r)
			}
			ended(t, filepath.Join(dir, "child"))
		})
	}
}

// TestGivenUp ends the call from the other side.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	n, dir := script(t, `sleep 60 & echo $! > "$1/child.new"; mv "$1/child.new" "$1/child"; wait`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 500 {
			if _, err := os.Stat(filepath.Join(dir, "child")); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	r := n.Notify(ctx, sdk.Notification{ID: "D1", JSON: []byte("{}")})
	if r.Outcome != sdk.OutcomeRetry || !strings.Contains(r.Detail, "gave the delivery up") {
		t.Errorf("%+v", r)
	}
	ended(t, filepath.Join(dir, "child"))
}

// TestGone: a program that was there at the start and is not any more may come back.
func TestGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	n, err := open(t.Context(), config{Command: []string{path}, Timeout: time.Minute}, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := n.Notify(t.Context(), sdk.Notification{ID: "D1", JSON: []byte("{}")}); r.Outcome != sdk.OutcomeRetry || !strings.Contains(r.Detail, path) {
		t.Errorf("%+v, want a retry that names the program", r)
	}
}
