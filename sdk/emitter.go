package sdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// Emitter sends what a collector finds. Its methods block while the daemon is behind, which is how it
// pushes back, and are safe for concurrent use. But for records that are refused, they fail only when the
// daemon has closed the stream; the collector then returns.
//
// The context that a method is given does not cut a message short: after the context of Collect has
// ended because the daemon asked for it, a last checkpoint still goes through.
type Emitter interface {
	// Cursor returns the cursor of the last checkpoint that became durable, nil at the first run.
	Cursor() []byte
	// Item sends an item, Event an event. A record without what its type requires, or that JSON has no
	// form for, is refused: it is not sent, and the stream goes on.
	Item(ctx context.Context, it Item) error
	Event(ctx context.Context, ev Event) error
	// ItemJSON and EventJSON send records that are JSON in Regent's form already. The bytes must not
	// be changed afterwards.
	ItemJSON(ctx context.Context, b []byte) error
	EventJSON(ctx context.Context, b []byte) error
	// Damaged reports bytes that were to be a record and cannot be read as one. They are counted as
	// read and go to quarantine. origin says where they stand: "file:line".
	Damaged(ctx context.Context, kind Kind, raw []byte, origin, reason string) error
	// Checkpoint says that everything emitted so far is covered by the cursor, and returns the
	// checkpoint's id, with which a collector that implements Acknowledger is told of its commit.
	Checkpoint(ctx context.Context, cursor []byte) (uint64, error)
	// SweepBegin opens a complete listing of the resources of some types. scope names the part that
	// is listed and is the same at each run.
	SweepBegin(ctx context.Context, scope string, resourceTypes ...string) (Sweep, error)
	// Gap reports a time in which something may have been missed. A zero to means that it lasts.
	Gap(ctx context.Context, from, to time.Time, reason string) error
	// Problem reports something wrong that is no record.
	Problem(ctx context.Context, p Problem) error
	// Flush sends what is waiting in the batch. It is seldom needed: batches leave by themselves.
	Flush(ctx context.Context) error
}

// Sweep is an open listing. A collector that returns without ending it leaves it incomplete.
type Sweep interface {
	// End closes the sweep. complete must be false where anything could not be listed: resources
	// that a complete sweep does not mention are recorded as deleted.
	End(ctx context.Context, complete bool) error
}

// flushAfter is how long a record waits for others to share its message.
const flushAfter = 10 * time.Millisecond

// maxText is how much of a text for people is sent.
const maxText = 4 << 10

// printable makes a text fit for the protocol: a name of a file or an answer of a receiver may be any
// bytes of any length, and one message that cannot be sent would end the stream for all others.
func printable(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// damagedBytes is how much of an oversized record is kept.
const damagedBytes = 4 << 10

// sender is the part of a gRPC stream that the emitter needs.
type sender interface {
	Send(*pluginv1.CollectResponse) error
}

// emitter implements Emitter over a stream.
type emitter struct {
	cursor []byte

	mu     sync.Mutex
	stream sender
	batch  []*pluginv1.Record
	bytes  int
	timer  *time.Timer
	nextID uint64
	err    error
}

func newEmitter(s sender, cursor []byte) *emitter {
	e := &emitter{stream: s, cursor: cursor}
	e.timer = time.AfterFunc(time.Hour, func() {
		// What goes wrong here is kept and returned by the next call.
		_ = e.Flush(context.Background())
	})
	e.timer.Stop()
	return e
}

// errReturned refuses what a collector emits from somewhere after its Collect has returned.
var errReturned = errors.New("nothing can be sent after Collect has returned")

// close sends what waits in the batch; nothing is sent afterwards.
func (e *emitter) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.flush()
	e.timer.Stop()
	if e.err == nil {
		e.err = errReturned
	}
	return err
}

func (e *emitter) Cursor() []byte { return e.cursor }

func (e *emitter) Item(ctx context.Context, it Item) error {
	if err := it.check(); err != nil {
		return err
	}
	b, err := json.Marshal(it)
	if err != nil {
		return fmt.Errorf("encode item %s %s: %w", it.ResourceType, it.ResourceID, err)
	}
	return e.ItemJSON(ctx, b)
}

func (e *emitter) Event(ctx context.Context, ev Event) error {
	if err := ev.check(); err != nil {
		return err
	}
	b, err := json.Marshal(ev)
	if err != nil {
		return fmt.Errorf("encode event %s of %s: %w", ev.ID, ev.Source, err)
	}
	return e.EventJSON(ctx, b)
}

func (e *emitter) ItemJSON(ctx context.Context, b []byte) error {
	return e.record(ctx, &pluginv1.Record{Kind: KindItem, Json: b})
}

