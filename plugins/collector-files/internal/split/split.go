package split

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// The bounds on memory.
const (
	// MaxRecord is the largest record in bytes, which is what the daemon accepts.
	MaxRecord = 1 << 20
	// keptBytes is how much of a damaged record is kept.
	keptBytes = 4 << 10
	// readBytes is the room that is made for one read.
	readBytes = 256 << 10
	// longSpace is how much padding is skipped before the state moves past it.
	longSpace = 64 << 10
)

// Mode says where in the structure of a file a place is.
type Mode uint8

// The modes.
const (
	// Between is between the values of the file.
	Between Mode = iota
	// List is within an array that is a value of the file.
	List
	// Wrapped is within the list of records that is a member of an object.
	Wrapped
	// Rest is within that object, after the list.
	Rest
)

// State is a place in a stream where a Splitter can begin.
type State struct {
	// Offset counts bytes, Line lines from 1.
	Offset int64
	Line   int64
	Mode   Mode
}

// Record is one record, or a run of bytes that is none.
type Record struct {
	// Bytes are valid until the next call of Next. Of a damaged record they are the first few KiB.
	Bytes []byte
	// Offset and Line say where the record begins.
	Offset int64
	Line   int64
	// Lines reports whether the record holds line breaks.
	Lines bool
	// Damage says why the bytes are no record; it is empty where they are one.
	Damage string
}

// Splitter reads records. It is not safe for concurrent use.
type Splitter struct {
	lists func(name []byte) bool

	r     io.Reader
	final bool
	state State
	// buf[pos:end] is what was read and not consumed; base is the offset of buf[0] in the stream.
	buf      []byte
	pos, end int
	base     int64
	eof      bool
	err      error
	// counted is up to where in buf the lines of state.Line are counted.
	counted int
	line    int64
	// begun says that something stands before the place on its line; else indent is the white space
	// that does.
	begun  bool
	indent []byte
	// open says that the stream ended within a record or list, stopped that nothing more is returned.
	open, stopped bool
}

// New returns a splitter. lists says of the name of an object's member whether an array under it is a
// list of records.
func New(lists func(name []byte) bool) *Splitter {
	return &Splitter{lists: lists}
}

// Reset begins with the stream r, which must be at the place that st says. With final set the stream
// is known to be complete.
func (s *Splitter) Reset(r io.Reader, st State, final bool) {
	if st.Line == 0 {
		st.Line = 1
	}
	s.r, s.state, s.final = r, st, final
	s.pos, s.end, s.base, s.counted, s.line = 0, 0, st.Offset, 0, st.Line
	s.eof, s.err, s.open, s.stopped = false, nil, false, false
	s.begun, s.indent = st.Offset > 0, s.indent[:0]
}

// State returns the place after the last record that Next returned. What was reported as damaged
// because the stream ended within it is not passed, so that it can be read again should it be
// completed after all.
func (s *Splitter) State() State { return s.state }

// Open reports, after Next has returned an error, whether the stream ended within a record or a list.
func (s *Splitter) Open() bool { return s.open }

// Next returns the next record. The error is io.EOF, or that of the stream, once everything before it
// has been returned.
func (s *Splitter) Next() (Record, error) {
	for {
		if s.stopped {
			return Record{}, s.stop()
		}
		if !s.skip() {
			return s.ended()
		}
		switch c := s.buf[s.pos]; s.state.Mode {
		case List, Wrapped:
			if c != ']' {
				return s.element()
			}
			mode := Between
			if s.state.Mode == Wrapped {
				mode = Rest
			}
			s.pass(1, mode)
		case Rest:
			switch c {
			case ',':
				s.pass(1, Rest)
			case '}':
				s.pass(1, Between)
			default:
				if rec, ok, err := s.member(); ok || err != nil {
					return rec, err
				}
			}
		default:
			switch c {
			case '[':
				s.pass(1, List)
			case '{':
				if rec, ok, err := s.object(); ok || err != nil {
					return rec, err
				}
			default:
				return s.recover(fmt.Sprintf("not JSON: %q does not begin a record", c))
			}
		}
	}
}

// pass consumes n bytes, after which the state is mode.
func (s *Splitter) pass(n int, mode Mode) {
	s.pos += n
	s.begun = true
	s.line += int64(bytes.Count(s.buf[s.counted:s.pos], []byte{'\n'}))
	s.counted = s.pos
	s.state = State{Offset: s.base + int64(s.pos), Line: s.line, Mode: mode}
}

