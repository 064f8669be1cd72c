package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Bodies are compressed one by one against a dictionary of their kind: the first body of the kind that
// is large enough. Items of one type differ in little, so that is what saves most; BenchmarkBody sets it
// against zstd without one. The code carries a checksum, because SQLite's pages have none.
//
// A packed body is: form, what the form wants, content, CRC-32C of all before it.
const (
	bodyRaw  = 0
	bodyZstd = 1
	// bodyS2 is followed by the dictionary's number.
	bodyS2 = 2
)

const (
	// minPacked is the size from which bodies are compressed.
	minPacked = 64
	// minDictionary and maxDictionary bound what makes a dictionary.
	minDictionary = 256
	maxDictionary = 32 << 10
	// maxWithDictionary is the size beyond which the dictionary gains nothing and zstd does.
	maxWithDictionary = 64 << 10
	// maxDictionaries is how many dictionaries one kind may have. Another is made where the newest
	// does not halve a body of minRenew bytes.
	maxDictionaries = 8
	minRenew        = 512
	// maxUnpacked bounds what one body may unpack to.
	maxUnpacked = 256 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errDamagedBody = errors.New("body is damaged")
)

// The compressors are shared by all, one user at a time.
var (
	encoders = sync.Pool{New: func() any {
		// The options are valid, so there is no error.
		e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		return e
	}}
	decoders = sync.Pool{New: func() any {
		d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
		return d
	}}
)

func compress(dst, src []byte) []byte {
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	return e.EncodeAll(src, dst)
}

func decompress(src []byte) ([]byte, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	return d.DecodeAll(src, nil)
}

// dictionaries are those at hand.
type dictionaries struct {
	mu   sync.RWMutex
	byID map[int64]*s2.Dict
	// kinds are what bodies are written with; they are touched by the writing transaction only.
	kinds map[string]kindDictionary
}

type kindDictionary struct {
	id    int64
	count int
	dict  *s2.Dict
}

func newDictionaries() *dictionaries {
	return &dictionaries{byID: map[int64]*s2.Dict{}, kinds: map[string]kindDictionary{}}
}

// pack compresses a body of a kind.
func (tx *Tx) pack(kind string, body []byte) ([]byte, error) {
	switch {
	case len(body) < minPacked:
		return seal(append([]byte{bodyRaw}, body...)), nil
	case len(body) > maxWithDictionary:
		return seal(compress([]byte{bodyZstd}, body)), nil
	}
	k, err := tx.kindDictionary(kind, body)
	if err != nil {
		return nil, err
	}
	if k.dict == nil {
		return seal(append([]byte{bodyRaw}, body...)), nil
	}
	out := k.pack(body)
	if len(body) >= minRenew && len(out) > len(body)/2 && k.count < maxDictionaries {
		if k, err = tx.newDictionary(kind, k.count, body); err != nil {
			return nil, err
		}
		out = k.pack(body)
	}
	return out, nil
}

func (k kindDictionary) pack(body []byte) []byte {
	head := binary.AppendUvarint([]byte{bodyS2}, uint64(k.id))
	out := make([]byte, len(head)+s2.MaxEncodedLen(len(body))+4)
	copy(out, head)
	n := len(k.dict.Encode(out[len(head):len(out)-4], body))
	return seal(out[:len(head)+n])
}

// seal appends the checksum.
func seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// kindDictionary returns the dictionary to write a kind with; it has none as long as no body was large
// enough.
func (tx *Tx) kindDictionary(kind string, body []byte) (kindDictionary, error) {
	d := tx.s.bodies
	k, known := d.kinds[kind]
	if !known {
		var raw []byte
		_, err := tx.one(`SELECT id, bytes FROM dictionaries WHERE kind = ? ORDER BY id DESC LIMIT 1`, []any{kind}, &k.id, &raw)
		if err == nil {
			_, err = tx.one(`SELECT count(*) FROM dictionaries WHERE kind = ?`, []any{kind}, &k.count)
		}
		if err != nil {
			return k, fmt.Errorf("read dictionary of %s: %w", kind, err)
		}
		if k.id != 0 {
			if k.dict = s2.NewDict(raw); k.dict == nil {
				return k, fmt.Errorf("dictionary %d: %w", k.id, errDamagedBody)
			}
		}
		d.kinds[kind] = k
	}
	if k.dict == nil && len(body) >= minDictionary {
		return tx.newDictionary(kind, 0, body)
	}
	return k, nil
}

// newDictionary makes a body the dictionary of its kind.
func (tx *Tx) newDictionary(kind string, count int, body []byte) (kindDictionary, error) {
	id, err := tx.nextID("dictionaries", "id")
	if err != nil {
		return kindDictionary{}, err
	}
	k := kindDictionary{id: id, count: count + 1, dict: s2.MakeDict(append([]byte(nil), body[:min(len(body), maxDictionary)]...), nil)}
	if err := tx.run(`INSERT INTO dictionaries (id, kind, bytes) VALUES (?, ?, ?)`, id, kind, k.dict.Bytes()); err != nil {
		return kindDictionary{}, fmt.Errorf("write dictionary of %s: %w", kind, err)
	}
	d := tx.s.bodies
	d.kinds[kind] = k
	d.put(id, k.dict)
	// If the transaction fails, the number is given to another dictionary.
	tx.onRollback = append(tx.onRollback, func() {
		delete(d.kinds, kind)
		d.mu.Lock()
		delete(d.byID, id)
		d.mu.Unlock()
	})
	return k, nil
}

func (d *dictionaries) put(id int64, dict *s2.Dict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[id] = dict
}

// dictionary returns a dictionary that a body was packed with.
func (tx *Tx) dictionary(id int64) (*s2.Dict, error) {
	d := tx.s.bodies
	d.mu.RLock()
	dict := d.byID[id]
	d.mu.RUnlock()
	if dict != nil {
		return dict, nil
	}
	var raw []byte
	if _, err := tx.one(`SELECT bytes FROM dictionaries WHERE id = ?`, []any{id}, &raw); err != nil {
		return nil, fmt.Errorf("read dictionary %d: %w", id, err)
	}
	if dict = s2.NewDict(raw); dict == nil {
		return nil, fmt.Errorf("dictionary %d: %w", id, errDamagedBody)
	}
	d.put(id, dict)
	return dict, nil
}

// unpack returns a packed body in new memory.
func (tx *Tx) unpack(b []byte) ([]byte, error) { return unpackBody(b, tx.dictionary) }

func unpackBody(b []byte, dictionary func(int64) (*s2.Dict, error)) ([]byte, error) {
	n := len(b) - 4
	if n < 1 || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, errDamagedBody)
	}
	form, content := b[0], b[1:n]
	switch form {
	case bodyRaw:
		return append([]byte{}, content...), nil
	case bodyZstd:
		out, err := decompress(content)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamagedBody, err)
		}
		return out, nil
	case bodyS2:
		id, used := binary.Uvarint(content)
		if used <= 0 {
			return nil, errDamagedBody
		}
		content = content[used:]
		size, err := s2.DecodedLen(content)
		if err != nil || size > maxUnpacked {
			return nil, errDamagedBody
		}
		dict, err := dictionary(int64(id))
		if err != nil {
			return nil, err
		}
		out, err := dict.Decode(nil, content)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamagedBody, err)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: form %d is unknown", errDamagedBody, form)
}
