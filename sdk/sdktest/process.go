package sdktest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// process is a plugin that was started as the daemon starts it, but for the encryption of its socket.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	conn   *grpc.ClientConn
	dir    string
	exited chan struct{}

	mu     sync.Mutex
	noise  bytes.Buffer
	stderr bytes.Buffer
}

// handshakeLimit bounds the time from the start to the handshake.
const handshakeLimit = 20 * time.Second

func launch(ctx context.Context, binary string) (*process, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rp")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the socket: %w", err)
	}
	p := &process{cmd: exec.Command(path), dir: dir, exited: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PLUGIN_UNIX_SOCKET_DIR=" + dir, "PLUGIN_PROTOCOL_VERSIONS=1",
		wire.Handshake.MagicCookieKey + "=" + wire.Handshake.MagicCookieValue,
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p.cmd.Stderr = &locked{p: p}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", binary, err), os.RemoveAll(dir))
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		first, _ := r.ReadString('\n')
		line <- first
		rest := make([]byte, 4096)
		for {
			n, err := r.Read(rest)
			p.mu.Lock()
			p.noise.Write(rest[:n])
			p.mu.Unlock()
			if err != nil {
				break
			}
		}
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t := time.NewTimer(handshakeLimit)
	defer t.Stop()
	select {
	case first := <-line:
		parts := strings.Split(strings.TrimSpace(first), "|")
		if len(parts) < 5 || parts[1] != "1" || parts[2] != "unix" || parts[4] != "grpc" {
			p.kill()
			return nil, fmt.Errorf("the first line on standard output is no handshake: %q; standard error: %s", strings.TrimSpace(first), p.errors())
		}
		p.conn, err = grpc.NewClient("unix:"+parts[3], append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			p.kill()
			return nil, fmt.Errorf("connect: %w", err)
		}
		return p, nil
	case <-t.C:
		p.kill()
		return nil, fmt.Errorf("no handshake within %s; standard error: %s", handshakeLimit, p.errors())
	case <-ctx.Done():
		p.kill()
		return nil, ctx.Err()
	}
}

// locked collects standard error.
type locked struct{ p *process }

func (l *locked) Write(b []byte) (int, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.p.stderr.Len() < 64<<10 {
		l.p.stderr.Write(b)
	}
	return len(b), nil
}

func (p *process) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.TrimSpace(p.stderr.String())
}

// printed is what stood on standard output after the handshake.
func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.noise.String()
}

// kill ends the process however it is.
func (p *process) kill() {
	if p.conn != nil {
		p.conn.Close()
	}
	p.stdin.Close()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
	os.RemoveAll(p.dir)
}

func (p *process) plugin() pluginv1.PluginClient       { return pluginv1.NewPluginClient(p.conn) }
func (p *process) collector() pluginv1.CollectorClient { return pluginv1.NewCollectorClient(p.conn) }
func (p *process) notifier() pluginv1.NotifierClient   { return pluginv1.NewNotifierClient(p.conn) }
