package backtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/policy"
)

// compile compiles policies; each begins with its METADATA.
func compile(tb testing.TB, texts ...string) *policy.Set {
	tb.Helper()
	var files []policy.File
	for i, text := range texts {
		files = append(files, policy.File{Path: fmt.Sprintf("p%d.rego", i), Bytes: []byte(text)})
	}
	set, problems := policy.Compile(tb.Context(), files, policy.Options{})
	if err := problems.Err(); err != nil {
		tb.Fatal(err)
	}
	return set
}

// rego writes a policy.
func rego(pkg, custom, body string) string {
	return fmt.Sprintf("# METADATA\n# title: %s\n# custom: {severity: low, %s}\npackage %s\n\n%s\n", pkg, custom, pkg, body)
}

const boxes = "resource_types: ['T::T::Box']"

// input writes lines into a file.
func input(tb testing.TB, lines ...string) *Files {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "in.ndjson")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		tb.Fatal(err)
	}
	f, err := OpenFiles(path)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// box is an item; minute is when it was captured.
func box(id string, minute int, configuration string) string {
	return fmt.Sprintf(`{"accountId":"1","region":"eu","resourceType":"T::T::Box","resourceId":%q,"configurationItemCaptureTime":%q,"configuration":%s}`, id, at(minute), configuration)
}

func gone(id string, minute int) string {
	return fmt.Sprintf(`{"accountId":"1","region":"eu","resourceType":"T::T::Box","resourceId":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":"ResourceDeleted"}`, id, at(minute))
}

