package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

const (
	markerSlots = 64
	markerSize  = 1024
)

// Marker notes on disk which policy is being run on which record. The notes are in shared memory of a
// file, so that they outlive the process however it ends, and cost no system call. It implements
// policy.Marker.
type Marker struct {
	memory []byte
	free   chan int
}

var _ policy.Marker = (*Marker)(nil)

// Pair is a policy and the record that it was run on: a resource's key, or an event's source and id.
type Pair struct {
	Policy verdict.PolicyID
	Record string
}

// OpenMarker opens the marker file and returns what was under way when the last process ended.
func OpenMarker(path string) (*Marker, []Pair, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open evaluation marker: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(markerSlots * markerSize); err != nil {
		return nil, nil, fmt.Errorf("size evaluation marker: %w", err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, markerSlots*markerSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map evaluation marker: %w", err)
	}
	out := &Marker{memory: m, free: make(chan int, markerSlots)}
	var left []Pair
	for i := range markerSlots {
		slot := m[i*markerSize : (i+1)*markerSize]
		if slot[0] != 0 {
			text, _, _ := bytes.Cut(slot, []byte{0})
			if p, r, ok := strings.Cut(string(text), " "); ok {
				left = append(left, Pair{verdict.PolicyID(p), r})
			}
		}
		clear(slot)
		out.free <- i
	}
	return out, left, nil
}

// maxMarked is how long the name of a record may be in a slot; what is left of it is for the policy.
const maxMarked = 512

// marked is the name of a record as it stands in a slot. A long one is told from others by its digest.
func marked(name string) string {
	if len(name) <= maxMarked {
		return name
	}
	return name[:maxMarked-65] + " " + record.Sum([]byte(name)).String()
}

// Begin implements policy.Marker.
func (m *Marker) Begin(policy, name string) func() {
	select {
	case i := <-m.free:
		slot := m.memory[i*markerSize : (i+1)*markerSize-1]
		n := copy(slot, policy)
		n += copy(slot[n:], " ")
		n += copy(slot[n:], marked(name))
		m.memory[i*markerSize+n] = 0
		return func() {
			m.memory[i*markerSize] = 0
			m.free <- i
		}
	default:
		// More evaluations at once than slots: this one goes without.
		return func() {}
	}
}

// Close lets go of the file.
func (m *Marker) Close() error { return unix.Munmap(m.memory) }

// metaCrashes counts how often in a row each pair was under way when the process ended without being
// stopped.
const metaCrashes = "pipeline/crashes"

// Crashed takes note of the pairs that OpenMarker found, and keeps those from being run that were
// under way twice in a row: one of them takes the process down. clean says that the last process was
// stopped in an orderly way, so that nothing was its fault.
func (p *Pipeline) Crashed(ctx context.Context, left []Pair, clean bool) error {
	err := p.store.Update(ctx, func(tx *store.Tx) error {
		before := map[string]int{}
		if err := getMeta(tx, metaCrashes, &before); err != nil {
			return err
		}
		after := map[string]int{}
		for key, n := range before {
			if n >= 2 {
				after[key] = n
			}
		}
		if !clean {
			for _, pair := range left {
				key := string(pair.Policy) + " " + pair.Record
				after[key] = before[key] + 1
			}
		}
		for key, n := range after {
			if n < 2 {
				continue
			}
			id, record, _ := strings.Cut(key, " ")
			p.health.block(verdict.PolicyID(id), record)
			if before[key] < 2 {
				p.health.blockedNow(verdict.PolicyID(id), record)
			}
			p.log.Error("a policy is not run on a record that it was being run on when the daemon went down twice", "policy", id, "resource", record)
		}
		return setMeta(tx, metaCrashes, after)
	})
	if err != nil {
		return fmt.Errorf("note evaluations that were cut off: %w", err)
	}
	return nil
}

// markedEvent is how package policy names an event to the marker.
func markedEvent(ev *record.Event) string { return ev.Source + "/" + ev.ID }
