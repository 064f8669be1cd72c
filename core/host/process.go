package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"
)

// drainOutput bounds how long the outputs of a process that has ended are waited for. Its group is
// gone by then; only what left the group may still hold them open.
const drainOutput = 2 * time.Second

// lastWords is how long a process that closed its standard output without a handshake has to end.
const lastWords = 500 * time.Millisecond

// busyTries is how often a copy that is still open for writing is tried again. Another process that
// is being forked at that moment may hold it for the time until it executes.
const busyTries = 50

// maxShake bounds the handshake; go-plugin's reader stops at 64 KiB.
const maxShake = 16 << 10

// shakeLine is go-plugin's handshake.
var shakeLine = regexp.MustCompile(`^\d+\|\d+\|(tcp|unix)\|`)

// process is one process of a plugin. It implements runner.Runner, through which go-plugin starts it;
// the rest of the host uses it directly. Its methods are safe for concurrent use.
type process struct {
	image    *image
	launcher *launcher
	log      *slog.Logger
	out      *output
	cmd      *exec.Cmd
	// sockets is the folder in which the plugin makes its socket.
	sockets string

	// The plugin's outputs as go-plugin sees them: one line, and nothing.
	shakeR *io.PipeReader
	shakeW *io.PipeWriter

	mu      sync.Mutex
	pid     int
	started time.Time
	// reaped says that pid may belong to another process.
	reaped bool
	// stdin is the writing end; closing it tells the plugin to end.
	stdin *os.File
	// reason is why the host ended the process, "" where it ended by itself.
	reason string
	// killed says that go-plugin had the process killed because the handshake failed.
	killed bool
	// shake is the handshake, stdoutEnded whether none can come any more.
	shake       string
	stdoutEnded bool

	// exited is closed when the process has ended and its outputs are read; exit is valid then.
	exited chan struct{}
	exit   Exit
}

var _ runner.Runner = (*process)(nil)

// newProcess prepares a process that runs in dir; prepare completes it.
func newProcess(im *image, l *launcher, log *slog.Logger, dir string) *process {
	p := &process{image: im, launcher: l, log: log, out: newOutput(log), exited: make(chan struct{})}
	p.shakeR, p.shakeW = io.Pipe()
	p.cmd = &exec.Cmd{Path: im.exec, Args: []string{im.source}, Dir: dir, ExtraFiles: im.files(), SysProcAttr: processAttributes()}
	return p
}

// prepare sets the complete environment and the folder for the socket.
func (p *process) prepare(env []string, sockets string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd.Env, p.sockets = env, sockets
}

// Start implements runner.Runner.
func (p *process) Start(ctx context.Context) error {
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			f.Close()
		}
	}
	var ends [6]*os.File
	for i := 0; i < len(ends); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return fmt.Errorf("start plugin %s: %w", p.image.source, err)
		}
		ends[i], ends[i+1] = r, w
		files = append(files, r, w)
	}
	stdinR, stdinW, stdoutR, stdoutW, stderrR, stderrW := ends[0], ends[1], ends[2], ends[3], ends[4], ends[5]
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdinR, stdoutW, stderrW

	p.mu.Lock()
	if p.reason != "" {
		p.mu.Unlock()
		closeAll()
		return errors.New("the start was called off")
	}
	if err := p.exec(ctx); err != nil {
		p.mu.Unlock()
		closeAll()
		return p.startError(err)
	}
	p.pid, p.started, p.stdin = p.cmd.Process.Pid, time.Now(), stdinW
	p.mu.Unlock()
	for _, f := range []*os.File{stdinR, stdoutW, stderrW} {
		f.Close()
	}
	if err := os.WriteFile(filepath.Join(p.sockets, groupFile), []byte(strconv.Itoa(p.pid)), 0o600); err != nil {
		p.log.Warn("the process group of the plugin cannot be noted", "err", err)
	}

	var readers sync.WaitGroup
	readers.Add(2)
	go func() { defer readers.Done(); p.readStdout(stdoutR) }()
	go func() { defer readers.Done(); p.readStderr(stderrR) }()
	go p.reap(&readers, stdoutR, stderrR)
	return nil
}

