package report

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/regent-dev/regent/core/verdict"
)

// Rule is what a report says of a policy.
type Rule struct {
	ID          verdict.PolicyID
	Title       string
	Description string
	Severity    verdict.Severity
	Remediation string
	HelpURL     string
}

// Result is one verdict on a resource, or one match on an event.
type Result struct {
	verdict.Verdict
	// Source says where the record stood: a file and a line.
	Source string `json:"source,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Event is set for matches of alarm policies.
	Event string `json:"event,omitempty"`
}

// JSON writes one array.
func JSON(w io.Writer, results []Result) error {
	if results == nil {
		results = []Result{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(results)
}

// Table writes a line for each result that is not compliant, and a sum.
func Table(w io.Writer, results []Result, rules map[verdict.PolicyID]Rule) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	counts := map[verdict.Outcome]int{}
	shown := 0
	for _, r := range results {
		counts[r.Outcome]++
		if r.Outcome != verdict.NonCompliant && r.Outcome != verdict.Error {
			continue
		}
		if shown == 0 {
			fmt.Fprintln(t, "OUTCOME\tSEVERITY\tPOLICY\tSUBJECT\tMESSAGE")
		}
		shown++
		for _, m := range messages(r) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Outcome, rules[r.Policy].Severity, r.Policy, cell(subject(r)), cell(m.text))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if shown > 0 {
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "%d compliant, %d not compliant, %d not applicable, %d without the data, %d errors\n",
		counts[verdict.Compliant], counts[verdict.NonCompliant], counts[verdict.NotApplicable], counts[verdict.InsufficientData], counts[verdict.Error])
	return err
}

func subject(r Result) string {
	if r.Event != "" {
		return r.Event
	}
	return r.Subject.ResourceType + "/" + r.Subject.ResourceID
}

// cell keeps a text in its cell: records hold line breaks, tabs and what a terminal obeys.
func cell(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cc, unicode.Bidi_Control):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// message is one thing that a result says, and the JSON pointer that it is about.
type message struct{ text, path string }

// messages returns at least one message, none of them empty: readers of reports take an empty one for
// the absence of a failure.
func messages(r Result) []message {
	var out []message
	for _, d := range r.Denials {
		m := d.Message
		if m == "" {
			m = string(r.Outcome)
		}
		if d.Path != "" {
			value := string(d.Value)
			if value == "" {
				value = "null"
			}
			m += fmt.Sprintf(" (%s = %s)", d.Path, value)
		}
		out = append(out, message{m, d.Path})
	}
	if r.Reason != "" {
		out = append(out, message{text: r.Reason})
	}
	if len(out) == 0 {
		out = append(out, message{text: string(r.Outcome)})
	}
	return out
}

// location is the URI of a file: relative where the path is, so that it fits any checkout.
func location(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}

// The parts of SARIF 2.1.0 that are used.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string         `json:"id"`
		ShortDescription sarifText      `json:"shortDescription"`
		FullDescription  *sarifText     `json:"fullDescription,omitempty"`
		Help             *sarifText     `json:"help,omitempty"`
		HelpURI          string         `json:"helpUri,omitempty"`
		Properties       map[string]any `json:"properties,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
)

