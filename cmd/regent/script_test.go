package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bin holds the daemon and the plugins, built once.
var bin string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == changesCommand {
		runChanges()
		return
	}
	dir, err := os.MkdirTemp("", "regent-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	// The plugins that misbehave stand apart: no configuration finds them by accident.
	for to, packages := range map[string][]string{"": {"./cmd/...", "./plugins/..."}, "bad": {"./testdata/plugins/..."}} {
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(to, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		cmd := exec.Command("go", append([]string{"build", "-o", to + "/"}, packages...)...)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			os.Exit(1)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// TestScripts runs the archives in testdata/script against real daemons and plugins.
//
// The daemon is started with `start`, which runs `regent run -c regent.hcl` and waits until it is ready;
// `halt` ends it with SIGTERM, `interrupt` with SIGINT, `sigkill` with SIGKILL. (`stop` and `kill` are
// commands of testscript itself, which come before ours: `stop` would end the script there.) `until SECONDS PATTERN COMMAND…` runs a command until
// its output matches, and fails where it never does. `swap DIR VERSION` moves a folder in as a kubelet
// moves a ConfigMap. `! start` is a daemon that ends by itself, with its output in daemon.log. The commands
// of faults_test.go do what an operator hopes will never happen.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("PLUGINS", bin)
			e.Setenv("BAD", filepath.Join(bin, "bad"))
			e.Setenv("REGENT_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			e.Setenv("REGENT_VAR_work", e.WorkDir)
			e.Setenv("REGENT_VAR_plugins", bin)
			e.Setenv("REGENT_VAR_bad", filepath.Join(bin, "bad"))
			// What a test leaves in its folder may be looked at by the daemon as another user would.
			return os.Chmod(e.WorkDir, 0o755)
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": startDaemon, "halt": stopDaemon(syscall.SIGTERM), "sigkill": stopDaemon(syscall.SIGKILL),
			"interrupt": stopDaemon(syscall.SIGINT),
			"until":     until, "swap": swapConfigMap, "append": appendFile, "hup": hup,
			"listen": listen, "ask": ask, "tmpfs": tmpfs, "remount": remount, "fill": fill, "zip": zip, "head": head,
			"scribble": scribble, "orphans": orphans,
		},
		ContinueOnError: true,
	})
}

// process is a daemon that a script started.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

// running holds each script's daemon by its folder; scripts run one after the other within their test,
// and several tests at once.
var running = struct {
	sync.Mutex
	m map[string]*process
}{m: map[string]*process{}}

func setRunning(work string, p *process) {
	running.Lock()
	defer running.Unlock()
	if p == nil {
		delete(running.m, work)
		return
	}
	running.m[work] = p
}

func runningIn(work string) *process {
	running.Lock()
	defer running.Unlock()
	return running.m[work]
}

func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	log, err := os.OpenFile(filepath.Join(work, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	cmd := exec.Command(filepath.Join(bin, "regent"), append([]string{"run", "-c", "regent.hcl"}, args...)...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "WORK="+work, "REGENT_DATA_DIR="+ts.Getenv("REGENT_DATA_DIR"), "REGENT_VAR_work="+work, "REGENT_VAR_plugins="+bin, "REGENT_VAR_bad="+ts.Getenv("BAD"), "REGENT_VAR_hook="+ts.Getenv("HOOK"))
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait(); log.Close() }()
	setRunning(work, p)
	ts.Defer(func() {
		if runningIn(work) == p {
			_ = cmd.Process.Kill()
			<-p.done
			setRunning(work, nil)
		}
	})
	hc := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(work, "data", "regent.sock"))
	}}}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-p.done:
			setRunning(work, nil)
			if neg {
				return
			}
			text, _ := os.ReadFile(filepath.Join(work, "daemon.log"))
			ts.Fatalf("the daemon ended: %v\n%s", err, text)
		default:
		}
		res, err := hc.Get("http://regent/-/ready")
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			if neg {
				ts.Fatalf("the daemon started")
			}
			return
		}
	}
	ts.Fatalf("the daemon did not become ready")
}

func stopDaemon(sig syscall.Signal) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		work := ts.Getenv("WORK")
		p := runningIn(work)
		if p == nil {
			ts.Fatalf("no daemon runs")
		}
		ts.Check(p.cmd.Process.Signal(sig))
		select {
		case err := <-p.done:
			if sig != syscall.SIGKILL && err != nil {
				ts.Fatalf("the daemon ended with %v", err)
			}
		case <-time.After(40 * time.Second):
			ts.Fatalf("the daemon did not end")
		}
		setRunning(work, nil)
	}
}

func hup(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(runningIn(ts.Getenv("WORK")).cmd.Process.Signal(syscall.SIGHUP))
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: until SECONDS PATTERN COMMAND…")
	}
	var seconds float64
	if _, err := fmt.Sscan(args[0], &seconds); err != nil {
		ts.Fatalf("until %s: %v", args[0], err)
	}
	var out []byte
	for deadline := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		name := args[2]
		if name == "regent" {
			name = filepath.Join(bin, name)
		}
		cmd := exec.Command(name, args[3:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "REGENT_DATA_DIR="+ts.Getenv("REGENT_DATA_DIR"))
		out, _ = cmd.CombinedOutput()
		if strings.Contains(string(out), args[1]) != neg {
			return
		}
	}
	text, _ := os.ReadFile(filepath.Join(ts.Getenv("WORK"), "daemon.log"))
	ts.Fatalf("%q never stood in the output of %v:\n%s\ndaemon:\n%s", args[1], args[2:], out, text)
}

func appendFile(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(ts.ReadFile(args[1]))
	ts.Check(err)
	ts.Check(f.Close())
}

func swapConfigMap(ts *testscript.TestScript, _ bool, args []string) {
	dir, version := ts.MkAbs(args[0]), args[1]
	ts.Check(os.RemoveAll(filepath.Join(dir, "..data_tmp")))
	ts.Check(os.Symlink(version, filepath.Join(dir, "..data_tmp")))
	ts.Check(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}
