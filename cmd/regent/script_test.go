package main

import (
	"context"
	"errors"
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
	"golang.org/x/sys/unix"
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
	for to, packages := range map[string][]string{
		dir + "/":        {"./cmd/...", "./plugins/..."},
		dir + "/faulty/": {"./testdata/plugins/crashy", "./testdata/plugins/huge"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-o", to}, packages...)...)
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
// The daemon is started with `start NAME=VALUE…`, which runs `regent run -c regent.hcl` with these
// variables in its environment and waits until it is ready;
// `halt` ends it with SIGTERM, `sigkill` with SIGKILL (testscript has a stop and a kill of its own, which
// end the test early). `until SECONDS PATTERN COMMAND…` runs a command until
// its output matches, and fails where it never does. `swap DIR VERSION` moves a folder in as a kubelet
// moves a ConfigMap. `mount DIR SIZE` puts a small disk there; the condition
// mount says whether that may be done. `receive FILE` serves HTTP on $RECEIVER_PORT, where nobody listened
// before, and appends the body of every request to a file.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("PLUGINS", bin)
			e.Setenv("REGENT_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			port, err := freePort()
			if err != nil {
				return err
			}
			e.Setenv("RECEIVER_PORT", port)
			// What a test leaves in its folder may be looked at by the daemon as another user would.
			return os.Chmod(e.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": startDaemon, "halt": stopDaemon(syscall.SIGTERM), "sigkill": stopDaemon(syscall.SIGKILL),
			"until": until, "swap": swapConfigMap, "append": appendFile, "hup": hup,
			"mount": mountSmall, "receive": receive,
		},
		Condition: func(cond string) (bool, error) {
			if cond != "mount" {
				return false, fmt.Errorf("unknown condition %s", cond)
			}
			return mayMount(), nil
		},
		ContinueOnError: true,
	})
}

// process is a daemon that a script started.
type process struct {
	cmd *exec.Cmd
	// done is closed when it has ended, with err.
	done chan struct{}
	err  error
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

// launch starts the daemon of a script.
func launch(ts *testscript.TestScript, env []string) *process {
	work := ts.Getenv("WORK")
	log, err := os.OpenFile(filepath.Join(work, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	cmd := exec.Command(filepath.Join(bin, "regent"), "run", "-c", "regent.hcl")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "WORK="+work, "REGENT_DATA_DIR="+ts.Getenv("REGENT_DATA_DIR"), "REGENT_VAR_work="+work, "REGENT_VAR_plugins="+bin, "RECEIVER_PORT="+ts.Getenv("RECEIVER_PORT"))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() { p.err = cmd.Wait(); log.Close(); close(p.done) }()
	setRunning(work, p)
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		<-p.done
	})
	return p
}

func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	p := launch(ts, args)
	hc := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(work, "data", "regent.sock"))
	}}}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.done:
			setRunning(work, nil)
			if neg {
				return
			}
			text, _ := os.ReadFile(filepath.Join(work, "daemon.log"))
			ts.Fatalf("the daemon ended: %v\n%s", p.err, text)
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
		case <-p.done:
			if sig == syscall.SIGTERM && p.err != nil {
				ts.Fatalf("the daemon ended with %v", p.err)
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
		cmd.Dir = ts.Getenv("WORK")
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

// freePort returns a port that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

func receive(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:"+ts.Getenv("RECEIVER_PORT"))
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = f.Write(append(body, '\n'))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	go func() { _ = server.Serve(l) }()
	ts.Defer(func() { _ = server.Close(); _ = f.Close() })
}

// mayMount tries whether a disk may be mounted.
func mayMount() bool {
	dir, err := os.MkdirTemp("", "regent-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		return false
	}
	return unix.Unmount(dir, unix.MNT_DETACH) == nil
}

func mountSmall(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]+",mode=700"))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}