// SARIF writes the results that need attention in the form that code hosts read.
func SARIF(w io.Writer, results []Result, rules map[verdict.PolicyID]Rule, version string) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "regent", Version: version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	index := map[verdict.PolicyID]int{}
	prints := map[string]int{}
	for _, r := range results {
		if r.Outcome != verdict.NonCompliant && r.Outcome != verdict.Error {
			continue
		}
		rule := rules[r.Policy]
		if _, ok := index[r.Policy]; !ok {
			index[r.Policy] = len(run.Tool.Driver.Rules)
			s := sarifRule{ID: string(r.Policy), ShortDescription: sarifText{cmp.Or(rule.Title, string(r.Policy))}, HelpURI: rule.HelpURL, Properties: map[string]any{"security-severity": score(rule.Severity), "tags": tags(rule.Severity)}}
			if rule.Description != "" {
				s.FullDescription = &sarifText{rule.Description}
			}
			if rule.Remediation != "" {
				s.Help = &sarifText{rule.Remediation}
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, s)
		}
		for _, m := range messages(r) {
			// Results of one fingerprint count as one, so what differs must be in it, but not the text,
			// which may hold a value that changes while the fault stays.
			mark := strings.TrimSpace(string(r.Policy) + " " + subject(r) + " " + m.path)
			if prints[mark]++; prints[mark] > 1 {
				mark += fmt.Sprintf(" #%d", prints[mark])
			}
			out := sarifResult{
				RuleID: string(r.Policy), RuleIndex: index[r.Policy], Level: level(r.Outcome, rule.Severity), Message: sarifText{m.text},
				Fingerprints: map[string]string{"regent/v1": mark},
			}
			loc := sarifLocation{Logical: []sarifLogical{{subject(r)}}}
			if r.Source != "" {
				loc.Physical = &sarifPhysical{}
				loc.Physical.Artifact.URI = location(r.Source)
				if r.Line > 0 {
					loc.Physical.Region = &sarifRegion{r.Line}
				}
			}
			out.Locations = []sarifLocation{loc}
			run.Results = append(run.Results, out)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func tags(s verdict.Severity) []string {
	if s == "" {
		return []string{}
	}
	return []string{string(s)}
}

func level(o verdict.Outcome, s verdict.Severity) string {
	switch {
	case o == verdict.Error || s == verdict.Critical || s == verdict.High:
		return "error"
	case s == verdict.Medium:
		return "warning"
	}
	return "note"
}

// score is the number that code hosts sort security results by.
func score(s verdict.Severity) string {
	switch s {
	case verdict.Critical:
		return "9.5"
	case verdict.High:
		return "8.0"
	case verdict.Medium:
		return "5.5"
	case verdict.Low:
		return "3.0"
	}
	return "0.0"
}

// Case is one test case of a JUnit report.
type Case struct {
	Suite, Name string
	Seconds     float64
	// Failure and Error say why it did not pass; Skipped why it did not count.
	Failure, Error, Skipped string
	Output                  string
}

type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Time    string     `xml:"time,attr"`
		Failure *junitText `xml:"failure,omitempty"`
		Error   *junitText `xml:"error,omitempty"`
		Skipped *junitText `xml:"skipped,omitempty"`
		Output  string     `xml:"system-out,omitempty"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes cases, in the order given, by suite.
func JUnit(w io.Writer, cases []Case) error {
	var out junitSuites
	at := map[string]int{}
	text := func(s string) *junitText {
		if s == "" {
			return nil
		}
		return &junitText{s}
	}
	for _, c := range cases {
		i, ok := at[c.Suite]
		if !ok {
			i = len(out.Suites)
			at[c.Suite] = i
			out.Suites = append(out.Suites, junitSuite{Name: c.Suite})
		}
		s := &out.Suites[i]
		s.Tests++
		switch {
		case c.Failure != "":
			s.Failures++
		case c.Error != "":
			s.Errors++
		case c.Skipped != "":
			s.Skipped++
		}
		s.Cases = append(s.Cases, junitCase{
			Class: c.Suite, Name: c.Name, Time: fmt.Sprintf("%.6f", c.Seconds), Failure: text(c.Failure), Error: text(c.Error), Skipped: text(c.Skipped), Output: c.Output,
		})
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// Cases turns verdicts into test cases: a suite a policy, a case a subject.
func Cases(results []Result) []Case {
	var out []Case
	for _, r := range results {
		c := Case{Suite: string(r.Policy), Name: subject(r)}
		msg := ""
		for i, m := range messages(r) {
			if i > 0 {
				msg += "; "
			}
			msg += m.text
		}
		switch r.Outcome {
		case verdict.NonCompliant:
			c.Failure = msg
		case verdict.Error:
			c.Error = msg
		case verdict.NotApplicable, verdict.InsufficientData:
			c.Skipped = string(r.Outcome)
			if msg != c.Skipped {
				c.Skipped += ": " + msg
			}
		}
		out = append(out, c)
	}
	return out
}
