package split

import (
	"bytes"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// recover finds where the next record begins after damage at the place, and returns the damaged
// record. Both of its guesses are followed at once, so that one pass over the bytes is enough and
// those already looked at need not be kept. Damage that reaches to the end of the stream is not
// passed: more bytes could still tell where it ends.
func (s *Splitter) recover(reason string) (Record, error) {
	start := s.base + int64(s.pos)
	rec := Record{
		Bytes:  bytes.Clone(s.buf[s.pos:min(s.end, s.pos+keptBytes)]),
		Offset: start, Line: s.here(), Damage: reason,
	}
	to := func(at int64) (Record, error) {
		if n := at - start; n < int64(len(rec.Bytes)) {
			rec.Bytes = rec.Bytes[:n]
		}
		s.pos = int(at - s.base)
		s.pass(0, s.state.Mode)
		return rec, nil
	}
	next, overlap := s.nextBegin()
	b := brackets{mode: s.state.Mode}
	read, search := start, start+1
	for {
		end := s.base + int64(s.end)
		found := int64(-1)
		if search < end {
			if i := next(s.buf[search-s.base : s.end]); i >= 0 {
				found = search + int64(i)
			}
		}
		limit := end
		switch {
		case found >= 0:
			limit = found
		case !s.eof:
			// In what comes next, the record that begins here may be seen to begin.
			limit -= int64(overlap)
		}
		if limit > read {
			if n, closed := b.read(s.buf[read-s.base : limit-s.base]); closed {
				return to(read + int64(n))
			}
			read = limit
		}
		if found >= 0 {
			return to(found)
		}
		if s.eof {
			break
		}
		search = max(search, end-int64(overlap))
		s.pos = int(min(search, read, end) - s.base)
		s.fill()
	}
	s.pos, s.open, s.stopped = s.end, true, true
	if !s.final {
		return Record{}, s.stop()
	}
	return rec, nil
}

// nextBegin returns a function that finds where another record begins in the way of the one at the
// place, -1 where it does not, and how many bytes at the end of what it was given it must see again.
func (s *Splitter) nextBegin() (find func([]byte) int, overlap int) {
	at := s.buf[s.pos:s.end]
	object := at[0] == '{' || at[0] == '['
	switch {
	case s.state.Mode == Between && !object:
		return nextLine, keptBytes
	case !s.begun:
		c := byte('{')
		if object {
			c = at[0]
		}
		return finder(append(append([]byte{'\n'}, s.indent...), c))
	case at[0] == '{':
		// The records of one line are told by the name of their first member.
		name := jsontext.Space(at, 1)
		if name < len(at) && at[name] == '"' {
			if n := bytes.IndexByte(at[name+1:min(len(at), name+256)], '"'); n >= 0 {
				return finder(bytes.Clone(at[:name+n+2]))
			}
		}
	}
	return func([]byte) int { return -1 }, 0
}

func finder(pattern []byte) (func([]byte) int, int) {
	return func(b []byte) int { return bytes.Index(b, pattern) }, len(pattern) - 1
}

// nextLine finds the end of a line after which, perhaps after more white space, an object or array
// begins.
func nextLine(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n
		j := i + 1
		for ; j < len(b) && (b[j] == ' ' || b[j] == '\t' || b[j] == '\r' || b[j] == '\n'); j++ {
			if b[j] == '\n' {
				i = j
			}
		}
		if j < len(b) && (b[j] == '{' || b[j] == '[') {
			return i
		}
		i++
	}
}

// brackets follows the brackets of a damaged value until they are closed. It lets strings hold line
// breaks, which is a common damage and not one of structure.
type brackets struct {
	mode    Mode
	begun   bool
	depth   int
	within  bool
	escaped bool
}

// read returns how many bytes belong to the value, where it ends within b.
func (k *brackets) read(b []byte) (n int, closed bool) {
	for i, c := range b {
		first := !k.begun
		k.begun = true
		switch {
		case k.escaped:
			k.escaped = false
		case k.within:
			switch c {
			case '\\':
				k.escaped = true
			case '"':
				k.within = false
			}
		case c == '"':
			k.within = true
		case c == '{' || c == '[':
			k.depth++
		case c == '}' || c == ']':
			if k.depth == 0 {
				if k.mode == Between || first {
					continue
				}
				return i, true
			}
			if k.depth--; k.depth == 0 && k.mode != Rest {
				return i + 1, true
			}
		case c == ',' && k.depth == 0 && k.mode != Between && !first:
			return i, true
		}
	}
	return 0, false
}
