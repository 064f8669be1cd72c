package sdktest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/regent-dev/regent/sdk/wire"
)

// handshakeLimit bounds the time from the start to the handshake.
const handshakeLimit = 20 * time.Second

// launch starts a plugin as the daemon starts it, but for the encryption of its socket.
func launch(ctx context.Context, binary string) (*session, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rp")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the socket: %w", err)
	}
	s := &session{dir: dir, noise: &text{}, stderr: &text{}, gone: make(chan struct{})}
	cmd := exec.Command(path)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PLUGIN_UNIX_SOCKET_DIR=" + dir, "PLUGIN_PROTOCOL_VERSIONS=1",
		wire.Handshake.MagicCookieKey + "=" + wire.Handshake.MagicCookieValue,
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd.Stderr = s.stderr
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", binary, err), os.RemoveAll(dir))
	}
	s.hangUp = stdin.Close
	s.kill = func() {
		if s.conn != nil {
			s.conn.Close()
		}
		stdin.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-s.gone
		os.RemoveAll(dir)
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		first, _ := r.ReadString('\n')
		line <- first
		// It ends with the process, which is all that can be said against it.
		_, _ = io.Copy(s.noise, r)
		_ = cmd.Wait()
		close(s.gone)
	}()
	t := time.NewTimer(handshakeLimit)
	defer t.Stop()
	select {
	case first := <-line:
		parts := strings.Split(strings.TrimSpace(first), "|")
		if len(parts) < 5 || parts[1] != "1" || parts[2] != "unix" || parts[4] != "grpc" {
			s.kill()
			return nil, fmt.Errorf("the first line on standard output is no handshake: %q; standard error: %s", strings.TrimSpace(first), s.stderr)
		}
		s.conn, err = grpc.NewClient("unix:"+parts[3], append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			s.kill()
			return nil, fmt.Errorf("connect: %w", err)
		}
		return s, nil
	case <-t.C:
		s.kill()
		return nil, fmt.Errorf("no handshake within %s; standard error: %s", handshakeLimit, s.stderr)
	case <-ctx.Done():
		s.kill()
		return nil, ctx.Err()
	}
}
