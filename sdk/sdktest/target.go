package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// target is a plugin that can be started again and again, which is all that the checks know of it.
type target interface {
	start(ctx context.Context) (*session, error)
	// byHand returns what the plugin prints as its description when a person runs it, errNoProgram
	// where there is nothing to run.
	byHand(ctx context.Context) ([]byte, error)
}

// errNoProgram says that a check is about programs and the target is none.
var errNoProgram = errors.New("in process there is no program to run")

// session is a plugin that was started.
type session struct {
	conn *grpc.ClientConn
	// dir is a folder that lives as long as the session.
	dir string
	// noise is what stood on standard output after the handshake, stderr what stood on standard error.
	noise, stderr *text
	// hangUp tells the plugin that the daemon is gone; gone is closed when it has ended.
	hangUp func() error
	gone   chan struct{}
	// kill ends the plugin however it is, and frees what the session holds.
	kill func()
}

func (s *session) plugin() pluginv1.PluginClient       { return pluginv1.NewPluginClient(s.conn) }
func (s *session) collector() pluginv1.CollectorClient { return pluginv1.NewCollectorClient(s.conn) }
func (s *session) notifier() pluginv1.NotifierClient   { return pluginv1.NewNotifierClient(s.conn) }

func (s *session) configure(ctx context.Context, instance string, config json.RawMessage, stateDir string, interval time.Duration) ([]*pluginv1.Problem, error) {
	r, err := s.plugin().Configure(ctx, &pluginv1.ConfigureRequest{
		Instance: instance, Config: config, StateDir: stateDir, IntervalMs: interval.Milliseconds(), MaxMessageBytes: wire.MaxMessage,
	})
	return r.GetProblems(), err
}

// binary is a program.
type binary string

func (b binary) start(ctx context.Context) (*session, error) { return launch(ctx, string(b)) }

func (b binary) byHand(ctx context.Context) ([]byte, error) {
	out, err := exec.CommandContext(ctx, string(b), "describe").Output()
	if err != nil {
		return nil, fmt.Errorf("`%s describe` failed: %w", b, err)
	}
	return out, nil
}

// server makes the services of a plugin, for one process's worth of life.
type server func() *wire.Server

func (server) byHand(context.Context) ([]byte, error) { return nil, errNoProgram }

// start serves the plugin over a connection in memory, with the options that its program would have.
func (fresh server) start(context.Context) (*session, error) {
	dir, err := os.MkdirTemp("", "rp")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the plugin: %w", err)
	}
	w := fresh()
	s := &session{dir: dir, noise: &text{}, stderr: &text{}, gone: make(chan struct{})}
	w.SetLog(slog.New(slog.NewJSONHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	g := grpc.NewServer(wire.ServerOptions()...)
	w.Register(g)
	listener := bufconn.Listen(64 << 10)
	go func() {
		// It returns when the server is stopped, and a listener in memory does not fail.
		_ = g.Serve(listener)
	}()
	var once sync.Once
	s.hangUp = func() error {
		once.Do(func() {
			go func() {
				defer close(s.gone)
				w.Shutdown()
				g.Stop()
			}()
		})
		return nil
	}
	s.conn, err = grpc.NewClient("passthrough:plugin", append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	s.kill = func() {
		if s.conn != nil {
			s.conn.Close()
		}
		// It does not fail in process.
		_ = s.hangUp()
		<-s.gone
		os.RemoveAll(dir)
	}
	if err != nil {
		s.kill()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, nil
}

// text collects what is written, up to a limit.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() < 64<<10 {
		t.b.Write(p)
	}
	return len(p), nil
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
