package host

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// counter is a Sink that only counts.
type counter struct {
	records, bytes atomic.Int64
	done           chan struct{}
	want           int64
}

func (c *counter) Accept(_ context.Context, _ record.Instance, m record.Message) error {
	size := 0
	for i := range m.Records {
		size += len(m.Records[i].JSON)
	}
	c.bytes.Add(int64(size))
	if n := c.records.Add(int64(len(m.Records))); len(m.Records) > 0 && n == c.want {
		close(c.done)
	}
	if m.Done != nil {
		m.Done()
	}
	return nil
}

func (c *counter) Cursor(context.Context, record.Instance) ([]byte, error) { return nil, nil }

// BenchmarkRecords measures the way of events of 1.2 KB from the Collect of a plugin process, made with
// the SDK, to the Sink. One operation is one event; the plugin makes its events beforehand.
func BenchmarkRecords(b *testing.B) {
	for _, size := range []int{200, 1200, 8000} {
		b.Run(strconv.Itoa(size)+"B", func(b *testing.B) {
			c := &counter{done: make(chan struct{}), want: int64(b.N)}
			h, err := New(Options{RunDir: runFolder(b), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sink: c, Cursors: c, Timing: quick()})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			ps := h.Apply(context.Background(), []Spec{{
				Instance: "collector.steady.bench", Role: pluginv1.Role_ROLE_COLLECTOR, Plugin: "steady", Path: binary("steady"), StateDir: b.TempDir(),
				Config: []byte(`{"records": ` + strconv.Itoa(b.N) + `, "size": ` + strconv.Itoa(size) + `, "same": true, "stay": true}`),
			}})
			if len(ps) > 0 {
				b.Fatal(ps)
			}
			// The launch takes the time of thousands of events and is measured by itself.
			b.ResetTimer()
			select {
			case <-c.done:
			case <-time.After(time.Minute):
				b.Fatalf("%d of %d records after a minute", c.records.Load(), b.N)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.SetBytes(c.bytes.Load() / int64(b.N))
			if err := h.Stop(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkLaunch measures the time from the declaration of an instance to its being configured:
// reading, hashing and copying 13 MB, the start of the process, the handshake with mutual TLS, the
// description, the configuration.
func BenchmarkLaunch(b *testing.B) {
	c := &counter{}
	h, err := New(Options{RunDir: runFolder(b), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sink: c, Cursors: c, Timing: quick()})
	if err != nil {
		b.Fatal(err)
	}
	s := Spec{Instance: "collector.steady.bench", Role: pluginv1.Role_ROLE_COLLECTOR, Plugin: "steady", Path: binary("steady"), StateDir: b.TempDir()}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		s.Config = []byte(`{"last": ` + strconv.Itoa(n) + `}`)
		if ps := h.Apply(context.Background(), []Spec{s}); len(ps) > 0 {
			b.Fatal(ps)
		}
	}
	if err := h.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkVerify measures the reading, hashing and sealing of a binary alone.
func BenchmarkVerify(b *testing.B) {
	s := newImages(b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		im, err := s.open(binary("steady"), "")
		if err != nil {
			b.Fatal(err)
		}
		im.release()
	}
}

// BenchmarkNotify measures one call with one notification.
func BenchmarkNotify(b *testing.B) {
	c := &counter{}
	h, err := New(Options{RunDir: runFolder(b), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sink: c, Cursors: c, Timing: quick()})
	if err != nil {
		b.Fatal(err)
	}
	s := Spec{Instance: "notifier.slow.bench", Role: pluginv1.Role_ROLE_NOTIFIER, Plugin: "slow", Path: binary("slow"), Env: []string{"SLOW=answer"}, StateDir: b.TempDir()}
	if ps := h.Apply(context.Background(), []Spec{s}); len(ps) > 0 {
		b.Fatal(ps)
	}
	ns := []*pluginv1.Notification{{Id: "n", Json: make([]byte, 2000)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Notify(context.Background(), s.Instance, ns); err != nil {
			b.Fatal(err)
		}
	}
	if err := h.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkParseLogLine(b *testing.B) {
	line := []byte(`{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"listed a folder","path":"/etc","count":42,"took":"1.2s"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		parseLogLine(line)
	}
}
