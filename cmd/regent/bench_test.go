package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
)

// bench is a real daemon that a benchmark or a test runs, with its own configuration and data folder.
type bench struct {
	tb  testing.TB
	dir string
	cmd *exec.Cmd
	log bytes.Buffer
	*client
}

// benchDir makes the folder of a benchmark's daemon. Socket paths have little room, and a benchmark's own
// folder is named after the benchmark.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "rb")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runDaemon starts a daemon in a folder; config is what its configuration has beside folders and log.
func runDaemon(b testing.TB, dir, config string) *bench {
	b.Helper()
	return runDaemonWith(b, dir, bin, config)
}

// runDaemonWith does that with a folder of plugins.
func runDaemonWith(b testing.TB, dir, plugins, config string) *bench {
	b.Helper()
	path := filepath.Join(dir, "regent.hcl")
	text := fmt.Sprintf("data_dir = %q\nplugin_dir = %q\nlog {\n  level = \"error\"\n}\n%s", dir+"/d", plugins, config)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	d := &bench{tb: b, dir: dir, client: &client{address: "unix://" + dir + "/d/regent.sock"}}
	d.cmd = exec.Command(filepath.Join(bin, "regent"), "run", "-c", path)
	d.cmd.Stderr = &d.log
	if err := d.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.stop)
	return d
}

// stop ends the daemon and waits for it. Doing it again does nothing.
func (d *bench) stop() {
	if d.cmd.ProcessState != nil {
		return
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	if err := d.cmd.Wait(); err != nil {
		d.tb.Errorf("the daemon ended with %v: %s", err, d.log.String())
	}
}

// kill ends the daemon as a crash does.
func (d *bench) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// until asks for the status until it is as wanted, and returns it with the time of the answer.
func (d *bench) until(what string, limit time.Duration, ok func(api.Status) bool) (api.Status, time.Time) {
	d.tb.Helper()
	var s api.Status
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(d.tb.Context(), 10*time.Second)
		// What is absent must not stay from the answer before.
		s = api.Status{}
		err := d.call(ctx, "GET", "/v1/status", nil, nil, &s)
		cancel()
		if err == nil && ok(s) {
			return s, time.Now()
		}
	}
	d.tb.Fatalf("%s: not within %s; %+v, %d pending\n%s", what, limit, s.Sum, s.Work, d.log.String())
	return s, time.Time{}
}

// memory returns a value of the daemon's /proc/PID/status in MiB: VmHWM is the most that was resident,
// VmRSS what is now.
func (d *bench) memory(name string) float64 {
	d.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.tb.Skip("memory is read from /proc, which is not here")
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				d.tb.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	d.tb.Fatalf("no %s in /proc", name)
	return 0
}

// benchAlarms writes so many alarms into a folder, in the manner of the 22 that come with Regent and
// beside them.
func benchAlarms(b *testing.B, dir string, n int) {
	b.Helper()
	for i := range n {
		conditions := []string{
			fmt.Sprintf("input.event.action == \"iam:Action%d\"", i),
			fmt.Sprintf("input.event.action in {\"ec2:Action%d\", \"s3:Action%[1]d\", \"kms:Action%[1]d\"}", i),
			fmt.Sprintf("input.event.error.code in {\"Denied%d\", \"Client.Denied%[1]d\"}", i),
			fmt.Sprintf("input.event.actor.type == \"Root%d\"", i),
		}
		benchFile(b, filepath.Join(dir, "alarms", fmt.Sprintf("a%02d.rego", i)), fmt.Sprintf(`# METADATA
# title: Alarm %d of a benchmark
# custom:
#   severity: low
#   on: event
package alarms.bench.a%02[1]d

alarm contains {"msg": $"{input.event.actor.id} did {input.event.action}"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	%s
}
`, i, conditions[i%len(conditions)]))
	}
}

func benchFile(b *testing.B, path, text string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}
