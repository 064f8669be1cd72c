package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// values splits a stream into the JSON values that are records: the elements of top-level arrays and of
// the known list members of top-level objects, or the top-level values themselves. It holds one record in
// memory at a time, however large the file is.
//
// It looks for the ends of values only; whether a value is JSON is for its reader to say.
type values struct {
	r io.Reader
	// lists are the members whose elements are records: "Records", "configurationItems".
	lists map[string]bool

	buf  []byte
	pos  int
	base int64
	line int
	err  error
	// stack holds the containers that were entered: '[' for a list of records, '{' for an object whose
	// list member is being read.
	inList bool
	outer  bool
	// settled says that nobody writes the file any more, so that what is not whole will not become so.
	settled bool
}

// errHalf says that the stream ends in the middle of a value.
var errHalf = errors.New("ends in the middle of a record")

// maxRecord is the largest record; a longer one is skipped and reported.
const maxRecord = 4 << 20

var errTooLong = errors.New("record is longer than 4 MiB")

func newValues(r io.Reader, lists ...string) *values {
	v := &values{r: r, lists: map[string]bool{}, line: 1}
	for _, l := range lists {
		v.lists[l] = true
	}
	return v
}

// offset is where the next byte stands.
func (v *values) offset() int64 { return v.base + int64(v.pos) }

// fill reads more. It reports false at the end.
func (v *values) fill() bool {
	if v.err != nil {
		return false
	}
	// A little stays of what was read, for tail.
	if done := v.pos - tailBytes; done > 0 && v.pos > len(v.buf)/2 {
		n := copy(v.buf, v.buf[done:])
		v.base += int64(done)
		v.buf, v.pos = v.buf[:n], tailBytes
	}
	if len(v.buf) == cap(v.buf) {
		grown := make([]byte, len(v.buf), max(64<<10, 2*cap(v.buf)))
		copy(grown, v.buf)
		v.buf = grown
	}
	n, err := v.r.Read(v.buf[len(v.buf):cap(v.buf)])
	v.buf = v.buf[:len(v.buf)+n]
	if err != nil {
		v.err = err
		return n > 0
	}
	return true
}

// skip passes white space and separators, counting lines. It reports false at the end.
func (v *values) skip(also string) (byte, bool) {
	for {
		for v.pos < len(v.buf) {
			b := v.buf[v.pos]
			switch {
			case b == '\n':
				v.line++
			case b == ' ' || b == '\t' || b == '\r':
			case bytes.IndexByte([]byte(also), b) >= 0:
			default:
				return b, true
			}
			v.pos++
		}
		if !v.fill() && v.pos >= len(v.buf) {
			return 0, false
		}
	}
}

// next returns the next record with the line that it begins in. The bytes are valid until the next call.
// It returns io.EOF at the end and errHalf where the stream ends early, with what there is.
func (v *values) next() (record []byte, line int, err error) {
	for {
		b, ok := v.skip(",")
		if !ok {
			return nil, v.line, v.end()
		}
		switch {
		case v.inList && b == ']':
			v.pos++
			v.inList = false
			continue
		case v.inList:
			return v.value()
		case v.outer && b == '}':
			v.pos++
			v.outer = false
			continue
		case v.outer:
			if done, rec, line, err := v.member(); done {
				return rec, line, err
			}
			continue
		case b == '[':
			v.pos++
			v.inList = true
			continue
		case b == '{':
			if v.envelope() {
				v.pos++
				v.outer = true
				continue
			}
			return v.top()
		}
		return v.top()
	}
}

// top returns a value at the top level. Where it is not JSON and goes on over several lines, a line was
// damaged and its reader would take the next ones along: the first line alone is returned, and reading
// goes on with the next.
func (v *values) top() ([]byte, int, error) {
	start := v.offset()
	rec, line, err := v.value()
	first := bytes.IndexByte(rec, '\n')
	if first < 0 || errors.Is(err, errTooLong) || err == nil && json.Valid(rec) || errors.Is(err, errHalf) && !v.settled {
		return rec, line, err
	}
	// Records begin a line; what is indented belongs to the damaged one.
	for first >= 0 && first+1 < len(rec) && rec[first+1] != '{' {
		more := bytes.IndexByte(rec[first+1:], '\n')
		if more < 0 {
			return rec, line, errBroken
		}
		first += 1 + more
	}
	v.pos = int(start-v.base) + first + 1
	v.line = line + bytes.Count(rec[:first+1], []byte{'\n'})
	return bytes.TrimRight(rec[:first], "\r"), line, errBroken
}

