package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// The features that a collector may announce.
const (
	featureStream      = "stream"
	featureAcknowledge = "acknowledge"
)

// collector is what is known of a collector beyond the life of one process. Its methods but settle are
// called one after another (see instance.chain).
type collector struct {
	in *instance

	// due is until when nothing is missed if no process collects: the last message while a run was
	// under way, else when the next run begins.
	due time.Time
	// down says that a process was missing since the last run; why is the reason.
	down bool
	why  string
	// open says that the Sink was told of a gap that began at due and lasts.
	open bool
	// asked says that it is known whether an earlier daemon left a gap open.
	asked bool
	// complete is the configuration whose only run has ended well.
	complete uint64
	// failures counts the runs in a row that failed.
	failures int
	runs     int

	// sent counts the checkpoints accepted by the Sink, durable those that are committed.
	sent    uint64
	durable atomic.Uint64
	// settled is signalled when durable grows.
	settled chan struct{}
}

func newCollector(in *instance) *collector {
	return &collector{in: in, due: time.Now(), settled: make(chan struct{}, 1)}
}

// errEnded ends a run because the process is to drain, has ended, or the host stops.
var errEnded = errors.New("the process is leaving")

// serve collects through one process until it leaves or ends.
func (c *collector) serve(t *tenure) {
	spec := t.want.spec
	stream := slices.Contains(t.session.described.GetFeatures(), featureStream)
	if c.complete == t.want.seq {
		c.idle(t, time.Time{})
		return
	}
	for first := true; ; first = false {
		start := time.Now()
		c.in.update(func(st *InstanceStatus) { st.NextRun = time.Time{} })
		err := c.collect(t, start)
		if errors.Is(err, errEnded) || err != nil && c.leaving(t) {
			return
		}
		timing := c.in.h.timing
		if time.Since(start) >= timing.HealthyFor {
			c.failures = 0
		}
		var next time.Time
		switch {
		case err != nil:
			c.failures++
			next = time.Now().Add(backoff(c.failures, timing.QuickExits, timing.BackoffLow, timing.BackoffHigh, nil))
			t.session.log.Error("a run of the collector failed", "err", err, "next", next)
			c.in.setTrouble(troubleRun, &trouble{
				summary: fmt.Sprintf("%s does not collect: %s", c.in.name, err),
				detail:  fmt.Sprintf("The run that began at %s failed: %s.\nThe collector is asked again at %s (%s in a row).", start.UTC().Format(time.RFC3339), err, next.UTC().Format(time.RFC3339), times(c.failures)),
			})
		default:
			c.ran(t)
			switch {
			case spec.Interval > 0:
				c.failures = 0
				next = start.Add(spec.Interval)
				if first {
					// Instances that began together are spread out.
					next = next.Add(-time.Duration(rand.Float64() * float64(spec.Interval) / 10))
				}
				c.due = next
			case stream:
				// It is meant not to return, so that it does is half a failure.
				c.failures++
				next = time.Now().Add(backoff(c.failures, timing.QuickExits, timing.BackoffLow, timing.BackoffHigh, nil))
			default:
				c.complete = t.want.seq
			}
		}
		c.in.update(func(st *InstanceStatus) { st.NextRun = next })
		if !c.idle(t, next) {
			return
		}
	}
}

// ran notes a run that ended well.
func (c *collector) ran(t *tenure) {
	c.runs++
	c.in.update(func(st *InstanceStatus) { st.Runs = c.runs })
	c.in.setTrouble(troubleRun, nil)
	t.session.log.Debug("a run of the collector ended")
}

// leaving reports whether the process takes no further run. Where it is gone, that is noted.
func (c *collector) leaving(t *tenure) bool {
	select {
	case <-t.leaving:
		return true
	case <-t.ctx.Done():
		return true
	case <-t.session.proc.exited:
		c.lost(t)
		return true
	default:
		return false
	}
}

// idle waits until next, for ever where it is zero. It reports false where the process leaves before.
func (c *collector) idle(t *tenure, next time.Time) bool {
	var timer <-chan time.Time
	if !next.IsZero() {
		tm := time.NewTimer(time.Until(next))
		defer tm.Stop()
		timer = tm.C
	}
	select {
	case <-timer:
		return true
	case <-t.leaving:
	case <-t.ctx.Done():
	case <-t.session.proc.exited:
		c.lost(t)
	}
	return false
}

// lost notes that the process has ended, unless it was told to.
func (c *collector) lost(t *tenure) {
	select {
	case <-t.leaving:
		return
	default:
	}
	if c.complete != t.want.seq {
		c.tellDown(fmt.Sprintf("the process of the collector %s", t.session.proc.exit))
	}
}

// tellDown notes that no process collects, and tells the Sink of the gap where something is missed
// already.
func (c *collector) tellDown(why string) {
	if w := c.in.wanted(); w.spec == nil || w.spec.Role != pluginv1.Role_ROLE_COLLECTOR {
		return
	}
	if !c.down {
		c.down, c.why = true, why
	}
	if c.open || time.Now().Before(c.due) {
		return
	}
	c.open = true
	_ = c.accept(c.in.h.hard, record.Message{Gap: &record.Gap{From: c.due.UTC(), Reason: c.why}})
}

