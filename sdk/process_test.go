package sdk_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// asPlugin is the environment variable by which this test binary knows that it runs as a plugin.
const asPlugin = "REGENT_TEST_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		sdk.ServeCollector(sdk.Info{Name: "subject", Version: "0.1.0"}, openSubject)
	}
	os.Exit(m.Run())
}

type subjectConfig struct {
	Mode string `config:"mode,required"`
	Dir  string `config:"dir,required"`
}

// subject is a plugin that leaves files behind, by which the test sees what was called.
type subject struct{ subjectConfig }

func openSubject(_ context.Context, cfg subjectConfig, _ sdk.Env) (sdk.Collector, error) {
	return &subject{cfg}, nil
}

func (s *subject) mark(name string) error {
	return os.WriteFile(filepath.Join(s.Dir, name), nil, 0o600)
}

func (s *subject) Collect(ctx context.Context, out sdk.Emitter) error {
	switch s.Mode {
	case "children":
		own, err := links()
		if err != nil {
			return err
		}
		child, err := exec.Command("/bin/sh", "-c", `for f in /proc/$$/fd/*; do readlink "$f"; done; true`).Output()
		if err != nil {
			return err
		}
		return out.Event(ctx, sdk.Event{
			Source: "subject", ID: "1", Time: time.Now(),
			Detail: map[string][]string{"own": own, "child": strings.Split(strings.TrimSpace(string(child)), "\n")},
		})
	case "stubborn":
		if err := out.Event(ctx, sdk.Event{Source: "subject", ID: "1", Time: time.Now()}); err != nil {
			return err
		}
		select {}
	}
	if err := out.Event(ctx, sdk.Event{Source: "subject", ID: "1", Time: time.Now()}); err != nil {
		return err
	}
	<-ctx.Done()
	return s.mark("cancelled")
}

// Close takes a moment, so that a process which does not wait for it shows.
func (s *subject) Close() error {
	if s.Mode == "stubborn" {
		err := s.mark("closed")
		time.Sleep(time.Hour)
		return err
	}
	time.Sleep(100 * time.Millisecond)
	return s.mark("closed")
}

// links returns what the descriptors of this process lead to.
func links() ([]string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		// The descriptor of the folder itself is closed by now.
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			out = append(out, to)
		}
	}
	return out, nil
}

// running is this binary as a plugin in a process of its own, configured and collecting.
type running struct {
	stdin  io.WriteCloser
	stream grpc.ServerStreamingClient[pluginv1.CollectResponse]
	first  *pluginv1.Record
	exited chan error
}

func run(t *testing.T, mode, dir string, extra ...*os.File) *running {
	t.Helper()
	sockets, err := os.MkdirTemp("", "rp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	cmd := exec.Command(os.Args[0])
	cmd.ExtraFiles = extra
	cmd.Env = append(os.Environ(), asPlugin+"=1", "PLUGIN_UNIX_SOCKET_DIR="+sockets, "PLUGIN_PROTOCOL_VERSIONS=1",
		wire.Handshake.MagicCookieKey+"="+wire.Handshake.MagicCookieValue)
	r := &running{exited: make(chan error, 1)}
	if r.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() { r.exited <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	parts := strings.Split(line, "|")
	if err != nil || len(parts) < 5 {
		t.Fatalf("handshake %q: %v", line, err)
	}
	conn, err := grpc.NewClient("unix:"+parts[3], append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	config, err := json.Marshal(map[string]string{"mode": mode, "dir": dir})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := pluginv1.NewPluginClient(conn).Configure(t.Context(), &pluginv1.ConfigureRequest{Config: config}); err != nil || len(res.GetProblems()) > 0 {
		t.Fatalf("configure: %v, %v", err, res.GetProblems())
	}
	if r.stream, err = pluginv1.NewCollectorClient(conn).Collect(t.Context(), &pluginv1.CollectRequest{}); err != nil {
		t.Fatal(err)
	}
	m, err := r.stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	r.first = m.GetBatch().GetRecords()[0]
	return r
}

// ends waits for the process to end by itself, with exit code 0.
func (r *running) ends(t *testing.T, within time.Duration) {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case err := <-r.exited:
		if err != nil {
			t.Errorf("the process ended with %v", err)
		}
	case <-timer.C:
		t.Errorf("the process goes on %s after its standard input was closed", within)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// TestChildrenInheritNothing passes a descriptor to a plugin, as the daemon passes it the copy of its
// binary, and looks for it in a program that the plugin starts.
func TestChildrenInheritNothing(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("this system does not show the descriptors of a process under /proc")
	}
	dir := t.TempDir()
	var files []*os.File
	for _, name := range []string{"third", "fourth"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	r := run(t, "children", dir, files...)
	var ev struct {
		Detail struct{ Own, Child []string }
	}
	if err := json.Unmarshal(r.first.GetJson(), &ev); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(ev.Detail.Own, f.Name()) {
			t.Errorf("the plugin itself has %v and not %s; the test says nothing", ev.Detail.Own, f.Name())
		}
		if slices.Contains(ev.Detail.Child, f.Name()) {
			t.Errorf("a child of the plugin has %s: %v", f.Name(), ev.Detail.Child)
		}
	}
	if len(ev.Detail.Child) < 3 {
		t.Errorf("the child has %v, not even the standard descriptors", ev.Detail.Child)
	}
}

// TestEndOfStdin closes standard input, which is what the death of the daemon looks like, while the
// connection still stands.
func TestEndOfStdin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, "wait", dir)
	if err := r.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	r.ends(t, 10*time.Second)
	for _, name := range []string{"cancelled", "closed"} {
		if !exists(t, filepath.Join(dir, name)) {
			t.Errorf("the process ended before the author's code was %s", name)
		}
	}
}

// TestEndOfStdinIsBounded has a plugin that returns neither from Collect nor from Close.
func TestEndOfStdinIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, "stubborn", dir)
	if err := r.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	r.ends(t, 10*time.Second)
	if !exists(t, filepath.Join(dir, "closed")) {
		t.Error("a plugin whose Collect does not return is not closed")
	}
}