// event is an event of a key with a value, some seconds after the start.
func event(id, key, value string, second int) string {
	return fmt.Sprintf(`{"id":%q,"source":"t","time":%q,"action":"t:Do","accountId":"1","actor":{"id":%q},"detail":{"v":%q}}`, id, start.Add(time.Duration(second)*time.Second).Format(time.RFC3339), key, value)
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(minute int) string {
	return start.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
}

// run runs one engine and returns what fired, a line each, with its result.
func run(tb testing.TB, src Source, s Scope, o Options) ([]string, *Result) {
	tb.Helper()
	o.Dir = filepath.Join(tb.TempDir(), "state")
	e, err := NewEngine(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	results, err := Run(tb.Context(), src, s, e)
	if err != nil {
		tb.Fatal(err)
	}
	return fired(tb, results[0]), results[0]
}

func fired(tb testing.TB, r *Result) (out []string) {
	tb.Helper()
	for f, err := range r.Firings() {
		if err != nil {
			tb.Fatal(err)
		}
		line := fmt.Sprintf("%s %s %s", f.At.Format("15:04:05"), f.What, f.Policy)
		if f.Finding != nil {
			line += fmt.Sprintf(" %s v%d %s", f.Finding.Resource.ResourceID, f.Finding.Version, f.Finding.Cause)
			for _, x := range []string{f.Finding.Resolution, f.Finding.Waiver} {
				if x != "" {
					line += " " + x
				}
			}
		} else {
			end := "open"
			if f.Episode.EndedAt != nil {
				end = f.Episode.EndedAt.Format("15:04:05")
			}
			line += fmt.Sprintf(" %s n%d %s", f.Episode.Key, f.Episode.Matches, end)
		}
		out = append(out, line)
	}
	return out
}

func TestFindings(t *testing.T) {
	t.Parallel()
	bad := rego("compliance.bad", boxes, `deny contains "bad" if input.resource.configuration.bad`)
	changed := rego("compliance.changed", boxes, `deny contains "n went down" if input.resource.configuration.n < input.previous.configuration.n`)
	reads := rego("compliance.reads", boxes, `deny contains "its lid is off" if not data.resources["T::T::Box"][input.resource.configuration.lid].configuration.on`)
	counts := rego("compliance.counts", boxes+", reads_all: ['T::T::Box']", `deny contains "too many" if count(data.resources["T::T::Box"]) > 2`)
	na := rego("compliance.na", boxes, "deny contains \"x\" if input.resource.configuration.bad\n\nnot_applicable if input.resource.configuration.off")
	waivers, err := compliance.NewWaivers([]compliance.Waiver{{Name: "w", Resource: "a", Expires: start.Add(3 * time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		policy  string
		waivers *compliance.Waivers
		since   int
		lines   []string
		want    []string
	}{
		{
			"opens, resolves, regresses", bad, nil, 0,
			[]string{box("a", 1, `{"bad":true}`), box("a", 2, `{"bad":true,"n":1}`), box("a", 3, `{"bad":false}`), box("a", 4, `{"bad":true}`)},
			[]string{"00:01:00 opened compliance.bad a v1 version", "00:03:00 resolved compliance.bad a v3 version COMPLIANT", "00:04:00 opened compliance.bad a v4 version"},
		},
		{
			"deletion resolves", bad, nil, 0,
			[]string{box("a", 1, `{"bad":true}`), gone("a", 2)},
			[]string{"00:01:00 opened compliance.bad a v1 version", "00:02:00 resolved compliance.bad a v2 version RESOURCE_DELETED"},
		},
		{
			"not applicable resolves", na, nil, 0,
			[]string{box("a", 1, `{"bad":true}`), box("a", 2, `{"bad":true,"off":true}`)},
			[]string{"00:01:00 opened compliance.na a v1 version", "00:02:00 resolved compliance.na a v2 version NOT_APPLICABLE"},
		},
		{
			"an item that comes late changes nothing", bad, nil, 0,
			[]string{box("a", 2, `{"bad":false}`), box("a", 1, `{"bad":true}`)},
			nil,
		},
		{
			"the version before", changed, nil, 0,
			[]string{box("a", 1, `{"n":1}`), box("a", 2, `{"n":3}`), box("a", 3, `{"n":2}`)},
			[]string{"00:03:00 opened compliance.changed a v3 version"},
		},
		{
			"another resource, as it was and when it changes", reads, nil, 0,
			[]string{box("lid", 1, `{"on":true,"lid":"lid"}`), box("a", 2, `{"lid":"lid"}`), box("lid", 3, `{"on":false,"lid":"lid"}`), box("lid", 4, `{"on":true,"lid":"lid"}`)},
			[]string{
				"00:03:00 opened compliance.reads lid v3 version", "00:03:00 opened compliance.reads a v2 dependency",
				"00:04:00 resolved compliance.reads lid v4 version COMPLIANT", "00:04:00 resolved compliance.reads a v2 dependency COMPLIANT",
			},
		},
		{
			"a whole type is looked at again a minute later", counts, nil, 0,
			[]string{box("a", 1, `{}`), box("b", 1, `{}`), box("c", 2, `{}`), box("a", 9, `{"n":1}`)},
			[]string{"00:02:00 opened compliance.counts c v3 version", "00:03:00 opened compliance.counts a v1 dependency", "00:03:00 opened compliance.counts b v2 dependency"},
		},
		{
			"a waiver ends", bad, waivers, 0,
			[]string{box("a", 1, `{"bad":true}`), box("b", 5, `{"bad":true}`)},
			[]string{"00:01:00 opened compliance.bad a v1 version w", "00:03:00 opened compliance.bad a v1 waiver", "00:05:00 opened compliance.bad b v2 version"},
		},
		{
			"what was so at the start is said first", bad, nil, 3,
			[]string{box("a", 1, `{"bad":false}`), box("a", 2, `{"bad":true}`), box("b", 1, `{"bad":true}`), box("b", 4, `{"bad":false}`), gone("c", 1)},
			[]string{"00:03:00 opened compliance.bad a v2 start", "00:03:00 opened compliance.bad b v3 start", "00:04:00 resolved compliance.bad b v4 version COMPLIANT"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := Scope{}
			if c.since > 0 {
				s.Since = start.Add(time.Duration(c.since) * time.Minute)
			}
			got, _ := run(t, input(t, c.lines...), s, Options{Policies: compile(t, c.policy), Waivers: c.waivers})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEpisodes(t *testing.T) {
	t.Parallel()
	three := rego("alarms.three", "on: event, window: {count: 3, within: 10s}, lateness: 1m", `alarm contains {"msg": "m", "value": input.event.detail.v} if input.event.source == "t"`)
	values := strings.ReplaceAll(strings.ReplaceAll(three, "within: 10s", "within: 10s, distinct: true"), "alarms.three", "alarms.values")
	for _, c := range []struct {
		name, policy string
		lines        []string
		want         []string
		late         int64
	}{
		{"too few", three, []string{event("1", "a", "x", 0), event("2", "a", "x", 9), event("3", "b", "x", 9)}, nil, 0},
		{
			"the window, and its end", three,
			[]string{event("1", "a", "x", 0), event("2", "a", "x", 4), event("3", "a", "x", 9), event("4", "a", "x", 12), event("5", "a", "x", 60)},
			[]string{"00:00:09 alarm alarms.three a n4 00:00:22"},
			0,
		},
		{
			"open at the end", three,
			[]string{event("1", "a", "x", 0), event("2", "a", "x", 4), event("3", "a", "x", 9)},
			[]string{"00:00:09 alarm alarms.three a n3 open"},
			0,
		},
		{
			"a late match joins two", three,
			[]string{
				event("1", "a", "x", 0), event("2", "a", "x", 1), event("3", "a", "x", 2), event("4", "a", "x", 14), event("5", "a", "x", 15),
				event("6", "a", "x", 16), event("7", "a", "x", 8), event("8", "b", "x", 120),
			},
			[]string{"00:00:02 alarm alarms.three a n7 00:00:26"},
			0,
		},
		{
			"one that comes too late is counted", three,
			[]string{event("1", "a", "x", 0), event("2", "a", "x", 100), event("3", "a", "x", 1), event("4", "a", "x", 2)},
			nil, 2,
		},
		{
			"different values", values,
			[]string{event("1", "a", "x", 0), event("2", "a", "x", 1), event("3", "a", "y", 2), event("4", "a", "z", 3), event("5", "a", "z", 90)},
			[]string{"00:00:03 alarm alarms.values a n4 00:00:13"},
			0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, r := run(t, input(t, c.lines...), Scope{}, Options{Policies: compile(t, c.policy)})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if r.Policies[0].Late != c.late {
				t.Errorf("%d late, want %d", r.Policies[0].Late, c.late)
			}
		})
	}
}

// generated is a Source of events that are made as they are asked for.
type generated struct {
	n    int
	line func(i int) string
	// after is called when so many are given.
	after func(i int)
}

func (g generated) Items(context.Context, time.Time, time.Time) iter.Seq2[Row, error] {
	return func(func(Row, error) bool) {}
}

func (g generated) Events(context.Context, time.Time, time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for i := range g.n {
			if g.after != nil {
				g.after(i)
			}
			if !yield(Row{Number: int64(i + 1), Record: json.RawMessage(g.line(i))}, nil) {
				return
			}
		}
	}
}

// TestMoreKeysThanAreFollowed holds the overflow to what the daemon does: the first ten thousand keys are
// followed, matches of the others are counted in one episode, and keys that are over make room.
func TestMoreKeysThanAreFollowed(t *testing.T) {
	t.Parallel()
	any := rego("alarms.any", "on: event, clear_after: 1s, lateness: 1s", `alarm contains "m" if input.event.source == "t"`)
	g := generated{n: 10_050, line: func(i int) string { return event(fmt.Sprint(i), fmt.Sprint("k", i), "v", 0) }}
	got, r := run(t, g, Scope{}, Options{Policies: compile(t, any)})
	s := r.Policies[0]
	if len(got) != 10_001 || s.Overflow != 50 || !strings.Contains(strings.Join(got, "\n"), "(more keys than are followed) n50") {
		t.Errorf("%d firings, %d overflowed", len(got), s.Overflow)
	}
	// An hour later all of them are over.
	g = generated{n: 20_050, line: func(i int) string { return event(fmt.Sprint(i), fmt.Sprint("k", i), "v", i/10_000*3600) }}
	got, r = run(t, g, Scope{}, Options{Policies: compile(t, any)})
	// The chunk in which the hour passes begins before it.
	if s := r.Policies[0]; s.Overflow < 50 || s.Overflow > 50+2*chunkRows || len(got) != 20_050-int(s.Overflow)+1 {
		t.Errorf("%d firings, %d overflowed", len(got), s.Overflow)
	}
}

// TestErrorsAreCountedAndSampled lets a policy fail on half of the records: the other goes on, and what
// is counted adds up.
func TestErrorsAreCountedAndSampled(t *testing.T) {
	t.Parallel()
	half := rego("compliance.half", boxes, `deny contains "d" if 1 / (input.resource.configuration.n % 2) > 0`)
	bad := rego("compliance.bad", boxes, `deny contains "bad" if input.resource.configuration.n > 97`)
	var lines []string
	for i := range 100 {
		lines = append(lines, box(fmt.Sprint("b", i), i, fmt.Sprintf(`{"n":%d}`, i)))
	}
	got, r := run(t, input(t, lines...), Scope{}, Options{Policies: compile(t, half, bad), Samples: 3})
	if len(got) != 52 {
		t.Errorf("%d firings, want 50 and 2", len(got))
	}
	for _, s := range r.Policies {
		want := int64(0)
		if s.Policy == "compliance.half" {
			want = 50
			if len(s.Samples) != 3 || s.Samples[1].Record != 3 || !strings.Contains(s.Samples[1].Reason, "divide by zero") || s.Samples[1].Resource.ResourceID != "b2" {
				t.Errorf("samples %+v", s.Samples)
			}
		}
		if s.Errors != want || s.Evaluated != 100 {
			t.Errorf("%s: %d errors of %d, want %d of 100", s.Policy, s.Errors, s.Evaluated, want)
		}
	}
}

// TestWorkersDoNotMatter runs policies that read one another's resources on different numbers of workers.
func TestWorkersDoNotMatter(t *testing.T) {
	t.Parallel()
	reads := rego("compliance.reads", boxes, `deny contains "next is bad" if data.resources["T::T::Box"][input.resource.configuration.next].configuration.bad`)
	counts := rego("compliance.counts", boxes+", reads_all: ['T::T::Box']", `deny contains "even" if count([1 | data.resources["T::T::Box"][_].configuration.bad]) % 2 == 0`)
	any := rego("alarms.any", "on: event, window: {count: 2, within: 3s}", `alarm contains "m" if input.event.source == "t"`)
	var lines []string
	for i := range 120 {
		lines = append(lines, box(fmt.Sprint("b", i*7%40), i, fmt.Sprintf(`{"bad":%v,"next":"b%d","n":%d}`, i*i%5 == 0, i*3%40, i)))
		lines = append(lines, event(fmt.Sprint(i), fmt.Sprint("k", i%9), "v", i*37%500))
	}
	set := compile(t, reads, counts, any)
	src := input(t, lines...)
	want, _ := run(t, src, Scope{}, Options{Policies: set, Workers: 1})
	if len(want) < 30 {
		t.Fatalf("%d firings are few", len(want))
	}
	for _, workers := range []int{2, 3, 16} {
		got, _ := run(t, src, Scope{}, Options{Policies: set, Workers: workers})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers:\n%s", workers, diff)
		}
	}
}

// TestCancel ends a run in its middle: what was so far is there, and marked.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	any := rego("alarms.any", "on: event, clear_after: 1s", `alarm contains "m" if input.event.source == "t"`)
	e, err := NewEngine(ctx, Options{Policies: compile(t, any), Dir: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	g := generated{n: 1 << 40, line: func(i int) string { return event(fmt.Sprint(i), "k", "v", i*5) }, after: func(i int) {
		if i == 20_000 {
			cancel()
		}
	}}
	began := time.Now()
	results, err := Run(ctx, g, Scope{}, e)
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if got := fired(t, r); !r.Incomplete || r.Events < 1000 || int64(len(got)) != r.Events {
		t.Errorf("incomplete %v, %d events, %d firings", r.Incomplete, r.Events, len(got))
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestSourceFails returns the source's error.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"no JSON":     {box("a", 1, "{}"), "{"},
		"no kind":     {`{"a":1}`},
		"no time":     {`{"resourceType":"T::T::Box","resourceId":"a","accountId":"1","region":"eu"}`},
		"bad item":    {`{"resourceType":"T::T::Box","resourceId":7,"configurationItemCaptureTime":"2026-01-01T00:00:00Z"}`},
		"bad number":  {`{"number":"x","time":"2026-01-01T00:00:00Z","record":{"source":"t"}}`},
		"bad hash":    {`{"number":1,"time":"2026-01-01T00:00:00Z","contentSha256":"00","record":{"resourceType":"T::T::Box"}}`},
		"bad time":    {`{"number":1,"time":"now","record":{"source":"t"}}`},
		"a long line": {`{"number":1,"record":"` + strings.Repeat("x", maxLine) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := NewEngine(t.Context(), Options{Policies: compile(t, rego("compliance.bad", boxes, `deny contains "bad" if input.resource.configuration.bad`)), Dir: filepath.Join(t.TempDir(), "s")})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			_, err = Run(t.Context(), input(t, lines...), Scope{}, e)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in.ndjson line %d: ", len(lines))) {
				t.Errorf("%v: want the line", err)
			}
		})
	}
	if _, err := OpenFiles(t.TempDir()); err == nil {
		t.Error("a folder is taken for a file")
	}
	if _, err := OpenFiles("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
