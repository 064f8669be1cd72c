package intake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/regent-dev/regent/core/record"
)

// The bounds on a record.
const (
	// MaxRecord is the largest record in bytes.
	MaxRecord = 1 << 20
	// MaxFuture is how far a record's time may lie ahead of the daemon's clock.
	MaxFuture = 10 * time.Minute
	// keptBytes is how much of a refused record is kept.
	keptBytes = 4 << 10
)

// Batch is a checked batch.
type Batch struct {
	Items       []record.Item
	Events      []record.Event
	Quarantined []record.Quarantined
	// Read counts the records that came: items, events and quarantined together.
	Read int
}

// Intake checks batches. It is safe for concurrent use.
type Intake struct {
	key  []byte
	pool sync.Pool
}

// New returns an intake that redacts with key.
func New(key []byte) *Intake {
	return &Intake{key: key, pool: sync.Pool{New: func() any { return new(scratch) }}}
}

// scratch is the working memory of one check.
type scratch struct {
	canon record.Canon
	buf   []byte
}

// Check checks the records of one batch of an instance with the declared types. received is when the
// batch came.
func (in *Intake) Check(types *Types, raw []record.Raw, received time.Time) Batch {
	s := in.pool.Get().(*scratch)
	defer in.pool.Put(s)
	b := Batch{Read: len(raw)}
	for _, r := range raw {
		q := record.Quarantined{Kind: r.Kind, Origin: r.Origin}
		switch {
		case r.Damaged != "":
			q.Reason, q.Bytes = r.Damaged, unparsed(types, r.JSON)
		case len(r.JSON) > MaxRecord:
			q.Reason = fmt.Sprintf("record has %d bytes, more than the %d allowed", len(r.JSON), MaxRecord)
			q.Bytes = unparsed(types, r.JSON)
		case r.Kind == record.KindItem:
			it, body, err := in.item(s, types, r.JSON, received)
			if err == nil {
				b.Items = append(b.Items, it)
				continue
			}
			q.Reason, q.Bytes = err.Error(), body
		case r.Kind == record.KindEvent:
			ev, body, err := in.event(s, types, r.JSON, received)
			if err == nil {
				b.Events = append(b.Events, ev)
				continue
			}
			q.Reason, q.Bytes = err.Error(), body
		default:
			q.Reason = fmt.Sprintf("records of kind %q are not recorded by this version", r.Kind)
			q.Bytes = unparsed(types, r.JSON)
		}
		q.Bytes = cut(q.Bytes)
		b.Quarantined = append(b.Quarantined, q)
	}
	return b
}

// item checks one item. Where it is refused, the bytes to keep come back with the error.
func (in *Intake) item(s *scratch, types *Types, json []byte, received time.Time) (record.Item, []byte, error) {
	canon, err := s.canon.Append(make([]byte, 0, len(json)), json)
	if err != nil {
		return record.Item{}, unparsed(types, json), fmt.Errorf("item is not valid JSON: %w", err)
	}
	probe, err := record.ParseItem(canon, nil)
	if err != nil {
		return record.Item{}, in.redactAll(types, canon), err
	}
	typ := types.items[probe.ResourceType]
	clear := canon
	if typ != nil && !typ.sensitive.Empty() {
		canon = typ.sensitive.Rewrite(make([]byte, 0, len(canon)), canon, in.redact)
	}
	if probe.CaptureTime.IsZero() {
		if canon, err = s.stamp(canon, "configurationItemCaptureTime", received); err != nil {
			return record.Item{}, in.redactAll(types, canon), err
		}
	} else if probe.CaptureTime.After(received.Add(MaxFuture)) {
		return record.Item{}, canon, future("configurationItemCaptureTime", probe.CaptureTime)
	}
	if typ == nil {
		if probe.CaptureTime.IsZero() {
			it, err := record.ParseItem(canon, nil)
			return it, canon, err
		}
		return probe, nil, nil
	}
	if typ.schema != nil && probe.Status.Recorded() {
		if err := typ.schema.check(clear, canon); err != nil {
			return record.Item{}, canon, fmt.Errorf("item does not fit the declared schema of %s: %w", probe.ResourceType, err)
		}
	}
	it, err := record.ParseItem(canon, typ.volatile)
	return it, canon, err
}

