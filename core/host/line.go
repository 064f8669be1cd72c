package host

import (
	"bytes"
)

// maxLine bounds a line of a plugin's output, in bytes; what goes beyond is left out.
const maxLine = 64 << 10

// lines cuts a stream into lines of at most maxLine bytes and hands each to emit. It is fed through
// Write by one goroutine. Its memory is bounded whatever it is fed.
type lines struct {
	// emit must not keep the line.
	emit func(line []byte, cut bool)
	buf  []byte
	cut  bool
}

// Write implements io.Writer; it never fails.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.keep(p)
			break
		}
		if len(l.buf) == 0 && !l.cut && i <= maxLine {
			l.emit(trimReturn(p[:i]), false)
		} else {
			l.keep(p[:i])
			l.flush()
		}
		p = p[i+1:]
	}
	return n, nil
}

func (l *lines) keep(p []byte) {
	if room := maxLine - len(l.buf); len(p) > room {
		p, l.cut = p[:room], true
	}
	l.buf = append(l.buf, p...)
}

// flush hands on what was begun, at the end of a line or of the stream.
func (l *lines) flush() {
	if len(l.buf) > 0 || l.cut {
		l.emit(trimReturn(l.buf), l.cut)
	}
	l.buf, l.cut = l.buf[:0], false
}

func trimReturn(line []byte) []byte { return bytes.TrimSuffix(line, []byte("\r")) }
