package backtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// remote serves one answer to each path over a real socket, and notes what it was asked.
func remote(t *testing.T, answers map[string]string, asked *[]string) *Remote {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked != nil {
			*asked = append(*asked, r.URL.String())
		}
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	t.Cleanup(s.Close)
	return &Remote{Get: func(ctx context.Context, path string, q url.Values) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path+"?"+q.Encode(), nil)
		if err != nil {
			return nil, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		return res.Body, nil
	}}
}

func row(number, minute int, record string) string {
	return fmt.Sprintf(`{"number":%d,"time":%q,"received":%q,"instance":"collector.x.y","record":%s}`, number, at(minute), at(minute+1), record) + "\n"
}

func TestRemote(t *testing.T) {
	t.Parallel()
	canon := func(id string, minute int, bad bool) string {
		return fmt.Sprintf(`{"accountId":"1","configuration":{"bad":%v},"configurationItemCaptureTime":%q,"region":"eu","resourceId":%q,"resourceType":"T::T::Box"}`, bad, at(minute), id)
	}
	var asked []string
	r := remote(t, map[string]string{
		itemsPath:  row(4, 1, canon("a", 1, true)) + row(9, 4, canon("a", 4, false)) + row(10, 5, canon("b", 5, true)) + `{"end":true,"rows":3}` + "\n",
		eventsPath: row(7, 4, event("e", "k", "v", 240)) + `{"end":true,"rows":1}`,
	}, &asked)
	set := compile(t, rego("compliance.bad", boxes, `deny contains "bad" if input.resource.configuration.bad`),
		rego("alarms.any", "on: event", `alarm contains "m" if input.event.source == "t"`))
	s := Scope{Since: start.Add(3 * time.Minute), Until: start.Add(10 * time.Minute)}
	got, result := run(t, r, s, Options{Policies: set})
	want := []string{
		"00:03:00 opened compliance.bad a v4 start", "00:04:00 resolved compliance.bad a v9 version COMPLIANT", "00:04:00 alarm alarms.any k n1 open",
		"00:05:00 opened compliance.bad b v10 version",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if result.Items != (ItemTotals{State: 1, Read: 2}) || result.Events != 1 {
		t.Errorf("%+v, %d events", result.Items, result.Events)
	}
	const span = "?by=time&since=2026-01-01T00%3A03%3A00.000000Z"
	if diff := cmp.Diff([]string{itemsPath + span + "&state=true&until=2026-01-01T00%3A10%3A00.000000Z", eventsPath + span + "&until=2026-01-01T00%3A10%3A00.000000Z"}, asked); diff != "" {
		t.Error(diff)
	}
}

// TestRemoteIsCut takes an answer that does not end as one for what it is.
func TestRemoteIsCut(t *testing.T) {
	t.Parallel()
	set := compile(t, rego("alarms.any", "on: event", `alarm contains "m" if input.event.source == "t"`))
	whole := row(1, 1, event("e", "k", "v", 60))
	for name, c := range map[string]struct {
		answer string
		cut    bool
	}{
		"no end":           {whole, true},
		"nothing":          {"", true},
		"in a row":         {whole + whole[:20], false},
		"a row is missing": {whole + `{"end":true,"rows":2}`, true},
		"another language": {"<html>", false},
		"no record":        {`{"number":1}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := NewEngine(t.Context(), Options{Policies: set, Dir: t.TempDir() + "/s"})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			_, err = Run(t.Context(), remote(t, map[string]string{eventsPath: c.answer}, nil), Scope{}, e)
			if err == nil || errors.Is(err, errCut) != c.cut || !strings.Contains(err.Error(), "answer") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	a := []string{
		rego("compliance.same", boxes, `deny contains "bad" if input.resource.configuration.bad`),
		rego("compliance.moves", boxes, `deny contains "bad" if input.resource.configuration.bad`),
		rego("compliance.gone", boxes, `deny contains "bad" if input.resource.configuration.bad`),
		rego("compliance.way", boxes, `deny contains "bad" if input.resource.configuration.bad`),
		rego("alarms.any", "on: event, clear_after: 1s", `alarm contains "m" if input.event.detail.v == "x"`),
	}
	b := []string{
		a[0],
		rego("compliance.moves", boxes, `deny contains "good" if not input.resource.configuration.bad

deny contains "n" if 1 / input.resource.configuration.n > 5`),
		rego("compliance.new", boxes, `deny contains "bad" if input.resource.resourceId == "a"`),
		rego("compliance.way", boxes, `deny contains "bad" if {
	input.resource.configuration.bad
	not input.resource.configuration.first
}`),
		rego("alarms.any", "on: event, clear_after: 1s", `alarm contains "m" if input.event.detail.v == "y"`),
	}
	src := input(t, box("a", 1, `{"bad":true,"n":1}`), box("b", 1, `{"bad":false,"n":1}`), box("c", 1, `{"bad":true,"first":true,"n":0}`), box("c", 2, `{"bad":false,"n":0}`), box("d", 2, `{"bad":true,"n":0}`),
		event("1", "k", "x", 0), event("2", "l", "y", 9))
	var engines []*Engine
	for _, texts := range [][]string{a, b} {
		e, err := NewEngine(t.Context(), Options{Policies: compile(t, texts...), Dir: t.TempDir() + "/s"})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		engines = append(engines, e)
	}
	results, err := Run(t.Context(), src, Scope{}, engines...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Compare(t.Context(), results[0], results[1])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range d.Differences {
		on := x.Key
		if x.Resource != nil {
			on = x.Resource.ResourceID
		}
		got = append(got, fmt.Sprintf("%s %s %s %s>%s", x.Policy, x.What, on, x.Before, x.After))
	}
	want := []string{
		"alarms.any newly failing l >ALARM", "alarms.any newly passing k ALARM>",
		"compliance.gone removed a NON_COMPLIANT>", "compliance.gone removed d NON_COMPLIANT>",
		"compliance.moves newly erroring d NON_COMPLIANT>ERROR", "compliance.moves newly failing b COMPLIANT>NON_COMPLIANT",
		"compliance.moves newly failing c COMPLIANT>NON_COMPLIANT", "compliance.moves newly passing a NON_COMPLIANT>COMPLIANT",
		"compliance.new newly failing a >NON_COMPLIANT",
		"compliance.way changed  opened 3, resolved 1>opened 2, resolved 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var counts []string
	for _, p := range d.Policies {
		counts = append(counts, fmt.Sprintf("%s %s %d %d %d %d %d %d %d", p.Policy, p.State, p.NewlyFailing, p.NewlyPassing, p.NewlyErroring, p.Changed, p.Added, p.Removed, p.Unchanged))
	}
	if diff := cmp.Diff([]string{
		"alarms.any  1 1 0 0 0 0 0", "compliance.gone removed 0 0 0 0 0 4 0", "compliance.moves  2 1 1 0 0 0 0", "compliance.new added 1 0 0 0 3 0 0",
		"compliance.same  0 0 0 0 0 0 4", "compliance.way  0 0 0 1 0 0 4",
	}, counts); diff != "" {
		t.Error(diff)
	}
	if d.Same() || !d.Erroring() {
		t.Error("there are differences and new errors")
	}
}
