package host

import (
	"context"
	"slices"
	"sync"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// acks tells a collector which of its checkpoints are durable, for sources that must be told. An
// acknowledgement covers all checkpoints before it, so of those that wait only the last is sent.
type acks struct {
	t      *tenure
	client pluginv1.CollectorClient

	mu      sync.Mutex
	last    uint64
	waiting bool
	closed  bool
	wake    chan struct{}
	done    chan struct{}
}

// newAcks returns acks for one run. Without the feature nothing is sent.
func newAcks(t *tenure) *acks {
	a := &acks{t: t}
	if !slices.Contains(t.session.described.GetFeatures(), featureAcknowledge) {
		return a
	}
	a.client = pluginv1.NewCollectorClient(t.session.conn)
	a.wake, a.done = make(chan struct{}, 1), make(chan struct{})
	go a.run()
	return a
}

// push notes that a checkpoint is durable. It does not block.
func (a *acks) push(id uint64) {
	if a.client == nil {
		return
	}
	a.mu.Lock()
	a.last, a.waiting = id, true
	a.mu.Unlock()
	a.signal()
}

func (a *acks) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// close sends what waits and ends.
func (a *acks) close() {
	if a.client == nil {
		return
	}
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.signal()
	<-a.done
}

func (a *acks) run() {
	defer close(a.done)
	for range a.wake {
		a.mu.Lock()
		id, waiting, closed := a.last, a.waiting, a.closed
		a.waiting = false
		a.mu.Unlock()
		if waiting && !a.t.session.proc.ended() {
			a.send(id)
		}
		if closed {
			return
		}
	}
}

func (a *acks) send(id uint64) {
	deadline := a.t.session.timing.Ack
	ctx, cancel := context.WithTimeout(a.t.ctx, deadline)
	defer cancel()
	if _, err := a.client.Acknowledge(ctx, &pluginv1.AcknowledgeRequest{CheckpointId: id}); err != nil && !a.t.session.proc.ended() {
		a.t.session.log.Warn("the collector did not take an acknowledgement; its source may send the same again", "err", callError("take an acknowledgement", deadline, err))
	}
}
