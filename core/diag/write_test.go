package diag

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func at(file string, line, from, to int) *Range {
	return &Range{File: file, Start: Pos{Line: line, Column: from}, End: Pos{Line: line, Column: to}}
}

// sources are files as people write them, and as nobody should.
var sources = map[string][]byte{
	"a.hcl":      []byte("data_dir = \"/x\"\n\tevery =\t1m\r\nlast"),
	"wide.rego":  []byte("msg := \"日本 e\u0301\" + typo\n"),
	"evil.rego":  []byte("# \x1b]0;owned\x07 \u202eabc \xff end\n"),
	"long.json":  []byte(strings.Repeat("a", 500) + "HERE" + strings.Repeat("b", 500)),
	"empty.hcl":  {},
	"nolines.tf": []byte("\n\n"),
}

var written = map[string]Problems{
	"order": {
		{Severity: Error, Summary: "First", Detail: "With a detail.", Where: at("a.hcl", 1, 1, 9)},
		{Severity: Warning, Summary: "Second", Where: at("a.hcl", 3, 1, 5), Context: `collector "host" "this"`},
		{Severity: Error, Summary: "No place", Detail: "Two lines:\n\tindented."},
		{Severity: Error, Summary: "A block without a place", Context: `notifier "file" "x"`},
	},
	"marks": {
		{Severity: Error, Summary: "Below tabs", Where: at("a.hcl", 2, 10, 12)},
		{Severity: Error, Summary: "Wide and combining characters", Where: at("wide.rego", 1, 18, 22)},
		{Severity: Error, Summary: "Wide characters marked", Where: at("wide.rego", 1, 9, 11)},
		{Severity: Error, Summary: "Over several lines", Where: &Range{File: "a.hcl", Start: Pos{1, 12, 0}, End: Pos{3, 2, 0}}},
		{Severity: Error, Summary: "An empty range", Where: at("a.hcl", 1, 3, 3)},
		{Severity: Error, Summary: "Beyond the end of the line", Where: at("a.hcl", 3, 90, 2_000_000_000)},
		{Severity: Error, Summary: "An end before its start", Where: at("a.hcl", 1, 5, 2)},
		{Severity: Error, Summary: "A column of nought", Where: at("a.hcl", 1, 0, 0)},
		{Severity: Error, Summary: "In a long line", Where: at("long.json", 1, 501, 505)},
		{Severity: Error, Summary: "At the start of a long line", Where: at("long.json", 1, 1, 1005)},
		{Severity: Error, Summary: "At the end of a long line", Where: at("long.json", 1, 1005, 1006)},
		{Severity: Error, Summary: "An empty line", Where: at("nolines.tf", 2, 1, 1)},
	},
	"missing": {
		{Severity: Error, Summary: "A file without its text", Where: at("absent.hcl", 7, 1, 3)},
		{Severity: Error, Summary: "A line that is not there", Where: at("a.hcl", 99, 1, 3)},
		{Severity: Error, Summary: "An empty file", Where: at("empty.hcl", 1, 1, 1)},
		{Severity: Error, Summary: "A file as a whole", Where: &Range{File: "a.hcl"}},
	},
	"control": {
		{Severity: Error, Summary: "Summary \x1b[2J", Detail: "Detail \x1b]8;;http://x\x07 and \u009b31m\nnext\r\n", Where: at("evil.rego", 1, 24, 27), Context: "in \x1b[1m"},
		{Severity: Warning, Summary: "A name", Where: at("fi\nle\x1b.hcl", 1, 1, 1)},
	},
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	for name, problems := range written {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var plain, colored bytes.Buffer
			if err := WriteText(&plain, problems, sources, false); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", plain.Bytes())
			for i, b := range plain.Bytes() {
				if b < 0x20 && b != '\n' && b != '\t' {
					t.Errorf("byte %d is %#x, which a terminal obeys", i, b)
				}
			}
			if err := WriteText(&colored, problems, sources, true); err != nil {
				t.Fatal(err)
			}
			// Colour adds to the words and changes none.
			bare := strings.NewReplacer("\x1b[1;31m", "", "\x1b[1;33m", "", "\x1b[0m", "").Replace(colored.String())
			if diff := cmp.Diff(plain.String(), bare); diff != "" {
				t.Errorf("coloured text differs:\n%s", diff)
			}
			if colored.Len() == plain.Len() {
				t.Error("nothing is coloured")
			}
		})
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	for name, problems := range written {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := WriteJSON(&out, problems); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", out.Bytes())
			var back Problems
			if err := json.Unmarshal(out.Bytes(), &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(problems, back); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
	var none bytes.Buffer
	if err := WriteJSON(&none, nil); err != nil || none.String() != "[]\n" {
		t.Errorf("no problems: %q, %v", none.String(), err)
	}
}

// broken is a pipe whose reader has gone.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteFailure(t *testing.T) {
	t.Parallel()
	if err := WriteText(broken{}, written["order"], sources, false); !errors.Is(err, errBroken) {
		t.Errorf("text: %v", err)
	}
	if err := WriteJSON(broken{}, written["order"]); !errors.Is(err, errBroken) {
		t.Errorf("json: %v", err)
	}
}

// FuzzWriteText: whatever stands where, it is written, and a terminal is safe from it.
func FuzzWriteText(f *testing.F) {
	f.Add("a\tb\n", "s", 1, 2, 1, 3)
	f.Add("\xff\x00\u202e", "\x1b", 1, -4, 1, 1<<40)
	f.Add(strings.Repeat("x", 1000), "", 1, 900, 3, 1)
	f.Fuzz(func(t *testing.T, source, summary string, line, column, endLine, endColumn int) {
		p := Problems{{Severity: Error, Summary: summary, Detail: summary, Where: &Range{File: "f", Start: Pos{Line: line, Column: column}, End: Pos{Line: endLine, Column: endColumn}}}}
		var out bytes.Buffer
		if err := WriteText(&out, p, map[string][]byte{"f": []byte(source)}, false); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }); i >= 0 {
			t.Errorf("a control character at %d of %q", i, out.String())
		}
		if limit := 6*maxShown*3 + 12*len(summary) + 200; out.Len() > limit {
			t.Errorf("%d bytes for one problem", out.Len())
		}
	})
}

func TestSortAndErr(t *testing.T) {
	t.Parallel()
	var ps Problems
	if ps.Err() != nil || ps.HasErrors() {
		t.Errorf("no problems: %v", ps.Err())
	}
	ps.Warnf(at("a", 1, 1, 1), "w", "%d", 1)
	if ps.Err() != nil || ps.HasErrors() {
		t.Errorf("a warning: %v", ps.Err())
	}
	ps.Errorf(at("b", 2, 1, 1), "b2", "")
	ps.Errorf(at("b", 1, 9, 9), "b1.9", "")
	ps.Errorf(at("b", 1, 2, 2), "b1.2", "why")
	ps.Errorf(nil, "nowhere", "100%%")
	ps.Sort()
	var got []string
	for _, p := range ps {
		got = append(got, p.Error())
	}
	if diff := cmp.Diff([]string{"nowhere: 100%", "b:1:2: b1.2: why", "b:1:9: b1.9", "b:2:1: b2", "a:1:1: w: 1"}, got); diff != "" {
		t.Error(diff)
	}
	if want := "nowhere: 100% (and 3 more)"; ps.Err().Error() != want {
		t.Errorf("%q, want %q", ps.Err(), want)
	}
	var p Problem
	if !errors.As(ps.Err(), &p) || p.Summary != "nowhere" {
		t.Errorf("the first is not in the error: %+v", p)
	}
}
