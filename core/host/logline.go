package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds on what one line of a plugin's log brings into ours.
const (
	maxAttrs   = 32
	maxKey     = 128
	maxText    = 4 << 10
	maxMessage = 16 << 10
)

// logLine is one line of a plugin's log.
type logLine struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

// parseLogLine reads a line of a plugin's standard error: JSON as log/slog writes it (level, msg) or as
// hclog does (@level, @message), other members becoming attributes. Anything else is a message at
// level warn: what a program says outside its log is a crash, a complaint of its runtime, or a
// forgotten print, and all of them should be seen. It takes any bytes.
func parseLogLine(line []byte) logLine {
	if l, ok := parseJSONLine(line); ok {
		return l
	}
	return logLine{level: slog.LevelWarn, message: printable(line, maxMessage)}
}

func parseJSONLine(line []byte) (logLine, bool) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return logLine{}, false
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return logLine{}, false
	}
	l := logLine{level: slog.LevelWarn}
	known, more := false, 0
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return logLine{}, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return logLine{}, false
		}
		switch key {
		case "level", "@level":
			l.level, known = parseLevel(text(value, maxKey)), true
		case "msg", "@message", "message":
			l.message, known = text(value, maxMessage), true
		case "time", "@timestamp", "timestamp":
			// Ours is as good, and in order with the rest of the log.
		default:
			if len(l.attrs) >= maxAttrs {
				more++
				continue
			}
			l.attrs = append(l.attrs, slog.Attr{Key: attrKey(key), Value: attrValue(value)})
		}
	}
	if more > 0 {
		l.attrs = append(l.attrs, slog.Int("left_out", more))
	}
	return l, known
}

// text returns the text of a JSON string, and the JSON of any other value.
func text(value json.RawMessage, limit int) string {
	var s string
	if json.Unmarshal(value, &s) == nil && value[0] == '"' {
		return printable([]byte(s), limit)
	}
	return printable(value, limit)
}

// attrValue keeps the literal of numbers, and shows objects and arrays as the JSON they are.
func attrValue(value json.RawMessage) slog.Value {
	switch c := value[0]; {
	case (c == '-' || c >= '0' && c <= '9') && len(value) <= 64:
		return slog.AnyValue(json.Number(value))
	case c == 't' || c == 'f':
		return slog.BoolValue(c == 't')
	}
	return slog.StringValue(text(value, maxText))
}

// attrKey keeps the plugin's attributes apart from those that the host puts to each line.
func attrKey(key string) string {
	key = printable([]byte(key), maxKey)
	switch key {
	case "":
		return "_"
	case slog.TimeKey, slog.LevelKey, slog.MessageKey, "plugin", "instance", "pid":
		return "plugin." + key
	}
	return key
}

func parseLevel(s string) slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(s)) == nil {
		return min(max(level, slog.LevelDebug), slog.LevelError)
	}
	switch strings.ToLower(s) {
	case "trace":
		return slog.LevelDebug
	case "err", "fatal", "critical", "panic":
		return slog.LevelError
	}
	return slog.LevelWarn
}

// printable returns b as text that can be shown on a terminal: valid UTF-8 without control characters
// other than tab and newline, and at most limit bytes long.
func printable(b []byte, limit int) string {
	if len(b) == 0 {
		return ""
	}
	cut := 0
	if len(b) > limit {
		cut = len(b) - limit
		b = b[:limit]
		// Not in the middle of a rune.
		for i := 0; i < utf8.UTFMax-1 && len(b) > 0; i++ {
			if r, size := utf8.DecodeLastRune(b); r != utf8.RuneError || size != 1 {
				break
			}
			b, cut = b[:len(b)-1], cut+1
		}
	}
	s := strings.Map(func(r rune) rune {
		if r != '\t' && r != '\n' && !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(string(b), string(utf8.RuneError)))
	if cut > 0 {
		s += fmt.Sprintf(" (%d bytes left out)", cut)
	}
	return s
}
