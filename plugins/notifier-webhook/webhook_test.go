package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk"
)

func notification() sdk.Notification {
	n := sdk.Notification{
		ID: "D1", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Source: "regent://x", Route: "r", Class: "compliance", Status: sdk.StatusFiring,
		Severity: "high", Title: "A <b> & c", Text: "text", GroupKey: "g é", Changes: []sdk.Change{{Key: "k", Title: "T", Policy: "compliance.a", Active: true, Resource: &sdk.Resource{ResourceID: "x"}}},
	}
	n.JSON, _ = json.Marshal(n)
	return n
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, header, value, body string }{
		{"cloudevents", "Content-Type", "application/cloudevents+json; charset=utf-8", `"specversion":"1.0"`},
		{"cloudevents-batch", "Content-Type", "application/cloudevents-batch+json; charset=utf-8", `[{"specversion"`},
		{"cloudevents-binary", "Ce-Subject", "g%20%C3%A9", `"groupKey":"g é"`},
		{"alertmanager", "Content-Type", "application/json", `"version":"4"`},
		{"slack", "Content-Type", "application/json", `:red_circle: A \u0026lt;b`},
	} {
		t.Run(c.format, func(t *testing.T) {
			t.Parallel()
			var got http.Header
			var body string
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got, body = r.Header, string(b)
			}))
			defer srv.Close()
			n, err := open(t.Context(), config{URL: srv.URL, Format: c.format, Timeout: time.Second, Secret: "k", Headers: map[string]string{"X-A": "b"}}, sdk.Env{})
			if err != nil {
				t.Fatal(err)
			}
			if r := n.Notify(t.Context(), notification()); r.Outcome != sdk.OutcomeDelivered {
				t.Fatalf("%+v", r)
			}
			if got.Get(c.header) != c.value || !strings.Contains(body, c.body) {
				t.Errorf("%s: %q, body %s", c.header, got.Get(c.header), body)
			}
			if got.Get("Idempotency-Key") != "D1" || got.Get("X-A") != "b" {
				t.Errorf("headers %v", got)
			}
			sig := got.Get("Regent-Signature")
			unix := strings.TrimPrefix(strings.Split(sig, ",")[0], "t=")
			at, err := time.ParseDuration(unix + "s")
			if err != nil || sign("k", time.Unix(int64(at.Seconds()), 0), []byte(body)) != sig {
				t.Errorf("signature %q does not fit the body", sig)
			}
		})
	}
}

// TestCause holds that the formats for people and Alertmanager say who made a change.
func TestCause(t *testing.T) {
	t.Parallel()
	n := notification()
	n.Changes = []sdk.Change{
		{Key: "known", Resource: &sdk.Resource{ResourceID: "b1"}, Cause: &sdk.Cause{Text: "changed by eve from 198.51.100.7 via box:PutSize", Actor: &sdk.Actor{ID: "eve"}}},
		{Key: "unknown", Resource: &sdk.Resource{ResourceID: "b2"}, Cause: &sdk.Cause{Text: "actor unknown: <nobody>"}},
		{Key: "new", Cause: &sdk.Cause{}},
		{Key: "alarm"},
	}
	n.Text = "b1: NON_COMPLIANT (changed by eve from 198.51.100.7 via box:PutSize)"
	body, _, err := alertmanager(n)
	if err != nil {
		t.Fatal(err)
	}
	var am amMessage
	if err := json.Unmarshal(body, &am); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"changed by eve from 198.51.100.7 via box:PutSize", "actor unknown: <nobody>", "", ""} {
		if got, has := am.Alerts[i].Annotations["cause"]; got != want || has != (want != "") {
			t.Errorf("alert %d: cause %q, want %q", i, got, want)
		}
	}
	body, _, err = slack(n)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(body, &plain); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(plain)
	if strings.Count(text, "changed by eve from 198.51.100.7 via box:PutSize") != 1 || !strings.Contains(text, "b2: actor unknown: &lt;nobody&gt;") {
		t.Errorf("slack says %s", text)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code    int
		after   string
		want    sdk.Outcome
		seconds float64
	}{
		{200, "", sdk.OutcomeDelivered, 0},
		{204, "", sdk.OutcomeDelivered, 0},
		{400, "", sdk.OutcomeRejected, 0},
		{404, "", sdk.OutcomeRejected, 0},
		{408, "", sdk.OutcomeRetry, 0},
		{429, "7", sdk.OutcomeRetry, 7},
		{500, "", sdk.OutcomeRetry, 0},
		{503, "nonsense", sdk.OutcomeRetry, 0},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.code)
		}))
		n, err := open(t.Context(), config{URL: srv.URL, Format: "cloudevents", Timeout: time.Second}, sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		r := n.Notify(t.Context(), notification())
		srv.Close()
		if r.Outcome != c.want || r.RetryAfter.Seconds() != c.seconds {
			t.Errorf("%d: %+v", c.code, r)
		}
	}
}

func TestHostileReceivers(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect to another host was followed") }))
	defer other.Close()
	for name, h := range map[string]http.HandlerFunc{
		"silent": func(http.ResponseWriter, *http.Request) { time.Sleep(600 * time.Millisecond) },
		"closes": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"sends elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/x", http.StatusTemporaryRedirect)
		},
	} {
		srv := httptest.NewServer(h)
		n, err := open(t.Context(), config{URL: srv.URL + "/s3cr3t", Format: "cloudevents", Timeout: 300 * time.Millisecond}, sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		r := n.Notify(t.Context(), notification())
		srv.Close()
		if r.Outcome == sdk.OutcomeDelivered {
			t.Errorf("%s: counts as delivered", name)
		}
		if strings.Contains(r.Detail, "s3cr3t") {
			t.Errorf("%s: the address is repeated: %s", name, r.Detail)
		}
	}
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	_, err := open(t.Context(), config{URL: "ftp://x/s3cr3t", Timeout: -1, TLS: tlsConfig{CAFile: "/nowhere", CertFile: "x"}}, sdk.Env{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"url", "timeout", "ca_file", "key_file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the address is repeated: %v", err)
	}
}