// inherit takes over a gap that an earlier daemon left open.
func (c *collector) inherit(ctx context.Context) error {
	if c.asked {
		return nil
	}
	from, ok, err := c.in.h.o.OpenGap(ctx, c.in.name)
	if err != nil {
		return fmt.Errorf("read open gaps: %w", err)
	}
	c.asked = true
	if ok {
		c.down, c.open, c.why, c.due = true, true, "the collector was down when the daemon stopped", from
	}
	return nil
}

// tellUp ends the gap, where there is one.
func (c *collector) tellUp(ctx context.Context, now time.Time) error {
	if !c.down {
		return nil
	}
	if c.open || now.After(c.due) {
		if err := c.accept(ctx, record.Message{Gap: &record.Gap{From: c.due.UTC(), To: now.UTC(), Reason: c.why}}); err != nil {
			return err
		}
	}
	c.down, c.open = false, false
	return nil
}

func (c *collector) accept(ctx context.Context, m record.Message) error {
	return c.in.h.o.Sink.Accept(ctx, c.in.name, m)
}

// collect makes one run.
func (c *collector) collect(t *tenure, start time.Time) error {
	if err := c.awaitDurable(t); err != nil {
		return err
	}
	cursor, err := c.in.h.o.Cursors.Cursor(t.ctx, c.in.name)
	if err != nil {
		return fmt.Errorf("read the cursor: %w", err)
	}
	if err := c.inherit(t.ctx); err != nil {
		return err
	}
	if err := c.tellUp(t.ctx, time.Now()); err != nil {
		return fmt.Errorf("record a gap: %w", err)
	}
	c.due = start
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	stream, err := pluginv1.NewCollectorClient(t.session.conn).Collect(ctx, &pluginv1.CollectRequest{Cursor: cursor})
	if err != nil {
		return c.runError(t, err)
	}
	tr := &translator{}
	acks := newAcks(t)
	err = c.receive(ctx, t, stream, tr, acks)
	// A sweep that the stream did not end is no listing. Its end must reach the Sink before the next
	// run begins it anew.
	for _, id := range tr.openSweeps() {
		if acceptErr := c.accept(t.ctx, record.Message{SweepEnd: &record.SweepEnd{ID: id}}); acceptErr != nil {
			break
		}
	}
	// The checkpoints of the next run may have the same ids, and a process that drains must not end
	// before its source knows what is durable.
	durableErr := c.awaitDurable(t)
	acks.close()
	if err == nil {
		err = durableErr
	}
	return err
}

// receive passes the messages of a stream on until it ends.
func (c *collector) receive(ctx context.Context, t *tenure, stream receiver, tr *translator, acks *acks) error {
	begun := time.Now()
	for {
		in, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return c.runError(t, err)
		}
		now := time.Now()
		c.due = now
		ms, err := tr.translate(in)
		if err != nil {
			return fmt.Errorf("the plugin broke the protocol: %w", err)
		}
		records := 0
		for i := range ms {
			m := &ms[i]
			records += len(m.Records)
			if m.Checkpoint != nil {
				m.Done = c.done(m.Checkpoint.ID, acks)
			}
			if err := c.accept(ctx, *m); err != nil {
				if t.ctx.Err() != nil {
					return errEnded
				}
				return fmt.Errorf("hand on what was collected: %w", err)
			}
			if m.Checkpoint != nil {
				c.sent++
			}
		}
		c.note(now, records)
		if now.Sub(begun) > c.in.h.timing.Settle {
			// It collects, whatever became of earlier runs.
			begun = now
			c.in.setTrouble(troubleRun, nil)
		}
	}
}

// receiver is the part of the stream that is used.
type receiver interface {
	Recv() (*pluginv1.CollectResponse, error)
}

func (c *collector) note(at time.Time, records int) {
	c.in.update(func(st *InstanceStatus) {
		st.LastMessage = at
		st.Records += uint64(records)
	})
}

// runError says why a stream broke.
func (c *collector) runError(t *tenure, err error) error {
	if t.ctx.Err() != nil {
		return errEnded
	}
	st := status.Convert(err)
	if t.session.proc.endedWith(st.Code()) {
		c.lost(t)
		return errEnded
	}
	text := printable([]byte(st.Message()), maxText)
	switch st.Code() {
	case codes.Unknown:
		return errors.New(text)
	case codes.ResourceExhausted:
		return fmt.Errorf("a message of the plugin is larger than the %d bytes allowed (%s)", wire.MaxMessage, text)
	}
	return fmt.Errorf("%s (%s)", text, st.Code())
}

// done returns what the Sink calls when a checkpoint is durable.
func (c *collector) done(id uint64, acks *acks) func() {
	n := c.sent + 1
	return func() {
		c.durable.Store(n)
		acks.push(id)
		select {
		case c.settled <- struct{}{}:
		default:
		}
	}
}

// awaitDurable waits until all checkpoints that the Sink has accepted are durable: only then the
// cursor is where the next run begins.
func (c *collector) awaitDurable(t *tenure) error {
	for c.durable.Load() < c.sent {
		select {
		case <-c.settled:
		case <-t.ctx.Done():
			return errEnded
		}
	}
	return nil
}
