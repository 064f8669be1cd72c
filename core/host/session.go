package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// The services of go-plugin that we call by name, because its generated client is internal.
const (
	stdioMethod    = "/plugin.GRPCStdio/StreamStdio"
	shutdownMethod = "/plugin.GRPCController/Shutdown"
)

// The windows of HTTP/2 flow control: how much a collector may have sent that was not taken yet.
// A window of one or two batches keeps the connection busy and the memory of an instance small.
const (
	streamWindow     = 4 << 20
	connectionWindow = 6 << 20
)

// slotTime is how long a start counts among those under way.
const slotTime = 3 * time.Second

// session is a process of a plugin that answers, with the connection to it.
type session struct {
	log       *slog.Logger
	timing    Timing
	proc      *process
	conn      *grpc.ClientConn
	plugin    pluginv1.PluginClient
	described *pluginv1.DescribeResponse
	// inUse is closed by release: until then what the process sent before it ended can be read.
	inUse chan struct{}
	// settled is closed when the process has ended, nobody reads any more, and the connection is
	// closed.
	settled chan struct{}
}

// release says that nothing more will be read from the connection. It is called once.
func (s *session) release() { close(s.inUse) }

// connectOptions say what connect starts. The image stays the caller's.
type connectOptions struct {
	image *image
	env   []string
	dir   string
	log   *slog.Logger
}

// connect starts a process from an image, makes the connection to it, and asks it what it is. No
// process is left where it fails.
func (b *base) connect(ctx context.Context, o connectOptions) (*session, error) {
	select {
	case b.slots <- struct{}{}:
		// One that hangs must not hold up the others.
		free := sync.OnceFunc(func() { <-b.slots })
		defer time.AfterFunc(slotTime, free).Stop()
		defer free()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p := newProcess(o.image, b.launcher, o.log, o.dir)
	config := &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{int(wire.Handshake.ProtocolVersion): {wire.Name: &wire.Client{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     b.timing.Handshake,
		Logger:           hclog.NewNullLogger(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: b.private.path},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, sockets string) (runner.Runner, error) {
			// What go-plugin sets stands last and so cannot be overridden.
			p.prepare(append(environment(o.image, o.env, os.LookupEnv), cmd.Env...), sockets)
			return p, nil
		},
	}
	// Start has no context; it returns when the process ends.
	unwatch := context.AfterFunc(ctx, func() { p.condemn("its start was called off") })
	defer unwatch()
	addr, err := plugin.NewClient(config).Start()
	if err == nil {
		if fields := p.handshake(); len(fields) < 6 || config.TLSConfig.RootCAs == nil {
			err = errors.New("the plugin does not take part in mutual TLS: its handshake carries no certificate; it must make one when PLUGIN_CLIENT_CERT is set")
		}
	} else {
		err = b.startError(p, err)
	}
	if err != nil {
		return nil, p.fail(ctx, err)
	}
	s := &session{log: o.log, timing: b.timing, proc: p, inUse: make(chan struct{}), settled: make(chan struct{})}
	if err := s.dial(addr, config.TLSConfig); err != nil {
		return nil, p.fail(ctx, err)
	}
	go s.settle()
	if err := s.describe(ctx); err != nil {
		err = p.fail(ctx, err)
		s.release()
		<-s.settled
		return nil, err
	}
	if b.described.put(o.image, s.described) {
		o.log.Warn("the plugin says something else of itself than the same binary said before; its configuration was read by what it said then")
	}
	return s, nil
}

// startError says what is wrong with a handshake in words that name the way out.
func (b *base) startError(p *process, err error) error {
	fields := p.handshake()
	switch {
	case !p.wasStarted():
		return err
	case fields == nil && p.silent():
		return errors.New("the plugin closed its standard output without the handshake")
	case fields == nil:
		return fmt.Errorf("the plugin made no handshake within %s", b.timing.Handshake)
	case len(fields) < 5:
		return errors.New("the plugin's handshake is incomplete; it must serve gRPC with a current go-plugin")
	case fields[0] != strconv.Itoa(plugin.CoreProtocolVersion):
		return fmt.Errorf("the plugin's handshake has version %s, this daemon knows version %d; build the plugin with a current go-plugin", fields[0], plugin.CoreProtocolVersion)
	case fields[4] != string(plugin.ProtocolGRPC):
		return fmt.Errorf("the plugin speaks %q; it must serve gRPC", printable([]byte(fields[4]), maxKey))
	}
	if theirs, convErr := strconv.Atoi(fields[1]); convErr == nil {
		ours := int(wire.Handshake.ProtocolVersion)
		switch {
		case theirs > ours:
			return fmt.Errorf("the plugin speaks version %d of the plugin protocol, this daemon version %d; upgrade the daemon, or use an older version of the plugin", theirs, ours)
		case theirs < ours:
			return fmt.Errorf("the plugin speaks version %d of the plugin protocol, this daemon version %d; build the plugin with a newer SDK", theirs, ours)
		}
	}
	return fmt.Errorf("handshake: %s", printable([]byte(err.Error()), maxText))
}

// dial makes the connection. It is made in fact at the first call.
func (s *session) dial(addr net.Addr, config *tls.Config) error {
	var err error
	s.conn, err = grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, addr.Network(), addr.String())
		}),
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithReadBufferSize(256<<10),
		grpc.WithMaxHeaderListSize(64<<10),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return fmt.Errorf("connect to the plugin: %w", err)
	}
	s.plugin = pluginv1.NewPluginClient(s.conn)
	return nil
}

// settle cleans up after the process.
func (s *session) settle() {
	defer close(s.settled)
	ctx, cancel := context.WithCancel(context.Background())
	printed := make(chan struct{})
	go func() { defer close(printed); s.readPrinted(ctx) }()
	<-s.proc.exited
	<-s.inUse
	cancel()
	<-printed
	if err := s.conn.Close(); err != nil {
		s.log.Warn("the connection to the plugin does not close", "err", err)
	}
}

