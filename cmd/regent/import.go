package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

func newImport(c *client) *cobra.Command {
	var p printer
	var format, label, plugin string
	cmd := &cobra.Command{
		Use: "import --format FORMAT PATH...", Short: "Bring past records into the history", GroupID: "ask", Args: cobra.MinimumNArgs(1),
		Long: `Reads files and folders, plain or gzip, and hands what they hold to the daemon, with its own times.
Imported records enter the history and nothing else: no policy judges them and nobody is notified.
"regent backtest" runs policies over them. A resource that is known from an import alone is judged from
when a collector sees it.

What was recorded before is recognised, however long ago, so an import that broke off is run again from
its start. Damaged records go to quarantine, with their places; "regent quarantine list" shows them.

The formats are those of the collector "files": cloudtrail, aws-config and regent.`,
		Example: `  regent import --format cloudtrail /archive/AWSLogs/123456789012/CloudTrail
  regent import --format aws-config --label 2024 history-2024.json.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths := make([]string, len(args))
			for i, a := range args {
				abs, err := filepath.Abs(a)
				if err != nil {
					return usage("%v", err)
				}
				if _, err := os.Stat(abs); err != nil {
					if found, globErr := filepath.Glob(abs); globErr != nil || len(found) == 0 {
						return usage("%v", err)
					}
				}
				paths[i] = abs
			}
			if plugin == "" {
				exe, err := os.Executable()
				if err != nil {
					return usage("find the plugins: %v; name one with --plugin", err)
				}
				plugin = filepath.Join(filepath.Dir(exe), "collector-files")
			}
			out, err := importFiles(cmd.Context(), c, importing{plugin: plugin, label: label, format: format, paths: paths}, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			err = p.print(cmd.OutOrStdout(), out, "INSTANCE | READ | STORED | DUPLICATE | QUARANTINED", func(row func(...any)) {
				row(out.Instance, out.Read, out.Stored, out.Duplicate, out.Quarantined)
			})
			if err == nil && out.Quarantined > 0 {
				return &exit{exitFindings, fmt.Errorf("%d records were refused; `regent quarantine list` shows why", out.Quarantined)}
			}
			return err
		},
	}
	p.add(cmd)
	cmd.Flags().StringVar(&format, "format", "", "what the files hold: cloudtrail, aws-config or regent")
	cmd.Flags().StringVar(&label, "label", "import", "name under which the import is counted: import.files.LABEL")
	cmd.Flags().StringVar(&plugin, "plugin", "", "the program that reads the files (default: collector-files beside regent)")
	_ = cmd.MarkFlagRequired("format")
	return cmd
}

// importing says what is imported.
type importing struct {
	plugin, label, format string
	paths                 []string
}

// importFiles runs the collector to its end and streams what it reads to the daemon.
func importFiles(ctx context.Context, c *client, o importing, errOut io.Writer) (*api.Imported, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	config, err := json.Marshal(map[string]any{"paths": o.paths, "format": o.format, "follow": false, "once": true, "poll": "100ms", "settle": "1ms"})
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	sink := &importSink{out: bufio.NewWriterSize(pw, 1<<20), start: time.Now()}
	answered := make(chan error, 1)
	var out api.Imported
	go func() {
		err := c.send(ctx, "/v1/import", url.Values{"plugin": {"files"}, "label": {o.label}}, pr, &out)
		// The collector is not kept waiting by an answer that has come.
		pr.CloseWithError(errors.Join(errAnswered, err))
		answered <- err
	}()
	dir, err := os.MkdirTemp(runtimeDir(), "regent-import-")
	if err != nil {
		return nil, usage("make a folder for sockets: %v", err)
	}
	defer os.RemoveAll(dir)
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := host.New(host.Options{RunDir: dir, Log: log, Sink: sink, Cursors: sink})
	if err != nil {
		return nil, usage("%v", err)
	}
	stop := func() error {
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		return h.Stop(grace)
	}
	inst := record.NewInstance("collector", "files", o.label)
	problems := h.Apply(ctx, []host.Spec{{
		Instance: inst, Role: pluginv1.Role_ROLE_COLLECTOR, Plugin: "files", Path: o.plugin, Config: config, StateDir: filepath.Join(dir, "state"),
	}})
	for _, p := range problems {
		return nil, errors.Join(usage("%s", p.Error()), stop())
	}
	runErr := sink.wait(ctx, h, inst, answered, errOut)
	stopErr := stop()
	if runErr == nil {
		runErr = sink.out.Flush()
	}
	if runErr != nil {
		pw.CloseWithError(runErr)
		if err := <-answered; err != nil && ctx.Err() == nil && !errors.Is(runErr, errRun) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, &exit{exitUsage, fmt.Errorf("interrupted after %d records; what was sent is recorded, and running it again goes on", sink.records.Load())}
		}
		return nil, &exit{exitUsage, errors.Join(runErr, stopErr)}
	}
	_ = pw.Close()
	if err := <-answered; err != nil {
		return nil, err
	}
	return &out, stopErr
}

var (
	errAnswered = errors.New("the daemon takes no more")
	errRun      = errors.New("the files cannot be read")
)

// importSink writes what a collector sends as the stream that the daemon takes. It is the host's Sink and
// Cursors.
type importSink struct {
	out     *bufio.Writer
	start   time.Time
	records atomic.Int64
	bytes   atomic.Int64
	buf     []byte
}

// Cursor implements host.Cursors: an import begins at the start.
func (s *importSink) Cursor(context.Context, record.Instance) ([]byte, error) { return nil, nil }

// Accept implements host.Sink.
func (s *importSink) Accept(_ context.Context, _ record.Instance, m record.Message) error {
	if m.Done != nil {
		defer m.Done()
	}
	if len(m.Records) == 0 {
		return nil
	}
	b := &pluginv1.Batch{Records: make([]*pluginv1.Record, len(m.Records))}
	for i, r := range m.Records {
		b.Records[i] = &pluginv1.Record{Kind: pluginv1.Kind(r.Kind), Json: r.JSON, Damaged: r.Damaged, Origin: r.Origin}
		s.bytes.Add(int64(len(r.JSON)))
	}
	var err error
	s.buf = s.buf[:0]
	if s.buf, err = (proto.MarshalOptions{}).MarshalAppend(s.buf, b); err != nil {
		return err
	}
	if _, err := s.out.Write(binary.AppendUvarint(nil, uint64(len(s.buf)))); err != nil {
		return err
	}
	if _, err := s.out.Write(s.buf); err != nil {
		return err
	}
	s.records.Add(int64(len(m.Records)))
	return nil
}

// wait returns when the collector has read everything, and shows how far it is.
func (s *importSink) wait(ctx context.Context, h *host.Host, inst record.Instance, answered chan error, errOut io.Writer) error {
	terminal := false
	if f, ok := errOut.(*os.File); ok {
		terminal = isatty.IsTerminal(f.Fd())
	}
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-answered:
			answered <- err
			return errAnswered
		case <-t.C:
		}
		if terminal && n%10 == 0 {
			took := time.Since(s.start).Seconds()
			fmt.Fprintf(errOut, "\r\x1b[K%d records, %d MiB, %.0f records/s", s.records.Load(), s.bytes.Load()>>20, float64(s.records.Load())/took)
		}
		for _, st := range h.Status() {
			switch {
			case st.Instance != inst:
			case st.Runs > 0:
				if terminal {
					fmt.Fprint(errOut, "\r\x1b[K")
				}
				return nil
			case st.Summary != "":
				return fmt.Errorf("%w: %s: %s", errRun, st.Summary, st.Detail)
			}
		}
	}
}

// send posts a stream and decodes the answer.
func (c *client) send(ctx context.Context, path string, query url.Values, body io.Reader, out any) error {
	return c.do(ctx, http.MethodPost, path, query, body, "application/octet-stream", func(r io.Reader) error {
		if err := json.NewDecoder(r).Decode(out); err != nil {
			return &exit{exitUnreachable, fmt.Errorf("the answer is not readable: %w", err)}
		}
		return nil
	})
}
