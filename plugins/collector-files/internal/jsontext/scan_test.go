package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScanAccepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		n        int
		lines    bool
	}{
		{"an empty object", `{}`, 2, false},
		{"an empty array", `[ ]`, 3, false},
		{"an object and what follows", `{"a":1}{"b":2}`, 7, false},
		{"nested values", `{"a":[1,-2.5e+3,{"b":null}],"c":true,"d":"x"} `, 45, false},
		{"line breaks between tokens", "{\n\t\"a\" :\r\n 1\n}", 14, true},
		{"escapes", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, 36, false},
		{"UTF-8", `{"ä":"😀 and more text after it"}`, 36, false},
		{"a number at the end", `12`, 2, false},
		{"the greatest depth", strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), 2 * MaxDepth, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, lines, err := Scan([]byte(c.in))
			if err != nil || n != c.n || lines != c.lines {
				t.Errorf("got %d, %v, %v; want %d, %v", n, lines, err, c.n, c.lines)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		at       int
		want     string
	}{
		{"a trailing comma in an object", `{"a":1,}`, 7, "expected a member's name, found '}'"},
		{"a trailing comma in an array", `[1,]`, 3, "']' does not begin a value"},
		{"a missing comma", `{"a":1 "b":2}`, 7, "expected ',' or '}' after a member, found '\"'"},
		{"the wrong bracket", `[1}`, 2, "expected ',' or ']' after an element, found '}'"},
		{"a missing colon", `{"a" 1}`, 5, "expected ':' after a member's name, found '1'"},
		{"a word", `{"a":yes}`, 5, "'y' does not begin a value"},
		{"a broken word", `[trie]`, 3, "expected true"},
		{"a leading zero", `[01]`, 2, "expected ',' or ']' after an element, found '1'"},
		{"a bare minus", `[-]`, 2, "expected a digit, found ']'"},
		{"a bare point", `[1.]`, 3, "expected a digit after the decimal point, found ']'"},
		{"a bare exponent", `[1e]`, 3, "expected a digit in the exponent, found ']'"},
		{"a line break in a string", "{\"a\":\"half\n{}", 10, "control character byte 0x0a in a string"},
		{"an unknown escape", `"\x41"`, 2, "unknown escape \\'x'"},
		{"a broken escape", `"\u00g0"`, 5, "expected four hexadecimal digits, found 'g'"},
		{"a lone high surrogate", `"\ud83d x"`, 7, "lone surrogate in a string"},
		{"two high surrogates", `"\ud83d\ud83d"`, 7, "lone surrogate in a string"},
		{"a lone low surrogate", `"\ude00"`, 2, "lone surrogate in a string"},
		{"bytes that are not UTF-8", "\"fine so far \xff\"", 13, "string is not UTF-8"},
		{"too deep", strings.Repeat("[", MaxDepth+1), MaxDepth, "nested deeper than 63 levels"},
		{"a zero byte", "\x00", 0, "byte 0x00 does not begin a value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Scan([]byte(c.in))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.At != c.at || syntax.Reason != c.want {
				t.Errorf("got %v, want %q at %d", err, c.want, c.at)
			}
		})
	}
}

// TestScanEndsShort cuts a value everywhere: each part of it may still become a value.
func TestScanEndsShort(t *testing.T) {
	t.Parallel()
	whole := `{"a":[1,-2.5e3,{"b":null}],"ä":true,"d":"x\u00e9\ud83d\ude00"}`
	for i := range len(whole) {
		if _, _, err := Scan([]byte(whole[:i])); !errors.Is(err, ErrShort) {
			t.Errorf("%q: got %v, want ErrShort", whole[:i], err)
		}
	}
}

func TestScanUntilListStopsAtTheList(t *testing.T) {
	t.Parallel()
	isRecords := func(name []byte) bool { return string(name) == "Records" }
	for _, c := range []struct {
		name, in string
		n        int
		found    bool
	}{
		{"at once", `{"Records":[{"a`, 11, true},
		{"after other members", `{"v":{"Records":[1]}, "Records" : [{"a`, 34, true},
		{"not a list", `{"Records":{}}`, 14, false},
		{"another list", `{"records":[]}`, 14, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, _, found, err := ScanUntilList([]byte(c.in), isRecords)
			if err != nil || n != c.n || found != c.found {
				t.Errorf("got %d, %v, %v; want %d, %v", n, found, err, c.n, c.found)
			}
		})
	}
}

func TestScanMember(t *testing.T) {
	t.Parallel()
	isRecords := func(name []byte) bool { return string(name) == "Records" }
	for _, c := range []struct {
		name, in string
		n        int
		found    bool
		err      bool
	}{
		{"a value", `"a" : {"b":[1]} , "c":2}`, 15, false, false},
		{"a list that is asked for", `"Records":[1`, 10, true, false},
		{"a list that is not", `"Digests":[1],`, 13, false, false},
		{"no name", `a:1`, 0, false, true},
		{"no colon", `"a",1`, 3, false, true},
		{"cut short", `"a":"b`, 6, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, found, err := ScanMember([]byte(c.in), isRecords)
			if n != c.n || found != c.found || (err != nil) != c.err {
				t.Errorf("got %d, %v, %v; want %d, %v", n, found, err, c.n, c.found)
			}
		})
	}
}

func TestTextsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", `a"b\c`, "tab\tline\nreturn\r", "\x00\x1f", "äöü😀", "a/b"} {
		b := AppendString(nil, s)
		if n, _, err := Scan(b); err != nil || n != len(b) {
			t.Errorf("%q became %s: %v", s, b, err)
		}
		if got := string(String(b)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	if got := string(String([]byte(`"\u0041\/\ud83d\ude00\b\f"`))); got != "A/😀\b\f" {
		t.Errorf("got %q", got)
	}
	if got := String([]byte(`12`)); got != nil {
		t.Errorf("a number has the text %q", got)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e-3,"\u00e9\ud83d\ude00",null,true,false,{}]}`, "[\n\t\"x\" ]", `"`, `{"a":`, `[01]`, "\"\xff\"", `-0`,
		`{"Records":[{"a":"b\\"},{"c":"\""}]}`, `"\\\\\""`, strings.Repeat("[", 70),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, lines, err := Scan(in)
		if err != nil {
			// What encoding/json takes and Scan does not: deep nesting, lone surrogates, bytes that are
			// not UTF-8.
			if json.Valid(in) && utf8.Valid(in) && !bytes.Contains(in, []byte(`\u`)) && !strings.Contains(err.Error(), "nested deeper") {
				t.Fatalf("refused %q: %v", in, err)
			}
			return
		}
		value := in[:n]
		if !json.Valid(value) {
			t.Fatalf("accepted %q", value)
		}
		if i := Space(in, 0); Skip(in[:n], i) != n {
			t.Fatalf("Skip ends %q at %d, Scan at %d", in, Skip(in[:n], i), n)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, value); err != nil {
			t.Fatal(err)
		}
		if got := AppendCompact(nil, value); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q became %q, encoding/json says %q", value, got, want.Bytes())
		}
		if got := bytes.ContainsAny(value, "\r\n"); got != lines {
			t.Fatalf("%q: lines is %v", value, lines)
		}
		walk(t, bytes.TrimSpace(value))
		if _, _, _, err := ScanUntilList(in, func([]byte) bool { return false }); err != nil {
			t.Fatalf("ScanUntilList refused what Scan accepted: %v", err)
		}
	})
}

// walk compares the walkers with encoding/json on every level.
func walk(t *testing.T, v []byte) {
	t.Helper()
	switch v[0] {
	case '"':
		var want string
		if err := json.Unmarshal(v, &want); err != nil {
			t.Fatal(err)
		}
		if got := string(String(v)); got != want {
			t.Fatalf("the text of %s is %q, encoding/json says %q", v, got, want)
		}
	case '[':
		var want []json.RawMessage
		if err := json.Unmarshal(v, &want); err != nil {
			t.Fatal(err)
		}
		elements, n := ElementsOf(v), 0
		for e, ok := elements.Next(); ok; e, ok = elements.Next() {
			if n >= len(want) || !bytes.Equal(e, want[n]) {
				t.Fatalf("element %d of %s is %s", n, v, e)
			}
			n++
			walk(t, e)
		}
		if n != len(want) {
			t.Fatalf("%d elements in %s, encoding/json says %d", n, v, len(want))
		}
	case '{':
		var want map[string]json.RawMessage
		if err := json.Unmarshal(v, &want); err != nil {
			t.Fatal(err)
		}
		members := MembersOf(v)
		last := map[string][]byte{}
		for name, e, ok := members.Next(); ok; name, e, ok = members.Next() {
			last[string(Unescape(name))] = e
			walk(t, e)
		}
		if len(last) != len(want) {
			t.Fatalf("members of %s: %d, encoding/json says %d", v, len(last), len(want))
		}
		for name, e := range want {
			if !bytes.Equal(last[name], e) {
				t.Fatalf("member %q of %s is %s", name, v, last[name])
			}
		}
	}
}

func BenchmarkScan(b *testing.B) {
	in := []byte(`{"awsRegion":"eu-west-1","eventCategory":"Management","eventID":"ee73c230-44bc-4492-8542-cfb189eae287","eventName":"DeleteTrail","eventSource":"cloudtrail.amazonaws.com","eventTime":"2024-07-31T12:46:41Z","managementEvent":true,"requestParameters":{"name":"a-trail"},"responseElements":null,"userAgent":"aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux","userIdentity":{"accessKeyId":"AKIAFBJ48BV9CGRBRKGM","accountId":"847129010505","arn":"arn:aws:iam::847129010505:user/someone","type":"IAMUser"}}`)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Scan(in); err != nil {
			b.Fatal(err)
		}
	}
}
