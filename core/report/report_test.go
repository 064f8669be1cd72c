package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/verdict"
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

var rules = map[verdict.PolicyID]Rule{
	"compliance.a": {ID: "compliance.a", Title: "Volumes are encrypted", Description: "Disks get lost.", Severity: verdict.High, Remediation: "Encrypt it.", HelpURL: "https://example.org/a?b=c"},
	"compliance.b": {ID: "compliance.b", Title: "B", Severity: verdict.Medium},
	"alarms.c":     {ID: "alarms.c", Title: "C", Severity: verdict.Info},
	"compliance.d": {ID: "compliance.d", Title: "D", Severity: verdict.Critical},
	"compliance.e": {ID: "compliance.e", Title: "E", Severity: verdict.Low},
}

func result(policy verdict.PolicyID, id string, o verdict.Outcome, denials ...verdict.Denial) Result {
	return Result{Verdict: verdict.Verdict{
		Policy: policy, Subject: verdict.Subject{AccountID: "1", Region: "eu", ResourceType: "A::B::C", ResourceID: id},
		Outcome: o, Denials: denials, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}}
}

// results hold one of everything, and what other people's records may hold.
func results() []Result {
	plain := result("compliance.a", "v-1", verdict.NonCompliant,
		verdict.Denial{Message: "not encrypted", Path: "/configuration/encrypted", Value: []byte("false")},
		verdict.Denial{Message: "no key", Path: "/configuration/key"})
	plain.Source, plain.Line = "my items/50%.jsonl", 3
	evil := result("compliance.b", "v\t2\n\x1b[31m", verdict.NonCompliant, verdict.Denial{Message: "one\ttwo\nthree \x1b]0;x\x07 <b>&\u202e\u0085"})
	evil.Source = "/abs/items.json"
	failed := result("compliance.d", "v-3", verdict.Error)
	failed.Reason = "timeout"
	beside := result("compliance.e", "v-4", verdict.NonCompliant, verdict.Denial{Message: "low"}, verdict.Denial{Message: "low too"})
	beside.Reason = "and an error"
	event := Result{Verdict: verdict.Verdict{Policy: "alarms.c", Outcome: verdict.NonCompliant, Denials: []verdict.Denial{{Message: "matched"}}}, Event: "iam:CreateUser e-1", Source: "a:b/c.json", Line: 0}
	without := result("compliance.unknown", "v-5", verdict.NonCompliant)
	silent := result("compliance.d", "v-6", verdict.Error)
	missing := result("compliance.a", "v-7", verdict.InsufficientData)
	missing.Reason = "no /configuration/encrypted"
	return []Result{
		plain, evil, failed, beside, event, without, silent, missing,
		result("compliance.a", "v-8", verdict.Compliant), result("compliance.a", "v-9", verdict.NotApplicable),
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Table(&out, results(), rules); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", out.Bytes())
	for i, r := range out.String() {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
			t.Errorf("character %d is %U, which a terminal obeys", i, r)
		}
	}
	// A header, a line for each of ten messages, an empty line, the sum.
	if n := strings.Count(out.String(), "\n"); n != 1+10+1+1 {
		t.Errorf("%d lines", n)
	}
	out.Reset()
	if err := Table(&out, nil, nil); err != nil {
		t.Fatal(err)
	}
	if want := "0 compliant, 0 not compliant, 0 not applicable, 0 without the data, 0 errors\n"; out.String() != want {
		t.Errorf("no results: %q", out.String())
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := JSON(&out, results()); err != nil {
		t.Fatal(err)
	}
	golden(t, "results.json", out.Bytes())
	var back []Result
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(results(), back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := JSON(&out, nil); err != nil || out.String() != "[]\n" {
		t.Errorf("no results: %q, %v", out.String(), err)
	}
}

func TestSARIF(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := SARIF(&out, results(), rules, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	golden(t, "results.sarif", out.Bytes())
	checkSARIF(t, out.Bytes())
	out.Reset()
	if err := SARIF(&out, nil, nil, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	// Code hosts refuse a run without these arrays, and close alerts on one where they are empty.
	for _, want := range []string{`"rules": []`, `"results": []`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no results: %s is not in %s", want, out.String())
		}
	}
}

// checkSARIF holds a log against what the SARIF 2.1.0 schema and its readers require of the parts that
// are used.
func checkSARIF(t *testing.T, b []byte) {
	t.Helper()
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID               string
						ShortDescription struct{ Text string }
						HelpURI          *string
						Properties       map[string]any
					}
				}
			}
			Results []struct {
				RuleID              string
				RuleIndex           *int
				Level               string
				Message             struct{ Text string }
				PartialFingerprints map[string]string
				Locations           []struct {
					PhysicalLocation *struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
					LogicalLocations []struct{ FullyQualifiedName string }
				}
			}
		}
	}
	if err := json.Unmarshal(b, &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" {
		t.Fatalf("not a log of one run: %s", b)
	}
	run := log.Runs[0]
	ids := map[string]bool{}
	for _, r := range run.Tool.Driver.Rules {
		if r.ID == "" || ids[r.ID] || r.ShortDescription.Text == "" || r.HelpURI != nil && *r.HelpURI == "" {
			t.Errorf("rule %+v", r)
		}
		if _, ok := r.Properties["security-severity"].(string); !ok {
			t.Errorf("rule %s: security-severity must be a string: %v", r.ID, r.Properties)
		}
		for _, tag := range r.Properties["tags"].([]any) {
			if tag == "" {
				t.Errorf("rule %s has an empty tag", r.ID)
			}
		}
		ids[r.ID] = true
	}
	prints := map[string]bool{}
	for _, r := range run.Results {
		if r.RuleIndex == nil || *r.RuleIndex >= len(run.Tool.Driver.Rules) || run.Tool.Driver.Rules[*r.RuleIndex].ID != r.RuleID {
			t.Errorf("result of %s: rule index %v", r.RuleID, r.RuleIndex)
		}
		if !slices.Contains([]string{"error", "warning", "note"}, r.Level) || r.Message.Text == "" || len(r.Locations) != 1 {
			t.Errorf("result %+v", r)
		}
		if p := r.PartialFingerprints["regent/v1"]; p == "" || prints[p] {
			t.Errorf("fingerprint %q is not the result's own", p)
		} else {
			prints[p] = true
		}
		for _, l := range r.Locations {
			if len(l.LogicalLocations) != 1 || l.LogicalLocations[0].FullyQualifiedName == "" {
				t.Errorf("result of %s: %+v", r.RuleID, l)
			}
			if p := l.PhysicalLocation; p != nil {
				if u, err := url.Parse(p.ArtifactLocation.URI); err != nil || strings.Contains(p.ArtifactLocation.URI, " ") || u.Scheme != "" && u.Scheme != "file" {
					t.Errorf("%q is not the URI of a file: %v", p.ArtifactLocation.URI, err)
				}
				if p.Region != nil && p.Region.StartLine < 1 {
					t.Errorf("line %d", p.Region.StartLine)
				}
			}
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome  verdict.Outcome
		severity verdict.Severity
		level    string
		score    string
	}{
		{verdict.NonCompliant, verdict.Critical, "error", "9.5"},
		{verdict.NonCompliant, verdict.High, "error", "8.0"},
		{verdict.NonCompliant, verdict.Medium, "warning", "5.5"},
		{verdict.NonCompliant, verdict.Low, "note", "3.0"},
		{verdict.NonCompliant, verdict.Info, "note", "0.0"},
		{verdict.NonCompliant, "", "note", "0.0"},
		{verdict.Error, verdict.Info, "error", "0.0"},
	} {
		if got := level(c.outcome, c.severity); got != c.level {
			t.Errorf("%s %q: level %s, want %s", c.outcome, c.severity, got, c.level)
		}
		if got := score(c.severity); got != c.score {
			t.Errorf("%q: score %s, want %s", c.severity, got, c.score)
		}
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	cases := append(Cases(results()), Case{Suite: "compliance.a", Name: "late\x00 \"<&>\" \xff", Seconds: 0.0000015, Output: "a ]]> b\x1b[0m\n"})
	var out bytes.Buffer
	if err := JUnit(&out, cases); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.xml", out.Bytes())

	type outcome struct {
		Message string `xml:"message,attr"`
	}
	var back struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Errors   int    `xml:"errors,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Class   string   `xml:"classname,attr"`
				Name    string   `xml:"name,attr"`
				Failure *outcome `xml:"failure"`
				Error   *outcome `xml:"error"`
				Skipped *outcome `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	type sum struct {
		Name                             string
		Tests, Failures, Errors, Skipped int
	}
	var got []sum
	for _, s := range back.Suites {
		got = append(got, sum{s.Name, s.Tests, s.Failures, s.Errors, s.Skipped})
		counted := sum{Name: s.Name}
		for _, c := range s.Cases {
			counted.Tests++
			if c.Class != s.Name || c.Name == "" {
				t.Errorf("case %q of class %q in suite %q", c.Name, c.Class, s.Name)
			}
			for _, o := range []struct {
				o *outcome
				n *int
			}{{c.Failure, &counted.Failures}, {c.Error, &counted.Errors}, {c.Skipped, &counted.Skipped}} {
				if o.o != nil {
					*o.n++
					if o.o.Message == "" {
						t.Errorf("case %q does not say why", c.Name)
					}
				}
			}
		}
		if diff := cmp.Diff(counted, got[len(got)-1]); diff != "" {
			t.Errorf("%s: sums (-counted +written):\n%s", s.Name, diff)
		}
	}
	want := []sum{
		{"compliance.a", 5, 1, 0, 2},
		{"compliance.b", 1, 1, 0, 0},
		// One of them gives no reason and has failed all the same.
		{"compliance.d", 2, 0, 2, 0},
		{"compliance.e", 1, 1, 0, 0},
		{"alarms.c", 1, 1, 0, 0},
		{"compliance.unknown", 1, 1, 0, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("suites (-want +got):\n%s", diff)
	}
}

// full is a disk without room after a number of bytes.
type full struct{ room int }

var errFull = errors.New("no room")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(io.Writer) error{
		"table": func(w io.Writer) error { return Table(w, results(), rules) },
		"json":  func(w io.Writer) error { return JSON(w, results()) },
		"sarif": func(w io.Writer) error { return SARIF(w, results(), rules, "") },
		"junit": func(w io.Writer) error { return JUnit(w, Cases(results())) },
	} {
		var all bytes.Buffer
		if err := write(&all); err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, 60, all.Len() - 1} {
			if err := write(&full{room}); !errors.Is(err, errFull) {
				t.Errorf("%s with room for %d of %d bytes: %v", name, room, all.Len(), err)
			}
		}
	}
}
