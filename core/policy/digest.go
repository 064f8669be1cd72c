package policy

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/regent-dev/regent/core/record"
)

// digester sums texts so that no two sequences of texts have the same input.
type digester struct {
	buf []byte
}

func (d *digester) text(parts ...string) {
	d.buf = binary.AppendUvarint(d.buf, uint64(len(parts)))
	for _, p := range parts {
		d.buf = binary.AppendUvarint(d.buf, uint64(len(p)))
		d.buf = append(d.buf, p...)
	}
}

func (d *digester) sum() record.Digest { return sha256.Sum256(d.buf) }
