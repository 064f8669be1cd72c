package split

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func isList(name []byte) bool { return string(name) == "Records" }

// got is a record without what differs between readings.
type got struct {
	Text   string
	Line   int64
	Damage string
}

func readAll(t testing.TB, r io.Reader, st State, final bool) (recs []got, states []State, s *Splitter) {
	t.Helper()
	s = New(isList)
	s.Reset(r, st, final)
	last := int64(-1)
	for {
		rec, err := s.Next()
		if errors.Is(err, io.EOF) {
			return recs, states, s
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Offset <= last && rec.Damage == "" {
			t.Fatalf("record at %d after one at %d", rec.Offset, last)
		}
		last = rec.Offset
		recs = append(recs, got{string(rec.Bytes), rec.Line, rec.Damage})
		st := s.State()
		if rec.Damage != "" && st.Offset <= rec.Offset {
			st = State{} // Damage at the end is not passed.
		}
		states = append(states, st)
	}
}

func TestRecordsOfEveryForm(t *testing.T) {
	t.Parallel()
	a, b, c := got{Text: `{"a":1}`}, got{Text: `{"b":"}{"}`}, got{Text: `{"c":[{}]}`}
	at := func(g got, line int64) got { g.Line = line; return g }
	for _, tc := range []struct {
		name, in string
		want     []got
	}{
		{"nothing", "", nil},
		{"only white space", " \n\n\t ", nil},
		{"one record per line", "{\"a\":1}\n{\"b\":\"}{\"}\r\n\n{\"c\":[{}]}", []got{at(a, 1), at(b, 2), at(c, 4)}},
		{"records on one line", `{"a":1}{"b":"}{"} {"c":[{}]}`, []got{at(a, 1), at(b, 1), at(c, 1)}},
		{"an array", `[{"a":1}, {"b":"}{"},{"c":[{}]}]`, []got{at(a, 1), at(b, 1), at(c, 1)}},
		{"an array over lines", "[\n  {\"a\":1},\n  {\"b\":\"}{\"}\n]\n", []got{at(a, 2), at(b, 3)}},
		{"a list in an object", `{"Records":[{"a":1},{"b":"}{"}]}`, []got{at(a, 1), at(b, 1)}},
		{"a list after and before other members", "{\"v\":\"1\",\n\"Records\" : [{\"a\":1}], \"w\":{\"x\":[1]}, \"z\":2}", []got{at(a, 2)}},
		{"two lists in an object", `{"Records":[{"a":1}],"x":1,"Records":[{"b":"}{"}]}{"c":[{}]}`, []got{at(a, 1), at(b, 1), at(c, 1)}},
		{"an empty list", `{"Records":[]}{"a":1}`, []got{at(a, 1)}},
		{"forms after each other", "{\"Records\":[{\"a\":1}]}\n[{\"b\":\"}{\"}]\n{\"c\":[{}]}\n", []got{at(a, 1), at(b, 2), at(c, 3)}},
		{"the name within a record is no list", `{"x":{"Records":[{"a":1}]}}`, []got{{Text: `{"x":{"Records":[{"a":1}]}}`, Line: 1}}},
		{"a byte order mark", "\xef\xbb\xbf{\"a\":1}", []got{at(a, 1)}},
		{"zeros of a truncated file", "\x00\x00\x00{\"a\":1}\n", []got{at(a, 1)}},
		{"elements that are no objects", `[1,"x",null,{"a":1}]`, []got{{Text: `1`, Line: 1}, {Text: `"x"`, Line: 1}, {Text: `null`, Line: 1}, at(a, 1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, final := range []bool{false, true} {
				recs, _, s := readAll(t, strings.NewReader(tc.in), State{}, final)
				if diff := cmp.Diff(tc.want, recs); diff != "" {
					t.Errorf("final %v: %s", final, diff)
				}
				if s.Open() {
					t.Error("the end counts as open")
				}
			}
		})
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	const cutRecord, cutList = "the file ends within the record; it was cut off", "the file ends within a list of records; it was cut off"
	for _, tc := range []struct {
		name, in string
		want     []got
	}{
		{
			"a half line before a good one", "{\"a\":1}\n{\"b\":\"hal\n{\"c\":1}\n",
			[]got{{`{"a":1}`, 1, ""}, {`{"b":"hal`, 2, "not JSON: control character byte 0x0a in a string, 9 bytes into the record"}, {`{"c":1}`, 3, ""}},
		},
		{
			"a half line that ends between tokens", "{\"b\":{\n{\"c\":1}\n{\"d\":1}\n",
			[]got{{`{"b":{`, 1, "not JSON: expected a member's name, found '{', 7 bytes into the record"}, {`{"c":1}`, 2, ""}, {`{"d":1}`, 3, ""}},
		},
		{
			"a half line before the last one", "{\"b\":[\n{\"c\":1}\n",
			[]got{{`{"b":[`, 1, cutRecord}, {`{"c":1}`, 2, ""}},
		},
		{
			"a bad number in a list", `{"Records":[{"a":1},{"a":01},{"a":3}]}`,
			[]got{{`{"a":1}`, 1, ""}, {`{"a":01}`, 1, "not JSON: expected ',' or '}' after a member, found '1', 6 bytes into the record"}, {`{"a":3}`, 1, ""}},
		},
		{
			"a string without its end in a list of one line", `{"Records":[{"a":"x},{"a":3}]}`,
			[]got{{`{"a":"x},`, 1, "not JSON: expected ',' or '}' after a member, found 'a', 11 bytes into the record"}, {`{"a":3}`, 1, ""}},
		},
		{
			"an object without its end in a list over lines", "[\n  {\n    \"a\": {\"x\": 1,\n  },\n  {\n    \"b\": 2\n  }\n]",
			[]got{{"{\n    \"a\": {\"x\": 1,\n  },", 2, "not JSON: expected a member's name, found '}', 22 bytes into the record"}, {"{\n    \"b\": 2\n  }", 5, ""}},
		},
		{
			"a line break in a string", "{\"a\":\"x\ny\"}\n{\"b\":1}\n",
			[]got{{"{\"a\":\"x\ny\"}", 1, "not JSON: control character byte 0x0a in a string, 7 bytes into the record"}, {`{"b":1}`, 3, ""}},
		},
		{
			"text around records", "hello\nthere\n  {\"a\":1}\nbye\n",
			[]got{{"hello\nthere", 1, "not JSON: 'h' does not begin a record"}, {`{"a":1}`, 3, ""}, {"bye\n", 4, "not JSON: 'b' does not begin a record"}},
		},
		{"a record cut off", `{"a":1}{"b":`, []got{{`{"a":1}`, 1, ""}, {`{"b":`, 1, cutRecord}}},
		{"a list cut off in a record", `{"Records":[{"a":1},{"b":`, []got{{`{"a":1}`, 1, ""}, {`{"b":`, 1, cutRecord}}},
		{"a list cut off between records", `{"Records":[{"a":1},`, []got{{`{"a":1}`, 1, ""}, {"", 1, cutList}}},
		{"a list cut off after it", `{"Records":[{"a":1}]`, []got{{`{"a":1}`, 1, ""}, {"", 1, cutList}}},
		{"a name cut off", `{"Reco`, []got{{`{"Reco`, 1, cutRecord}}},
		{
			"a bad member after the list", `{"Records":[{"a":1}],"x":nope,"y":1}{"b":1}`,
			[]got{{`{"a":1}`, 1, ""}, {`"x":nope`, 1, "not JSON: expected null, 5 bytes into the record"}, {`{"b":1}`, 1, ""}},
		},
		{"a bracket too many", "{\"a\":1}}\n{\"b\":1}", []got{{`{"a":1}`, 1, ""}, {"}", 1, "not JSON: '}' does not begin a record"}, {`{"b":1}`, 2, ""}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			recs, _, _ := readAll(t, strings.NewReader(tc.in), State{}, true)
			if diff := cmp.Diff(tc.want, recs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnUnfinishedEndWaits shows what a file says that is still being written, and that nothing is
// lost or told twice when it goes on.
func TestAnUnfinishedEndWaits(t *testing.T) {
	t.Parallel()
	whole := "{\"x\":0,\"Records\":[{\"a\":1},\n{\"b\":[2]}],\"y\":1}\n{\"c\":3}\n"
	want := []string{`{"a":1}`, `{"b":[2]}`, `{"c":3}`}
	for cut := range len(whole) + 1 {
		recs, _, s := readAll(t, strings.NewReader(whole[:cut]), State{}, false)
		rest, _, _ := readAll(t, strings.NewReader(whole[s.State().Offset:]), s.State(), true)
		var texts []string
		for _, r := range append(recs, rest...) {
			texts = append(texts, r.Text+r.Damage)
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("cut at %d: %s", cut, diff)
		}
		closed := cut == 0 || strings.TrimSpace(whole[s.State().Offset:cut]) == "" && s.State().Mode == Between
		if s.Open() == closed {
			t.Errorf("cut at %d: open is %v", cut, s.Open())
		}
	}
}

func TestAnOversizedRecordIsSkipped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*MaxRecord)
	in := `{"Records":[{"a":1},{"b":"` + long + `"},{"c":3}]}`
	recs, _, _ := readAll(t, strings.NewReader(in), State{}, true)
	if len(recs) != 3 || recs[0].Text != `{"a":1}` || recs[2].Text != `{"c":3}` ||
		!strings.Contains(recs[1].Damage, "larger than") || len(recs[1].Text) != keptBytes {
		t.Fatalf("got %d records", len(recs))
	}
	// The greatest record that is allowed goes through.
	fits := `{"b":"` + strings.Repeat("x", MaxRecord-len(`{"b":""}`)) + `"}`
	recs, _, _ = readAll(t, strings.NewReader(fits+"\n"+fits), State{}, true)
	if len(recs) != 2 || recs[0].Text != fits || recs[1].Text != fits {
		t.Fatal("a record of exactly the greatest size did not come through")
	}
}

func TestTheStreamsErrorComesLast(t *testing.T) {
	t.Parallel()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = io.WriteString(w, "{\"a\":1}\n{\"b\":")
	_ = w.Flush()
	r, err := gzip.NewReader(&z)
	if err != nil {
		t.Fatal(err)
	}
	s := New(isList)
	s.Reset(r, State{}, false)
	if rec, err := s.Next(); err != nil || string(rec.Bytes) != `{"a":1}` {
		t.Fatalf("got %s, %v", rec.Bytes, err)
	}
	for range 2 {
		if _, err := s.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v, want an unexpected end", err)
		}
	}
}

// TestMemoryIsBounded reads a gigabyte of one object, in which only the list matters.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a gigabyte")
	}
	element := `{"eventVersion":"1.08","eventName":"` + strings.Repeat("x", 1000) + `"},`
	n := 1 << 30 / len(element)
	r := io.MultiReader(strings.NewReader(`{"Records":[`), &repeat{text: element, n: n}, strings.NewReader(`{}]}`))
	s := New(isList)
	s.Reset(r, State{}, true)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	count := 0
	for {
		rec, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || rec.Damage != "" {
			t.Fatal(err, rec.Damage)
		}
		count++
	}
	runtime.ReadMemStats(&after)
	if count != n+1 {
		t.Errorf("%d records, want %d", count, n+1)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("allocated %d bytes", grown)
	}
}

type repeat struct {
	text string
	n    int
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && r.n > 0 {
		k := copy(p[n:], r.text[r.at:])
		n += k
		if r.at += k; r.at == len(r.text) {
			r.at = 0
			r.n--
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"{\"Records\":[{\"a\":1},{\"b\":2}],\"x\":[1]}\n{\"c\":3}", "[\n  {\"a\":1},\n  {\"b\":x\n  },\n  {\"c\":1}\n]", "{\"a\":\"\n{\"b\":1}",
		"\xef\xbb\xbf{}", "\x00\x00{}", `{"Records":[{"a":"x},{"a":3}]}`, "hello\n{}", `[1,,{}]`, `{"Records":[{}]"x"}`, "}{", "[[],{]}", `{"Records":[{}],,}`,
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, final bool) {
		recs, states, s := readAll(t, bytes.NewReader(in), State{}, final)
		for _, r := range recs {
			if r.Damage == "" && !json.Valid([]byte(r.Text)) {
				t.Fatalf("record %q of %q is not JSON", r.Text, in)
			}
		}
		end := s.State()
		// However the bytes come, the records are the same, and so are those after any state. A damaged
		// record keeps fewer bytes where fewer were there when it was found.
		slow, _, s := readAll(t, iotest.OneByteReader(bytes.NewReader(in)), State{}, final)
		if diff := cmp.Diff(short(recs), short(slow)); diff != "" || s.State() != end {
			t.Fatalf("%q differs when read slowly: %s", in, diff)
		}
		for i, st := range states {
			if st == (State{}) {
				continue
			}
			rest, _, s := readAll(t, bytes.NewReader(in[st.Offset:]), st, final)
			if diff := cmp.Diff(short(recs[i+1:]), short(rest)); diff != "" || s.State() != end {
				t.Fatalf("%q differs when continued at %+v: %s", in, st, diff)
			}
		}
	})
}

func short(recs []got) (out []string) {
	for _, r := range recs {
		if r.Damage != "" {
			r.Text = ""
		}
		out = append(out, fmt.Sprintf("%d %s %s", r.Line, r.Text, r.Damage))
	}
	return out
}

func BenchmarkSplit(b *testing.B) {
	element := `{"eventVersion":"1.08","eventTime":"2024-07-31T12:46:41Z","requestParameters":{"x":[1,2,3],"name":"` + strings.Repeat("abc def ", 120) + `"},"readOnly":true},`
	const n = 10000
	b.SetBytes(int64(len(element) * n))
	b.ReportAllocs()
	s := New(isList)
	for b.Loop() {
		s.Reset(io.MultiReader(strings.NewReader(`{"Records":[`), &repeat{text: element, n: n}, strings.NewReader(`{}]}`)), State{}, true)
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
