package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// The bounds on what is kept and passed on of a plugin's output.
const (
	// keptLines is how many of the last lines a crash report shows, keptBytes how much of each.
	keptLines = 20
	keptBytes = 1 << 10
	// linesPerSecond and linesAtOnce bound what reaches the daemon's log. A plugin that floods its
	// output costs little, and does not bury what others say.
	linesPerSecond = 1000
	linesAtOnce    = 5000
)

// output takes the lines that a plugin writes: it passes them on to the daemon's log and keeps the
// last ones for the report of a crash. It is safe for concurrent use.
type output struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last []string
	// panicked are the lines from the beginning of a panic on: the goroutines that follow it would
	// push it out of the last lines.
	panicked []string

	tokens  float64
	refill  time.Time
	leftOut int
}

func newOutput(log *slog.Logger) *output {
	return &output{log: log, now: time.Now, tokens: linesAtOnce}
}

// stderr takes a line of standard error.
func (o *output) stderr(line []byte, cut bool) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	l := parseLogLine(line)
	if cut {
		l.attrs = append(l.attrs, slog.Bool("cut", true))
	}
	o.take(l)
}

// stdout takes a line of standard output, which is for the handshake only.
func (o *output) stdout(line []byte, cut bool) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	l := logLine{level: slog.LevelWarn, message: "the plugin wrote to its standard output: " + printable(line, maxMessage)}
	if cut {
		l.attrs = append(l.attrs, slog.Bool("cut", true))
	}
	o.take(l)
}

func (o *output) take(l logLine) {
	kept := keep(l)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case strings.HasPrefix(l.message, "panic: ") || strings.HasPrefix(l.message, "fatal error: "):
		o.panicked = append(o.panicked[:0], kept)
	case len(o.panicked) > 0 && len(o.panicked) < keptLines:
		o.panicked = append(o.panicked, kept)
	}
	if len(o.last) == keptLines {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, kept)

	now := o.now()
	if !o.refill.IsZero() {
		o.tokens = min(linesAtOnce, o.tokens+now.Sub(o.refill).Seconds()*linesPerSecond)
	}
	o.refill = now
	if o.tokens < 1 {
		o.leftOut++
		return
	}
	o.tokens--
	if o.leftOut > 0 && o.tokens >= linesPerSecond {
		o.tellLeftOut()
	}
	o.log.LogAttrs(context.Background(), l.level, l.message, l.attrs...)
}

func (o *output) tellLeftOut() {
	o.log.Warn("the plugin writes faster than is logged; lines were left out", "count", o.leftOut)
	o.leftOut = 0
}

// close ends the output.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leftOut > 0 {
		o.tellLeftOut()
	}
}

// tail returns the lines that say most about a crash: those from a panic on, else the last ones.
func (o *output) tail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.panicked) > 0 {
		return append([]string(nil), o.panicked...)
	}
	return append([]string(nil), o.last...)
}

// keep returns the line as a crash report shows it.
func keep(l logLine) string {
	var b strings.Builder
	b.WriteString(l.message)
	for _, a := range l.attrs {
		if b.Len() > keptBytes {
			break
		}
		b.WriteString(" " + a.Key + "=" + a.Value.String())
	}
	return printable([]byte(b.String()), keptBytes)
}
