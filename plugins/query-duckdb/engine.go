package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// engine starts a process for each query.
type engine struct {
	exe   string
	log   *slog.Logger
	notes []string
}

// defaults are for what a request leaves open.
const (
	defaultMemory  = 512 << 20
	defaultTimeout = time.Minute
	// tablesTimeout bounds how long the parsing of a statement may take.
	tablesTimeout = 10 * time.Second
)

// Query implements sdk.QueryEngine.
func (e *engine) Query(ctx context.Context, q *pluginv1.QueryRequest, out sdk.ResultWriter) error {
	q = proto.CloneOf(q)
	if q.Limits == nil {
		q.Limits = &pluginv1.QueryLimits{}
	}
	l := q.Limits
	if l.GetMemoryBytes() <= 0 {
		l.MemoryBytes = defaultMemory
	}
	timeout := time.Duration(l.GetTimeoutMs()) * time.Millisecond
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	base := l.GetSpillDir()
	if base == "" {
		base = os.TempDir()
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return fmt.Errorf("make the spill folder: %w", err)
	}
	spill, err := os.MkdirTemp(base, "query-")
	if err != nil {
		return fmt.Errorf("make the spill folder: %w", err)
	}
	defer func() {
		if err := os.RemoveAll(spill); err != nil {
			e.log.Warn("what a query spilled is left behind", "folder", spill, "err", err)
		}
	}()
	if spill, err = filepath.Abs(spill); err != nil {
		return err
	}
	l.SpillDir = spill
	var files []string
	for _, t := range q.GetTables() {
		files = append(files, t.GetFiles()...)
	}
	ended := false
	err = e.run(ctx, "query", q, confinement{read: files, write: spill, memory: l.GetMemoryBytes(), file: l.GetSpillBytes()}, timeout, func(r *bufio.Reader) error {
		for !ended {
			m := &pluginv1.QueryResponse{}
			if err := (protodelim.UnmarshalOptions{MaxSize: wire.MaxMessage}).UnmarshalFrom(r, m); err != nil {
				return err
			}
			switch {
			case m.GetColumns() != nil:
				if err := out.Columns(m.GetColumns().GetColumns(), e.notes); err != nil {
					return err
				}
			case m.GetRows() != nil:
				if err := out.Rows(m.GetRows().GetCount(), m.GetRows().GetJson()); err != nil {
					return err
				}
			case m.GetError() != nil:
				ended = true
				return queryError(m.GetError())
			case m.GetSummary() != nil:
				ended = true
			}
		}
		return nil
	})
	return err
}

// Tables implements sdk.QueryEngine.
func (e *engine) Tables(ctx context.Context, q *pluginv1.TablesRequest) ([]string, error) {
	var resp pluginv1.TablesResponse
	err := e.run(ctx, "tables", q, confinement{memory: defaultMemory}, tablesTimeout, func(r *bufio.Reader) error {
		return protodelim.UnmarshalOptions{MaxSize: wire.MaxMessage}.UnmarshalFrom(r, &resp)
	})
	switch {
	case err != nil:
		return nil, err
	case resp.GetError() != nil:
		return nil, queryError(resp.GetError())
	}
	return resp.GetTables(), nil
}

func queryError(e *pluginv1.QueryError) error {
	return &sdk.QueryError{Kind: e.GetKind(), Message: e.GetMessage(), Position: int(e.GetPosition())}
}

// confinement is what a process may do.
type confinement struct {
	// read are the files it may read, write the folder it may write, "" for none.
	read  []string
	write string
	// memory and file bound its data and each file it writes; 0 sets no bound.
	memory, file int64
}

// run starts a process, hands it its request and reads its answer. The process is gone when run returns.
func (e *engine) run(ctx context.Context, mode string, in proto.Message, c confinement, timeout time.Duration, read func(*bufio.Reader) error) error {
	request, err := proto.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	stderr := &tail{}
	cmd := &exec.Cmd{
		Path: e.exe, Args: []string{e.exe, workerMode, mode}, Dir: "/",
		Env: []string{"TZ=UTC", "LC_ALL=C", "GOTRACEBACK=none"}, Stderr: stderr,
	}
	if c.write != "" {
		cmd.Dir = c.write
	}
	stdout, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdout.Close()
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return errors.Join(err, w.Close())
	}
	proc := launch(cmd, c)
	w.Close()
	if err := <-proc.started; err != nil {
		return fmt.Errorf("start the query's process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	// It waits for its request, so it is limited before it does anything of note.
	if err := limit(cmd.Process.Pid, c); err != nil {
		stop()
		_ = cmd.Process.Kill()
		<-proc.ended
		return err
	}
	// Where it does not take its request, its end says why.
	_, _ = stdin.Write(request)
	stdin.Close()
	err = read(bufio.NewReaderSize(stdout, 256<<10))
	stop()
	// Whatever it still does is for nobody.
	_ = cmd.Process.Kill()
	waitErr := <-proc.ended
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errTimeout):
		return &sdk.QueryError{Kind: sdk.QueryTimeout, Message: fmt.Sprintf("the query took longer than %s and was ended", timeout)}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return crashed(waitErr, stderr.String(), c)
	}
	return err
}

var errTimeout = errors.New("time-out")

// crashed says how a process ended that gave no answer.
func crashed(err error, output string, c confinement) error {
	how := "without an answer"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		how = exit.String()
	}
	for _, sign := range []string{"out of memory", "cannot allocate", "bad_alloc", "failed to reserve"} {
		if strings.Contains(strings.ToLower(output), sign) {
			return &sdk.QueryError{Kind: sdk.QueryLimit, Message: fmt.Sprintf("the query wanted more memory than its %d MiB, and its process was ended (%s)", c.memory>>20, how)}
		}
	}
	text := fmt.Sprintf("the query's process ended unasked (%s); nothing else was touched", how)
	if output != "" {
		text += "; it wrote last: " + output
	}
	return &sdk.QueryError{Kind: sdk.QueryInternal, Message: text}
}

// tail keeps the beginning of what is written, where programs that crash say why.
type tail struct{ b []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	if room := 1000 - len(t.b); room > 0 {
		t.b = append(t.b, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// String returns what was kept in one line.
func (t *tail) String() string { return strings.Join(strings.Fields(string(t.b)), " ") }

// process tells when a process was started and when it has ended.
type process struct{ started, ended chan error }

// launch starts a process on a thread of its own, which is confined first: what a thread has given up,
// the processes that it starts have given up too, with all their threads.
func launch(cmd *exec.Cmd, c confinement) process {
	p := process{started: make(chan error, 1), ended: make(chan error, 1)}
	begun := make(chan struct{})
	go func() {
		err := confined(c, cmd, func() error {
			err := cmd.Start()
			p.started <- err
			close(begun)
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		select {
		case <-begun:
		default:
			p.started <- err
			close(begun)
		}
		p.ended <- err
	}()
	<-begun
	return p
}