// exec starts the process on the launcher's thread.
func (p *process) exec(ctx context.Context) error {
	for try := 0; ; try++ {
		err := p.launcher.do(p.cmd.Start)
		if !errors.Is(err, syscall.ETXTBSY) || try == busyTries {
			return err
		}
		// A Cmd starts once.
		again := *p.cmd
		p.cmd = &exec.Cmd{Path: again.Path, Args: again.Args, Env: again.Env, Dir: again.Dir, ExtraFiles: again.ExtraFiles, SysProcAttr: again.SysProcAttr, Stdin: again.Stdin, Stdout: again.Stdout, Stderr: again.Stderr}
		t := time.NewTimer(10 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// startError says what the operator can do about a program that the kernel refuses.
func (p *process) startError(err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		hint = ": it is no program for this machine; it may have been built for another architecture"
	case errors.Is(err, os.ErrNotExist) && p.image.script:
		hint = ": the interpreter that its first line names does not exist"
	case errors.Is(err, os.ErrNotExist):
		hint = ": the loader or working folder that it needs does not exist"
	case errors.Is(err, os.ErrPermission):
		hint = ": executing is not allowed; the file system of the run folder may be mounted noexec"
	}
	return fmt.Errorf("start plugin %s: %w%s", p.image.source, err, hint)
}

// readStdout passes the handshake on to go-plugin and everything else to the log.
func (p *process) readStdout(r io.Reader) {
	seen := false
	l := &lines{}
	l.emit = func(line []byte, cut bool) {
		if seen || cut || len(line) > maxShake || !shakeLine.Match(line) {
			p.out.stdout(line, cut)
			return
		}
		seen = true
		p.mu.Lock()
		p.shake = string(line)
		p.mu.Unlock()
		fmt.Fprintf(p.shakeW, "%s\n", line)
		p.shakeW.Close()
	}
	_, _ = io.Copy(l, r)
	// A handshake that lacks its end may be half of one.
	seen = true
	l.flush()
	p.mu.Lock()
	p.stdoutEnded = true
	p.mu.Unlock()
	p.shakeW.Close()
}

func (p *process) readStderr(r io.Reader) {
	l := &lines{emit: p.out.stderr}
	_, _ = io.Copy(l, r)
	l.flush()
}

// reap waits for the process to end, takes down the rest of its group, and notes how it ended.
func (p *process) reap(readers *sync.WaitGroup, outputs ...*os.File) {
	// As long as the process is not reaped its number, which is also that of its group, cannot be
	// given to another.
	awaited := awaitExit(p.pid)
	if !awaited {
		_ = p.cmd.Wait()
	}
	ended := time.Now()
	p.mu.Lock()
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	if awaited {
		// What Wait says beyond the state, a status other than 0, is in the state.
		_ = p.cmd.Wait()
	}
	p.reaped = true
	reason := p.reason
	p.mu.Unlock()

	read := make(chan struct{})
	go func() { readers.Wait(); close(read) }()
	t := time.NewTimer(drainOutput)
	select {
	case <-read:
		t.Stop()
	case <-t.C:
		p.log.Warn("a process that the plugin started holds its outputs open")
		p.shakeR.Close()
	}
	for _, f := range outputs {
		f.Close()
	}
	<-read
	p.closeStdin()
	p.out.close()
	p.exit = Exit{Reason: reason, At: ended, Uptime: ended.Sub(p.started)}
	if state := p.cmd.ProcessState; state != nil {
		if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			p.exit.Signal, p.exit.Core = ws.Signal(), ws.CoreDump()
		}
		p.exit.Code = state.ExitCode()
	}
	os.RemoveAll(p.sockets)
	close(p.exited)
}

// Wait implements runner.Runner. It returns when the process has ended and all it wrote is read.
func (p *process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill implements runner.Runner. go-plugin calls it when a handshake fails. A process that closed its
// standard output without one is most likely ending; how it ends is worth waiting for.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	silent := p.shake == "" && p.stdoutEnded
	p.mu.Unlock()
	if silent {
		t := time.NewTimer(lastWords)
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.exited:
		}
	}
	p.mu.Lock()
	p.killed = !p.reaped
	p.mu.Unlock()
	p.signal(unix.SIGKILL)
	return nil
}

// signal sends a signal to the process group.
func (p *process) signal(sig unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 && !p.reaped {
		_ = unix.Kill(-p.pid, sig)
	}
}

// condemn ends the process at once, and notes why; the first reason stays.
func (p *process) condemn(reason string) {
	p.expect(reason)
	p.signal(unix.SIGKILL)
}

// expect notes why the host wants the process to end.
func (p *process) expect(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason == "" && !p.reaped {
		p.reason = reason
	}
}

// byItself reports whether the process, which has ended, did so of its own accord.
func (p *process) byItself() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason == "" && !p.killed
}

// closeStdin tells the plugin that it is over.
func (p *process) closeStdin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stdin != nil {
		p.stdin.Close()
		p.stdin = nil
	}
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// wasStarted reports whether there ever was a process.
func (p *process) wasStarted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid != 0
}

// handshake returns the handshake's fields, nil where there was none yet.
func (p *process) handshake() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shake == "" {
		return nil
	}
	return strings.Split(strings.TrimSpace(p.shake), "|")
}

// Stdout implements runner.Runner: it holds the handshake and nothing else.
func (p *process) Stdout() io.ReadCloser { return p.shakeR }

// Stderr implements runner.Runner: it is empty, so that go-plugin's parser never runs, which a line
// of a plugin can make panic.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (p *process) Name() string { return p.image.source }

// ID implements runner.Runner.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return ""
	}
	return strconv.Itoa(p.pid)
}

// Diagnose implements runner.Runner; the host makes its own reports.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.AddrTranslator. A plugin decides where we connect to, so only a
// socket in the folder it was given will do.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" {
		return "", "", fmt.Errorf("the plugin listens on %s; only Unix sockets are taken", printable([]byte(network), maxKey))
	}
	if filepath.Dir(filepath.Clean(address)) != filepath.Clean(p.sockets) {
		return "", "", fmt.Errorf("the plugin listens at %s, outside the folder it was given in PLUGIN_UNIX_SOCKET_DIR", printable([]byte(address), maxText))
	}
	return network, address, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
