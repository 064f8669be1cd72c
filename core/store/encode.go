package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/regent-dev/regent/core/record"
)

// Encoded is a batch of events as it is stored. It is made outside any transaction, because
// compressing is most of the work. It refers to the events that it was made of, and is not changed.
type Encoded struct {
	events           []record.Event
	minTime, maxTime int64
	// ids are the events' fingerprints in order, checks what duplicates are compared by.
	ids    []uint32
	checks []byte
	filter []byte
	data   []byte
}

// Len returns how many events there are.
func (e *Encoded) Len() int { return len(e.events) }

// Size returns how many bytes they take, the summary included.
func (e *Encoded) Size() int { return len(e.data) + len(e.filter) + 4*len(e.ids) + len(e.checks) }

// filterBits is how many bits the filter of a batch takes for each different thing in it: one batch in
// three hundred is opened in vain.
const filterBits = 12

// batchForm begins the data of a batch. After it comes one zstd frame, with its checksum, that holds
// each body after its length.
const batchForm = 1

// scratch is memory that EncodeEvents works in.
type scratch struct {
	raw    []byte
	packed []byte
	tokens map[uint64]struct{}
}

var scratches = sync.Pool{New: func() any { return &scratch{tokens: map[uint64]struct{}{}} }}

// EncodeEvents compresses events and makes their summary. It is safe for concurrent use. The events
// must not be changed as long as the result is used.
func EncodeEvents(events []record.Event) Encoded {
	if len(events) == 0 {
		return Encoded{}
	}
	e := Encoded{events: events, minTime: math.MaxInt64, maxTime: math.MinInt64, ids: make([]uint32, len(events)), checks: make([]byte, 0, checkBytes*len(events))}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	raw := s.raw[:0]
	clear(s.tokens)
	for i := range events {
		ev := &events[i]
		at := ev.Time.UnixMicro()
		e.minTime, e.maxTime = min(e.minTime, at), max(e.maxTime, at)
		e.ids[i] = fingerprint(ev)
		e.checks = appendCheck(e.checks, ev)
		raw = binary.AppendUvarint(raw, uint64(len(ev.Body)))
		raw = append(raw, ev.Body...)
		addTokens(s.tokens, ev)
	}
	f := newBloom(len(s.tokens), filterBits)
	for t := range s.tokens {
		f.add(t)
	}
	e.filter = f.bytes()
	s.raw, s.packed = raw, compress(append(s.packed[:0], batchForm), raw)
	e.data = append([]byte(nil), s.packed...)
	return e
}

// fingerprint is what an event is first looked for by: a hash of its id, or of its content where it
// has none. It only ever says where to look.
func fingerprint(ev *record.Event) uint32 {
	if ev.ID == "" {
		return binary.BigEndian.Uint32(ev.Hash[:])
	}
	return idFingerprint(ev.ID)
}

// idFingerprint is cut from a digest that is hard to find collisions of: some sources take their ids
// from whoever causes the event, who could otherwise make each look-up meet all events before.
func idFingerprint(id string) uint32 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint32(sum[:])
}

// The kinds of thing that a batch's filter knows.
const (
	tokenResource = 'r'
	tokenType     = 't'
	tokenActor    = 'a'
	tokenAction   = 'c'
	tokenSource   = 's'
	tokenAddress  = 'o'
	tokenAccount  = 'n'
)

func token(kind byte, s string) uint64 {
	return xxhash.Sum64String(s) ^ uint64(kind)*0x9e3779b97f4a7c15
}

func addTokens(tokens map[uint64]struct{}, ev *record.Event) {
	add := func(kind byte, s string) {
		if s != "" {
			tokens[token(kind, s)] = struct{}{}
		}
	}
	add(tokenAction, ev.Action)
	add(tokenSource, ev.Source)
	add(tokenActor, ev.Actor.ID)
	add(tokenActor, ev.Actor.Name)
	add(tokenAddress, ev.Origin.Address)
	add(tokenAccount, ev.AccountID)
	for i := range ev.Targets {
		t := &ev.Targets[i]
		add(tokenType, t.ResourceType)
		add(tokenResource, t.ResourceID)
		add(tokenResource, t.Name)
	}
}

// errDamagedBatch says that the bytes of a batch are not what EncodeEvents makes.
var errDamagedBatch = errors.New("batch is damaged")

// decodeEvents opens a batch of so many events and returns their bodies.
func decodeEvents(data []byte, count int) ([][]byte, error) {
	if len(data) == 0 || data[0] != batchForm {
		return nil, errDamagedBatch
	}
	raw, err := decompress(data[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamagedBatch, err)
	}
	// Every event takes at least the byte of its length, whatever count says.
	out := make([][]byte, 0, max(0, min(count, len(raw))))
	for len(raw) > 0 {
		n, used := binary.Uvarint(raw)
		if used <= 0 || n > uint64(len(raw)-used) {
			return nil, errDamagedBatch
		}
		out = append(out, raw[used:used+int(n):used+int(n)])
		raw = raw[used+int(n):]
	}
	if len(out) != count {
		return nil, fmt.Errorf("%w: %d events instead of %d", errDamagedBatch, len(out), count)
	}
	return out, nil
}
