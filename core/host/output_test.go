package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		name string
		in   []string
		want []string
	}{
		{"whole lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"pieces", []string{"a", "b\nc", "", "d\n"}, []string{"ab", "cd"}},
		{"no end", []string{"a\nb"}, []string{"a", "b"}},
		{"carriage returns", []string{"a\r\nb\r", "\n"}, []string{"a", "b"}},
		{"empty lines", []string{"\n\n"}, []string{"", ""}},
		{"as long as allowed", []string{long + "\n"}, []string{long}},
		{"one too long", []string{long + "y\nz\n"}, []string{long + "|cut", "z"}},
		{"too long in pieces", []string{long[:100], long, "y", "\nz"}, []string{long + "|cut", "z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			l := &lines{emit: func(line []byte, cut bool) {
				s := string(line)
				if cut {
					s += "|cut"
				}
				got = append(got, s)
			}}
			for _, p := range c.in {
				if n, err := l.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("got %d, %v", n, err)
				}
			}
			l.flush()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseLogLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		level    slog.Level
		message  string
		attrs    string
	}{
		{"slog", `{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"hello","n":9007199254740993,"ok":true,"o":{"a":[1]}}`, slog.LevelInfo, "hello", `[n=9007199254740993 ok=true o={"a":[1]}]`},
		{"slog between levels", `{"level":"INFO+2","msg":"m"}`, slog.LevelInfo + 2, "m", "[]"},
		{"hclog", `{"@level":"trace","@message":"deep","@module":"x","@timestamp":"2026"}`, slog.LevelDebug, "deep", "[@module=x]"},
		{"message that is no text", `{"@message": 5}`, slog.LevelWarn, "5", "[]"},
		{"level that is no text", `{"level":7,"msg":"m"}`, slog.LevelWarn, "m", "[]"},
		{"unknown level", `{"level":"loud","msg":"m"}`, slog.LevelWarn, "m", "[]"},
		{"fatal", `{"level":"fatal","msg":"m"}`, slog.LevelError, "m", "[]"},
		{"other JSON", `{"a":1}`, slog.LevelWarn, `{"a":1}`, "[]"},
		{"an array", `[1]`, slog.LevelWarn, `[1]`, "[]"},
		{"text", `Traceback (most recent call last):`, slog.LevelWarn, "Traceback (most recent call last):", "[]"},
		{"our attributes stay ours", `{"msg":"m","instance":"x","plugin":"y","pid":1,"":"e"}`, slog.LevelWarn, "m", "[plugin.instance=x plugin.plugin=y plugin.pid=1 _=e]"},
		{"broken", `{"msg":"m"`, slog.LevelWarn, `{"msg":"m"`, "[]"},
		{"control characters", "a\x1b[2Jb\x00\xff\tc", slog.LevelWarn, "a\uFFFD[2Jb\uFFFD\uFFFD\tc", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := parseLogLine([]byte(c.in))
			if l.level != c.level || l.message != c.message || fmt.Sprint(l.attrs) != c.attrs {
				t.Errorf("got %v %q %v", l.level, l.message, l.attrs)
			}
		})
	}
	many := map[string]int{"msg": 1}
	for i := range 100 {
		many["k"+itoa(i)] = i
	}
	b, _ := json.Marshal(many)
	if l := parseLogLine(b); len(l.attrs) != maxAttrs+1 || l.attrs[maxAttrs].String() != "left_out=68" {
		t.Errorf("got %d attributes", len(l.attrs))
	}
}

func FuzzParseLogLine(f *testing.F) {
	for _, s := range []string{`{"@message": 5}`, `{"level":"INFO","msg":"m","a":{"b":[1,2,"x"]}}`, "text", "{", `{"a":`, "\xff\xfe", `{"msg":"\ud800"}`, `{"n":1e999999}`, strings.Repeat("[", 20000)} {
		f.Add([]byte(s))
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		l := parseLogLine(in)
		for _, s := range []string{l.message, keep(l)} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\r\x7f") {
				t.Fatalf("%q is not fit to be shown", s)
			}
		}
		if len(l.message) > 4*maxMessage+64 || len(l.attrs) > maxAttrs+1 {
			t.Fatalf("a line of %d bytes became %d bytes and %d attributes", len(in), len(l.message), len(l.attrs))
		}
		o := newOutput(log)
		o.stderr(in, false)
		o.stdout(in, true)
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\nc"), 2)
	f.Add(bytes.Repeat([]byte("x"), maxLine+10), 1000)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size <= 0 {
			size = 1
		}
		var whole, pieces []string
		a := &lines{emit: func(l []byte, cut bool) { whole = append(whole, fmt.Sprint(string(l), cut)) }}
		b := &lines{emit: func(l []byte, cut bool) { pieces = append(pieces, fmt.Sprint(string(l), cut)) }}
		a.Write(in)
		a.flush()
		for part := range slices.Chunk(in, size) {
			b.Write(part)
		}
		b.flush()
		if !slices.Equal(whole, pieces) {
			t.Fatalf("how the bytes came made a difference: %d and %d lines", len(whole), len(pieces))
		}
	})
}