// readPrinted reads what the plugin prints: once it serves, go-plugin turns its standard outputs into
// a stream, and a plugin whose stream nobody reads comes to a stop in its next print.
func (s *session) readPrinted(ctx context.Context) {
	stream, err := s.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, stdioMethod)
	if err != nil {
		return
	}
	if stream.SendMsg(&emptypb.Empty{}) != nil || stream.CloseSend() != nil {
		return
	}
	stdout, stderr := &lines{emit: s.proc.out.stdout}, &lines{emit: s.proc.out.stderr}
	for {
		var m emptypb.Empty
		if stream.RecvMsg(&m) != nil {
			break
		}
		switch channel, data := parsePrinted(m.ProtoReflect().GetUnknown()); channel {
		case 1:
			stdout.Write(data)
		case 2:
			stderr.Write(data)
		}
	}
	stdout.flush()
	stderr.flush()
}

// parsePrinted reads a plugin.StdioData: the channel (1 is standard output, 2 standard error) and the
// bytes. A message that is none has the channel 0.
func parsePrinted(b []byte) (channel uint64, data []byte) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, nil
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			channel, n = protowire.ConsumeVarint(b)
		case num == 2 && typ == protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return 0, nil
		}
		b = b[n:]
	}
	return channel, data
}

// describe asks the plugin what it is.
func (s *session) describe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timing.Describe)
	defer cancel()
	d, err := s.plugin.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return callError("describe itself", s.timing.Describe, err)
	}
	if err := checkDescription(d); err != nil {
		return err
	}
	s.described = d
	return nil
}

// shutdown ends the process: it asks, then closes its standard input, then sends SIGTERM, and at last
// SIGKILL to its group. patience is how long the asking may take. When ctx ends, the process is killed
// at once. It returns when the process has ended.
func (s *session) shutdown(ctx context.Context, patience time.Duration) {
	p := s.proc
	p.expect("it was told to stop")
	stop := context.AfterFunc(ctx, func() { p.signal(unix.SIGKILL) })
	defer stop()

	asking, cancel := context.WithTimeout(ctx, min(patience, 2*time.Second))
	// A server that shuts down cuts the very call that told it to.
	err := s.conn.Invoke(asking, shutdownMethod, &emptypb.Empty{}, &emptypb.Empty{})
	cancel()
	if c := status.Code(err); c == codes.Unimplemented || c == codes.DeadlineExceeded {
		p.closeStdin()
	}
	if p.endsWithin(patience) {
		return
	}
	p.closeStdin()
	s.log.Warn("the plugin does not stop when it is asked to; sending SIGTERM")
	p.signal(unix.SIGTERM)
	if p.endsWithin(s.timing.KillDelay) {
		return
	}
	s.log.Warn("the plugin does not stop at SIGTERM; sending SIGKILL")
	p.signal(unix.SIGKILL)
	<-p.exited
}

// endsWithin waits for the process to end.
func (p *process) endsWithin(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return p.ended()
	}
}

// silent reports whether the process can make no handshake any more.
func (p *process) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shake == "" && p.stdoutEnded
}

// fail takes down a process that could not be made to work, and returns err with what is known of the
// process.
func (p *process) fail(ctx context.Context, err error) error {
	if !p.wasStarted() {
		if p.sockets != "" {
			os.RemoveAll(p.sockets)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	var call *callFailure
	if errors.As(err, &call) {
		p.endedWith(call.code)
	}
	p.condemn("it could not be used")
	<-p.exited
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := &launchError{err: err, uptime: p.exit.Uptime, lines: p.out.tail()}
	if p.byItself() {
		f.err = fmt.Errorf("the plugin %s", p.exit)
		if p.handshake() == nil {
			f.err = fmt.Errorf("the plugin %s before its handshake", p.exit)
		}
	}
	return f
}

// launchError is a failure to make a plugin work, with what it wrote last.
type launchError struct {
	err    error
	uptime time.Duration
	lines  []string
}

func (e *launchError) Error() string {
	text := e.err.Error()
	if len(e.lines) > 0 {
		text += "; it wrote last:"
		for _, l := range e.lines {
			text += "\n  " + l
		}
	}
	return text
}

func (e *launchError) Unwrap() error { return e.err }

// callFailure is a call to a plugin that failed.
type callFailure struct {
	text string
	code codes.Code
}

func (e *callFailure) Error() string { return e.text }

// callError says what came of a call to a plugin. what completes "the plugin did not …".
func callError(what string, deadline time.Duration, err error) error {
	st := status.Convert(err)
	message := printable([]byte(st.Message()), maxText)
	f := &callFailure{code: st.Code()}
	switch st.Code() {
	case codes.DeadlineExceeded:
		f.text = fmt.Sprintf("the plugin did not %s within %s", what, deadline)
	case codes.Unimplemented:
		f.text = fmt.Sprintf("the plugin cannot %s: %s", what, message)
	case codes.ResourceExhausted:
		f.text = fmt.Sprintf("the plugin did not %s: a message is larger than the %d bytes allowed (%s)", what, wire.MaxMessage, message)
	default:
		f.text = fmt.Sprintf("the plugin did not %s: %s", what, message)
	}
	return f
}

// broken is how long a process whose connection broke is given to be seen ending.
const broken = 2 * time.Second

// endedWith reports whether the end of the process is behind the failure of a call with the code. A
// connection breaks a moment before the process that held it has ended.
func (p *process) endedWith(code codes.Code) bool {
	if code == codes.Unavailable {
		return p.endsWithin(broken)
	}
	return p.ended()
}