// event checks one event. Its body keeps the order of its members; only the hash is taken over the
// canonical form.
func (in *Intake) event(s *scratch, types *Types, json []byte, received time.Time) (record.Event, []byte, error) {
	var err error
	if s.buf, err = s.canon.Append(s.buf[:0], json); err != nil {
		s.buf = nil
		return record.Event{}, unparsed(types, json), fmt.Errorf("event is not valid JSON: %w", err)
	}
	ev, err := record.ParseEvent(json, record.Digest{})
	if err != nil {
		return record.Event{}, in.redactAll(types, json), err
	}
	body, changed := json, false
	typ := types.events[ev.Source]
	if typ != nil && !typ.sensitive.Empty() {
		body, changed = typ.sensitive.Rewrite(make([]byte, 0, len(body)), body, in.redact), true
	}
	switch {
	case ev.Time.IsZero():
		body, changed = prepend(body, `"time":"`+record.FormatTime(received)+`"`), true
	case ev.Time.After(received.Add(MaxFuture)):
		return record.Event{}, body, future("time", ev.Time)
	}
	if missing := record.MissingContainers(body); missing != "" {
		body, changed = prepend(body, missing), true
	}
	if typ != nil && typ.schema != nil {
		if err := typ.schema.checkDetail(json, body); err != nil {
			return record.Event{}, body, fmt.Errorf("event does not fit the declared schema of %s: %w", ev.Source, err)
		}
	}
	if changed {
		if s.buf, err = s.canon.Append(s.buf[:0], body); err != nil {
			s.buf = nil
			return record.Event{}, nil, fmt.Errorf("bring event into canonical form: %w", err)
		}
		ev, err = record.ParseEvent(body, record.Sum(s.buf))
		return ev, body, err
	}
	ev.Hash = record.Sum(s.buf)
	return ev, nil, nil
}

// stamp adds a time to an item that has none.
func (s *scratch) stamp(canon []byte, name string, t time.Time) ([]byte, error) {
	with := prepend(canon, `"`+name+`":"`+record.FormatTime(t)+`"`)
	return s.canon.Append(make([]byte, 0, len(with)), with)
}

// prepend puts members, written as JSON, before those of the object.
func prepend(object []byte, members string) []byte {
	i := bytes.IndexByte(object, '{') + 1
	out := make([]byte, 0, len(object)+len(members)+1)
	out = append(out, object[:i]...)
	out = append(out, members...)
	if rest := bytes.TrimLeft(object[i:], " \t\r\n"); rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, object[i:]...)
}

func future(name string, t time.Time) error {
	return fmt.Errorf("%s %s lies more than %s in the future; check the clock of the source", name, record.FormatTime(t), strings.TrimSuffix(MaxFuture.String(), "0s"))
}

// redact replaces one value. The hash is over the value's JSON, so that 1 and "1" differ.
func (in *Intake) redact(value []byte) []byte {
	mac := hmac.New(sha256.New, in.key)
	mac.Write(value)
	const prefix = `"redacted:`
	out := make([]byte, len(prefix)+32+1)
	copy(out, prefix)
	hex.Encode(out[len(prefix):], mac.Sum(nil)[:16])
	out[len(out)-1] = '"'
	return out
}

// redactAll redacts a record whose type could not be told: with the paths of every declared type.
func (in *Intake) redactAll(types *Types, json []byte) []byte {
	if types.sensitive.Empty() {
		return json
	}
	return types.sensitive.Rewrite(make([]byte, 0, len(json)), json, in.redact)
}

// unparsed returns what may be kept of bytes that are no JSON. Where the collector handles secrets
// that is only their digest, because there is no telling where in the bytes a secret stands.
func unparsed(types *Types, b []byte) []byte {
	if types.sensitive.Empty() {
		return b
	}
	return fmt.Appendf(nil, "%d bytes with SHA-256 %s, not kept because records of this collector hold secrets", len(b), record.Sum(b))
}

// cut shortens b to what is kept, at a rune, in memory of its own so that the rest can be freed.
func cut(b []byte) []byte {
	if len(b) > keptBytes {
		b = b[:keptBytes]
		for len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
	}
	return bytes.Clone(b)
}
