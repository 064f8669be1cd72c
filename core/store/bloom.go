package store

import "encoding/binary"

// bloom is a blocked Bloom filter: all bits of a key lie in one block of 512 bits, so that a look-up
// costs one cache miss (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters").
// It says "perhaps" or "no", never "no" to what was added. The zero value holds nothing.
type bloom struct{ words []uint64 }

const (
	blockWords = 8
	blockBytes = 8 * blockWords
	bloomBits  = 8
)

// newBloom returns a filter for n keys at the given number of bits each.
func newBloom(n, bitsPerKey int) bloom {
	blocks := max(1, (n*bitsPerKey+8*blockBytes-1)/(8*blockBytes))
	return bloom{make([]uint64, blocks*blockWords)}
}

// place returns the block of a hash, and the bits within it as nine-bit numbers of a second hash.
func place(h uint64, blocks int) (block int, bits uint64) {
	hi := (h >> 32) * uint64(blocks) >> 32
	// A multiplication by an odd constant with the high half folded in makes bits that are
	// independent enough of the block's choice.
	g := (h ^ h>>29) * 0xbf58476d1ce4e5b9
	return int(hi), g ^ g>>32
}

func (b bloom) add(h uint64) {
	block, g := place(h, len(b.words)/blockWords)
	words := b.words[block*blockWords : block*blockWords+blockWords]
	for range bloomBits {
		words[g>>6&7] |= 1 << (g & 63)
		g = g>>9 | g<<55
	}
}

func (b bloom) has(h uint64) bool {
	if len(b.words) == 0 {
		return false
	}
	block, g := place(h, len(b.words)/blockWords)
	words := b.words[block*blockWords : block*blockWords+blockWords]
	for range bloomBits {
		if words[g>>6&7]&(1<<(g&63)) == 0 {
			return false
		}
		g = g>>9 | g<<55
	}
	return true
}

// bytes is the form in which a filter is stored.
func (b bloom) bytes() []byte {
	out := make([]byte, 0, len(b.words)*8)
	for _, w := range b.words {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

// readBloom reads what bytes made; false where it is something else.
func readBloom(data []byte) (bloom, bool) {
	if len(data) == 0 || len(data)%blockBytes != 0 {
		return bloom{}, false
	}
	b := bloom{make([]uint64, len(data)/8)}
	for i := range b.words {
		b.words[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	return b, true
}

// bloomHas asks a stored filter without reading it into memory. To bytes that are no filter the answer
// is "perhaps".
func bloomHas(data []byte, h uint64) bool {
	if len(data) == 0 || len(data)%blockBytes != 0 {
		return true
	}
	block, g := place(h, len(data)/blockBytes)
	block *= blockBytes
	for range bloomBits {
		if binary.LittleEndian.Uint64(data[block+int(g>>6&7)*8:])&(1<<(g&63)) == 0 {
			return false
		}
		g = g>>9 | g<<55
	}
	return true
}