func (e *emitter) EventJSON(ctx context.Context, b []byte) error {
	return e.record(ctx, &pluginv1.Record{Kind: KindEvent, Json: b})
}

func (e *emitter) Damaged(ctx context.Context, kind Kind, raw []byte, origin, reason string) error {
	if reason == "" {
		reason = "damaged"
	}
	if len(raw) > damagedBytes {
		raw = raw[:damagedBytes]
	}
	// What is damaged comes straight out of a reader, which may use the bytes again.
	return e.record(ctx, &pluginv1.Record{Kind: kind, Json: bytes.Clone(raw), Origin: printable(origin), Damaged: printable(reason)})
}

func (e *emitter) record(_ context.Context, r *pluginv1.Record) error {
	if len(r.Json) > wire.MaxRecord {
		// It could never arrive: report it instead of breaking the stream.
		r.Damaged = fmt.Sprintf("record has %d bytes, more than the %d allowed", len(r.Json), wire.MaxRecord)
		r.Json = r.Json[:damagedBytes]
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	n := len(r.Json) + len(r.Origin) + len(r.Damaged)
	if len(e.batch) > 0 && e.bytes+n > wire.MaxBatchBytes {
		if err := e.flush(); err != nil {
			return err
		}
	}
	if len(e.batch) == 0 {
		e.timer.Reset(flushAfter)
	}
	e.batch = append(e.batch, r)
	if e.bytes += n; len(e.batch) >= wire.MaxBatchRecords || e.bytes >= wire.MaxBatchBytes {
		return e.flush()
	}
	return nil
}

func (e *emitter) Flush(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.flush()
}

// flush sends the batch; the lock is held, so that whoever emits meanwhile waits too.
func (e *emitter) flush() error {
	if e.err != nil || len(e.batch) == 0 {
		return e.err
	}
	e.timer.Stop()
	batch := e.batch
	e.batch, e.bytes = nil, 0
	return e.sendLocked(&pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Batch{Batch: &pluginv1.Batch{Records: batch}}})
}

func (e *emitter) sendLocked(m *pluginv1.CollectResponse) error {
	if e.err == nil {
		if err := e.stream.Send(m); err != nil {
			e.err = fmt.Errorf("send to the daemon: %w", err)
		}
	}
	return e.err
}

// control sends a message after everything that was emitted before it.
func (e *emitter) control(m *pluginv1.CollectResponse) error {
	if err := fits(m); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.flush(); err != nil {
		return err
	}
	return e.sendLocked(m)
}

// fits refuses a message that gRPC would end the stream for.
func fits(m *pluginv1.CollectResponse) error {
	if n := proto.Size(m); n > wire.MaxMessage {
		return fmt.Errorf("a message of %d bytes is not sent; %d are allowed", n, wire.MaxMessage)
	}
	return nil
}

func (e *emitter) Checkpoint(_ context.Context, cursor []byte) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &pluginv1.Checkpoint{Id: e.nextID + 1, Cursor: cursor}
	m := &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Checkpoint{Checkpoint: c}}
	if err := fits(m); err != nil {
		return 0, fmt.Errorf("checkpoint: %w", err)
	}
	if err := e.flush(); err != nil {
		return 0, err
	}
	e.nextID++
	return c.Id, e.sendLocked(m)
}

func (e *emitter) SweepBegin(_ context.Context, scope string, resourceTypes ...string) (Sweep, error) {
	if !utf8.ValidString(scope) || !utf8.ValidString(strings.Join(resourceTypes, "")) {
		// Another name would be that of another listing.
		return nil, fmt.Errorf("sweep of scope %q and types %q: not UTF-8", scope, resourceTypes)
	}
	s := &sweep{e: e, id: rand.Text()}
	return s, e.control(&pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepBegin{
		SweepBegin: &pluginv1.SweepBegin{Id: s.id, Scope: scope, ResourceTypes: resourceTypes},
	}})
}

type sweep struct {
	e    *emitter
	id   string
	once sync.Once
}

func (s *sweep) End(_ context.Context, complete bool) error {
	var err error
	s.once.Do(func() {
		err = s.e.control(&pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_SweepEnd{
			SweepEnd: &pluginv1.SweepEnd{Id: s.id, Complete: complete},
		}})
	})
	return err
}

func (e *emitter) Gap(_ context.Context, from, to time.Time, reason string) error {
	g := &pluginv1.Gap{From: from.UTC().Format(time.RFC3339Nano), Reason: printable(reason)}
	if !to.IsZero() {
		g.To = to.UTC().Format(time.RFC3339Nano)
	}
	return e.control(&pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Gap{Gap: g}})
}

func (e *emitter) Problem(_ context.Context, p Problem) error {
	return e.control(&pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Problem{Problem: p.proto()}})
}