// errBroken says that a line is not a record.
var errBroken = errors.New("line is not JSON")

func (v *values) end() error {
	if v.inList || v.outer {
		return errHalf
	}
	if v.err != nil && !errors.Is(v.err, io.EOF) {
		return v.err
	}
	return io.EOF
}

// envelope reports whether the object that begins here holds a list of records: whether one of the list
// members is among its first members, before any other container ends.
func (v *values) envelope() bool {
	if len(v.lists) == 0 {
		return false
	}
	// The list's name may come after others, such as fileVersion; it is looked for in what a reader of
	// people would look at. An object without it in its first 64 KiB is a record.
	for len(v.buf)-v.pos < 64<<10 && v.fill() {
	}
	depth, i := 0, v.pos
	name := []byte(nil)
	for i < len(v.buf) {
		switch b := v.buf[i]; b {
		case '{', '[':
			if depth == 1 && b == '[' && name != nil && v.lists[string(name)] {
				return true
			}
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return false
			}
		case '"':
			end := stringEnd(v.buf, i)
			if end < 0 {
				return false
			}
			if depth == 1 {
				j := end
				for j < len(v.buf) && (v.buf[j] == ' ' || v.buf[j] == '\n' || v.buf[j] == '\t' || v.buf[j] == '\r') {
					j++
				}
				if j < len(v.buf) && v.buf[j] == ':' {
					name = v.buf[i+1 : end-1]
				}
			}
			i = end
			continue
		}
		i++
	}
	return false
}

// member passes one member of an envelope; where it is the list, the list is entered.
func (v *values) member() (done bool, record []byte, line int, err error) {
	name, line, err := v.value()
	if err != nil {
		return true, name, line, err
	}
	isList := v.lists[string(bytes.Trim(name, `"`))]
	b, ok := v.skip(":")
	if !ok {
		return true, nil, v.line, v.end()
	}
	if isList && b == '[' {
		v.pos++
		v.inList = true
		return false, nil, 0, nil
	}
	if _, line, err = v.value(); err != nil {
		return true, nil, line, err
	}
	return false, nil, 0, nil
}

// value returns the value that begins here.
func (v *values) value() ([]byte, int, error) {
	line := v.line
	depth, i := 0, v.pos
	tooLong := false
	for {
		if i >= len(v.buf) {
			used := i - v.pos
			if used > maxRecord {
				tooLong = true
			}
			start := v.pos
			if !v.fill() {
				rest := v.buf[v.pos:]
				v.pos = len(v.buf)
				if depth == 0 && len(rest) > 0 && rest[0] != '"' {
					// A number or literal at the very end is whole.
					return rest, line, nil
				}
				return rest, line, errHalf
			}
			i -= start - v.pos
			continue
		}
		switch b := v.buf[i]; b {
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				// The end of what encloses a literal; a bracket that closes nothing is a value of its own,
				// or reading would never get past it.
				return v.take(max(i, v.pos+1), line, tooLong)
			}
			if depth--; depth == 0 {
				return v.take(i+1, line, tooLong)
			}
		case '"':
			end := stringEnd(v.buf, i)
			for end < 0 {
				start := v.pos
				if !v.fill() {
					rest := v.buf[v.pos:]
					v.pos = len(v.buf)
					return rest, line, errHalf
				}
				i -= start - v.pos
				end = stringEnd(v.buf, i)
			}
			if depth == 0 {
				return v.take(end, line, tooLong)
			}
			i = end
			continue
		case ',', ' ', '\t', '\r', '\n', ':':
			if depth == 0 && i > v.pos {
				return v.take(i, line, tooLong)
			}
		}
		i++
	}
}

func (v *values) take(end, line int, tooLong bool) ([]byte, int, error) {
	rec := v.buf[v.pos:end]
	v.line += bytes.Count(rec, []byte{'\n'})
	v.pos = end
	if tooLong || len(rec) > maxRecord {
		return rec[:4096], line, errTooLong
	}
	return rec, line, nil
}

// stringEnd returns the index after the string that begins at i, -1 where it does not end.
func stringEnd(b []byte, i int) int {
	for j := i + 1; j < len(b); {
		n := bytes.IndexByte(b[j:], '"')
		if n < 0 {
			return -1
		}
		j += n
		back := j
		for back > i+1 && b[back-1] == '\\' {
			back--
		}
		if (j-back)%2 == 0 {
			return j + 1
		}
		j++
	}
	return -1
}