// skip goes over what may stand between records, and reports whether anything follows.
func (s *Splitter) skip() bool {
	from := s.base + int64(s.pos)
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; {
			case c == '\n' || c == '\r':
				s.begun, s.indent = false, s.indent[:0]
			case c == ' ' || c == '\t':
				if !s.begun {
					s.indent = append(s.indent, c)
				}
			case c == ',' && (s.state.Mode == List || s.state.Mode == Wrapped):
				s.begun = true
			case c == 0 && s.state.Mode == Between:
				// A file that was truncated under a writer that keeps its offset begins with zeros.
			case c == 0xef && s.base+int64(s.pos) == 0 && s.byteOrderMark():
				s.pos += 2
			default:
				return true
			}
			s.pos++
			if len(s.indent) > keptBytes {
				s.begun, s.indent = true, s.indent[:0]
			}
		}
		if at := s.base + int64(s.pos); at-from > longSpace {
			from = at
			begun := s.begun
			s.pass(0, s.state.Mode)
			s.begun = begun
		}
		if !s.fill() {
			return false
		}
	}
}

func (s *Splitter) byteOrderMark() bool {
	for s.end-s.pos < 3 && s.fill() {
	}
	return bytes.HasPrefix(s.buf[s.pos:s.end], []byte("\xef\xbb\xbf"))
}

// fill reads more, and reports whether anything came.
func (s *Splitter) fill() bool {
	if s.eof {
		return false
	}
	if s.pos > 0 && cap(s.buf)-s.end < readBytes {
		s.line += int64(bytes.Count(s.buf[s.counted:s.pos], []byte{'\n'}))
		s.end = copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.pos, s.counted = 0, 0
	}
	if cap(s.buf)-s.end < readBytes {
		grown := make([]byte, max(2*cap(s.buf), s.end+readBytes))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	s.buf = s.buf[:cap(s.buf)]
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.eof = true
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
		}
		if n > 0 || s.eof {
			return n > 0
		}
	}
	s.eof, s.err = true, io.ErrNoProgress
	return false
}

// ended returns what there is to say at the end of the stream, outside of a record.
func (s *Splitter) ended() (Record, error) {
	s.stopped = true
	if s.state.Mode != Between {
		s.open = true
		if s.final {
			return Record{Offset: s.state.Offset, Line: s.state.Line, Damage: "the file ends within a list of records; it was cut off"}, nil
		}
	}
	return Record{}, s.stop()
}

func (s *Splitter) stop() error {
	if s.err != nil {
		return s.err
	}
	return io.EOF
}

// object reads an object between the values of the file, and reports whether it is a record.
func (s *Splitter) object() (Record, bool, error) {
	for {
		n, lines, list, err := jsontext.ScanUntilList(s.buf[s.pos:s.end], s.lists)
		switch {
		case list:
			s.pass(n+1, Wrapped)
			return Record{}, false, nil
		case s.more(err):
			continue
		}
		rec, err := s.scanned(n, lines, err)
		return rec, true, err
	}
}

// element reads a value that must be a record.
func (s *Splitter) element() (Record, error) {
	for {
		n, lines, err := jsontext.Scan(s.buf[s.pos:s.end])
		if err = s.mayGoOn(n, err); !s.more(err) {
			return s.scanned(n, lines, err)
		}
	}
}

// member reads a member of the wrapping object and reports whether that ended in a damaged record.
func (s *Splitter) member() (Record, bool, error) {
	for {
		n, list, err := jsontext.ScanMember(s.buf[s.pos:s.end], s.lists)
		switch err = s.mayGoOn(n, err); {
		case list:
			s.pass(n+1, Wrapped)
			return Record{}, false, nil
		case err == nil:
			s.pass(n, Rest)
			return Record{}, false, nil
		case s.more(err):
			continue
		}
		rec, err := s.scanned(n, false, err)
		return rec, true, err
	}
}

// mayGoOn makes a number at the end of what was read short: it has no end of its own.
func (s *Splitter) mayGoOn(n int, err error) error {
	if err == nil && s.pos+n == s.end && s.buf[s.end-1] >= '0' && s.buf[s.end-1] <= '9' {
		return jsontext.ErrShort
	}
	return err
}

// more reports whether a value that is short can be tried again with more bytes.
func (s *Splitter) more(err error) bool {
	return errors.Is(err, jsontext.ErrShort) && s.end-s.pos <= MaxRecord && s.fill()
}

// scanned returns the record of n bytes, or what became of it.
func (s *Splitter) scanned(n int, lines bool, err error) (Record, error) {
	if err == nil && n <= MaxRecord {
		rec := Record{Bytes: s.buf[s.pos : s.pos+n], Offset: s.base + int64(s.pos), Line: s.here(), Lines: lines}
		s.pass(n, s.state.Mode)
		return rec, nil
	}
	var syntax *jsontext.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return s.recover(fmt.Sprintf("not JSON: %s, %d bytes into the record", syntax.Reason, syntax.At))
	case err == nil || s.end-s.pos > MaxRecord:
		return s.recover(fmt.Sprintf("the record is larger than the %d bytes allowed", MaxRecord))
	case !s.final:
		s.open, s.stopped = true, true
		return Record{}, s.stop()
	default:
		return s.recover("the file ends within the record; it was cut off")
	}
}

// here returns the line of the place.
func (s *Splitter) here() int64 {
	s.line += int64(bytes.Count(s.buf[s.counted:s.pos], []byte{'\n'}))
	s.counted = s.pos
	return s.line
}