func FuzzParsePrinted(f *testing.F) {
	f.Add([]byte("\x08\x01\x12\x03abc"))
	f.Add([]byte("\x12\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, data := parsePrinted(in); len(data) > len(in) {
			t.Fatal("more came out than went in")
		}
	})
}

func FuzzTranslate(f *testing.F) {
	for _, m := range []*pluginv1.CollectResponse{
		{Message: &pluginv1.CollectResponse_Batch{Batch: &pluginv1.Batch{Records: []*pluginv1.Record{{Kind: 1, Json: []byte("{}")}}}}},
		{Message: &pluginv1.CollectResponse_SweepBegin{SweepBegin: &pluginv1.SweepBegin{Id: "a"}}},
		{Message: &pluginv1.CollectResponse_Gap{Gap: &pluginv1.Gap{From: "2026-01-01T00:00:00Z", To: "2025-01-01T00:00:00Z"}}},
		{Message: &pluginv1.CollectResponse_Problem{Problem: &pluginv1.Problem{Path: []string{"a"}}}},
		{Message: &pluginv1.CollectResponse_Checkpoint{}},
		{},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var m pluginv1.CollectResponse
		if proto.Unmarshal(in, &m) != nil {
			return
		}
		tr := &translator{}
		for range 2 {
			out, err := tr.translate(&m)
			if err != nil {
				return
			}
			for _, m := range out {
				set := 0
				for _, is := range []bool{m.Records != nil, m.Checkpoint != nil, m.SweepBegin != nil, m.SweepEnd != nil, m.Gap != nil, m.Problem != nil} {
					if is {
						set++
					}
				}
				if set != 1 {
					t.Fatalf("%d fields are set in %+v", set, m)
				}
			}
		}
	})
}

func TestOutputKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	t.Run("the last lines", func(t *testing.T) {
		t.Parallel()
		o := newOutput(slog.New(slog.DiscardHandler))
		for i := range 50 {
			o.stderr([]byte("line "+itoa(i)), false)
		}
		o.stderr([]byte(`{"level":"ERROR","msg":"failed","err":"no route"}`), false)
		got := o.tail()
		if len(got) != keptLines || got[0] != "line 31" || got[keptLines-1] != "failed err=no route" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a panic before its goroutines", func(t *testing.T) {
		t.Parallel()
		o := newOutput(slog.New(slog.DiscardHandler))
		o.stderr([]byte("before"), false)
		o.stderr([]byte("panic: index out of range"), false)
		for i := range 100 {
			o.stderr([]byte("goroutine "+itoa(i)), false)
		}
		if got := o.tail(); len(got) != keptLines || got[0] != "panic: index out of range" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a flood is bounded and counted", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		o := newOutput(slog.New(slog.NewTextHandler(&b, nil)))
		now := time.Unix(0, 0)
		o.now = func() time.Time { return now }
		for i := range 20_000 {
			o.stderr([]byte("flood "+itoa(i)), false)
		}
		if n := strings.Count(b.String(), "flood"); n != linesAtOnce {
			t.Errorf("%d lines came through", n)
		}
		now = now.Add(2 * time.Second)
		o.stderr([]byte("calm"), false)
		if s := b.String(); !strings.Contains(s, "count=15000") || !strings.Contains(s, "calm") {
			t.Errorf("got %s", s[max(0, len(s)-400):])
		}
	})
}

func TestTranslateGap(t *testing.T) {
	t.Parallel()
	tr := &translator{}
	m := func(from, to string) record.Message {
		out, err := tr.translate(&pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Gap{Gap: &pluginv1.Gap{From: from, To: to, Reason: "asleep"}}})
		if err != nil || len(out) != 1 {
			t.Fatalf("got %v, %v", out, err)
		}
		return out[0]
	}
	if g := m("2026-01-01T00:00:00+01:00", "").Gap; g == nil || !g.To.IsZero() || record.FormatTime(g.From) != "2025-12-31T23:00:00.000000Z" || g.Reason != "asleep" {
		t.Errorf("got %+v", g)
	}
	if p := m("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z").Problem; p == nil || !strings.Contains(p.Detail, "before it begins") {
		t.Errorf("got %+v", p)
	}
}

func BenchmarkTranslate(b *testing.B) {
	var records []*pluginv1.Record
	for range 1000 {
		records = append(records, &pluginv1.Record{Kind: pluginv1.Kind_KIND_EVENT, Json: make([]byte, 1200)})
	}
	m := &pluginv1.CollectResponse{Message: &pluginv1.CollectResponse_Batch{Batch: &pluginv1.Batch{Records: records}}}
	tr := &translator{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.translate(m); err != nil {
			b.Fatal(err)
		}
	}
}
