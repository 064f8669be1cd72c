package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// oddID is an event's id as other people make them.
const oddID = "regent://x/../é?a=b&c#d%2F 100%//"

// fill stores 25 of everything that has a list.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	const count = 25
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	canonical := func(format string, args ...any) []byte {
		b, err := record.Canonical(fmt.Appendf(nil, format, args...))
		must(err)
		return b
	}
	item := func(id, account, config string, at time.Time) record.Item {
		it, err := record.ParseItem(canonical(
			`{"accountId":%q,"region":"eu","resourceType":"A::B::C","resourceId":%q,"resourceName":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":"OK","configuration":%s,"relationships":[],"tags":{}}`,
			account, id, "name of "+id, record.FormatTime(at), config), nil)
		must(err)
		return it
	}
	event := func(id string, at time.Time) record.Event {
		b := canonical(`{"id":%q,"source":"test","time":%q,"action":"act","outcome":"success","error":{},"actor":{"id":"alice"},"origin":{},"targets":[{"resourceType":"A::B::C","resourceId":"r00","name":"name of r00"}],"accountId":"1"}`, id, record.FormatTime(at))
		ev, err := record.ParseEvent(b, record.Sum(b))
		must(err)
		return ev
	}
	must(s.Update(t.Context(), func(tx *store.Tx) error {
		var flipped, resource int64
		put := func(it record.Item) error {
			r, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.a", Received: t0})
			flipped, resource = r.Version, r.Resource
			return err
		}
		for i := range count {
			if err := put(item(fmt.Sprintf("r%02d", i), "1", `{"a":0}`, t0)); err != nil {
				return err
			}
		}
		if err := put(item("r00", "2", `{}`, t0)); err != nil {
			return err
		}
		for i := range count {
			if err := put(item("r01", "1", fmt.Sprintf(`{"a":%d}`, i+1), t0.Add(time.Duration(i+1)*time.Minute))); err != nil {
				return err
			}
		}
		if err := put(item("r00", "1", `{"a":1}`, t0.Add(time.Minute))); err != nil {
			return err
		}
		events := []record.Event{event(oddID, t0.Add(2*time.Minute))}
		for i := range count - 1 {
			events = append(events, event(fmt.Sprintf("e%02d", i), t0.Add(time.Duration(-i-60)*time.Minute)))
		}
		e := store.EncodeEvents(events)
		if _, err := tx.AppendBatch(store.BatchRow{Instance: "collector.test.a", Received: t0, Read: count, Stored: count, Events: &e}); err != nil {
			return err
		}
		var quarantined []record.Quarantined
		for i := range count {
			id := fmt.Sprintf("%02d", i)
			f := verdict.Finding{
				ID: "F" + id, Policy: verdict.PolicyID("compliance.p" + id), Status: verdict.Open, Outcome: verdict.NonCompliant,
				Severity: verdict.High, FirstSeen: t0, LastSeen: t0, FlippedBy: flipped,
			}
			ep := verdict.Episode{ID: "A" + id, Policy: "alarms.a", AccountID: "1", Key: id, State: verdict.AlarmFiring, StartedAt: t0.Add(time.Duration(i) * time.Minute), LastMatch: t0, Events: []verdict.EventRef{}}
			d := store.Delivery{ID: "D" + id, Route: "r", Instance: "notifier.test.a", Created: t0, State: store.Pending, Document: json.RawMessage(`{}`)}
			if i == 0 {
				d.State = store.Delivered
			}
			if err := errors.Join(tx.PutFinding(resource, f), tx.PutEpisode(ep, t0)); err != nil {
				return err
			}
			if _, err := tx.AddDelivery(d); err != nil {
				return err
			}
			quarantined = append(quarantined, record.Quarantined{Kind: record.KindEvent, Reason: "bad " + id, Bytes: []byte("\xff")})
		}
		return tx.AddQuarantine("collector.test.a", t0, quarantined)
	}))
}

var lists = []string{"/v1/resources", "/v1/resource/history?type=A::B::C&id=r01", "/v1/findings", "/v1/events", "/v1/alarms", "/v1/deliveries", "/v1/quarantine"}

func with(path, name, value string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + name + "=" + url.QueryEscape(value)
}

// TestPaging reads every list in pages of several sizes: the same entries in the same order, each once.
func TestPaging(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	fill(t, d.Store)
	base := "http://" + insecure(t, d)
	type page struct {
		Items []json.RawMessage
		Next  string
	}
	for _, path := range lists {
		get := func(path string) (p page) {
			a := ask(t, "GET", base+path, "")
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.code != 200 || p.Items == nil {
				t.Fatalf("%s: %d %v %s", path, a.code, err, a.body)
			}
			return p
		}
		all := get(with(path, "limit", "10000"))
		if len(all.Items) < 25 || all.Next != "" {
			t.Fatalf("%s: %d entries, next %q", path, len(all.Items), all.Next)
		}
		var want []string
		for _, i := range all.Items {
			want = append(want, string(i))
		}
		for _, size := range []int{1, 7, 25} {
			var got []string
			sized := with(path, "limit", fmt.Sprint(size))
			for next, n := "", 0; n < 100; n++ {
				at := sized
				if next != "" {
					at = with(sized, "after", next)
				}
				p := get(at)
				if len(p.Items) > size {
					t.Errorf("%s: a page of %d", at, len(p.Items))
				}
				for _, i := range p.Items {
					got = append(got, string(i))
				}
				if next = p.Next; next == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in pages of %d (-want +got):\n%s", path, size, diff)
			}
		}
		// A place that was never given out is an error, not the first page over again.
		for _, after := range []string{"nonsense", "-1", "0", "1.5", "1x", "99999999999999999999", "MS4yLjM0eA", "';--", "\x00"} {
			problem(t, path+" after "+after, ask(t, "GET", base+with(path, "after", after), ""), 422)
		}
		for _, limit := range []string{"0", "-1", "10001", "x", "99999999999999999999"} {
			problem(t, path+" limit "+limit, ask(t, "GET", base+with(path, "limit", limit), ""), 422)
		}
		// One that is far beyond the list is its end, or no place in it.
		if a := ask(t, "GET", base+with(path, "after", "9223372036854775807"), ""); a.code != 200 && a.code != 422 {
			t.Errorf("%s far beyond: %d %s", path, a.code, a.body)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	fill(t, d.Store)
	d.reload = errors.New("main.hcl:3:1: Unknown block")
	base := "http://" + insecure(t, d)
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"GET", "/v1/nothing", "", 404, "/v1/nothing"},
		{"GET", "/", "", 404, "there is no /"},
		{"POST", "/v1/status", "", 405, "not POST"},
		{"DELETE", "/v1/findings/F00", "", 405, "GET"},
		{"GET", "/-/reload", "", 405, "POST"},
		{"GET", "/v1/findings?severty=high", "", 422, "query.severty"},
		{"GET", "/v1/status?verbose=1", "", 422, "query.verbose"},
		{"POST", "/-/reload?force=1", "", 422, "query.force"},
		{"POST", "/-/reload", "", 422, "main.hcl:3:1"},
		{"GET", "/v1/findings?status=CLOSED", "", 422, "query.status"},
		{"GET", "/v1/findings?waived=maybe", "", 422, "query.waived"},
		{"GET", "/v1/resources?gone=perhaps", "", 422, "query.gone"},
		{"GET", "/v1/events?from=yesterday", "", 422, "from"},
		{"GET", "/v1/events?outcome=good", "", 422, "query.outcome"},
		{"GET", "/v1/deliveries?state=lost", "", 422, "query.state"},
		{"GET", "/v1/findings/none", "", 404, "finding none"},
		{"GET", "/v1/events/none", "", 404, "event none"},
		{"GET", "/v1/resource", "", 422, "query.id"},
		{"GET", "/v1/resource?id=", "", 422, "query.id"},
		{"GET", "/v1/resource?id=none", "", 404, "none"},
		{"GET", "/v1/resource?id=r00", "", 422, "2 resources match"},
		{"GET", "/v1/resource?id=r01&at=1x", "", 422, `version "1x"`},
		{"GET", "/v1/resource?id=r01&at=1%202", "", 422, `version "1 2"`},
		{"GET", "/v1/resource?id=r01&at=999999", "", 404, "999999"},
		{"GET", "/v1/resource?id=r02&at=previous", "", 404, "previous"},
		// The version of another resource is not one of this.
		{"GET", "/v1/resource?id=r02&at=1", "", 404, "version 1"},
		{"GET", "/v1/resource?id=r01&at=2020-01-01T00:00:00Z", "", 404, "2020"},
		{"GET", "/v1/resource/diff?id=r01&from=x", "", 422, `version "x"`},
		{"POST", "/v1/alarms/none/ack", "{}", 404, "episode none"},
		{"POST", "/v1/alarms/A01/ack", "", 400, "body"},
		{"POST", "/v1/alarms/A01/ack", "{", 400, ""},
		{"POST", "/v1/alarms/A01/ack", "[]", 422, "body"},
		{"POST", "/v1/alarms/A01/ack", `{"notes":"misspelt"}`, 422, "body.notes"},
		{"POST", "/v1/alarms/A01/ack", `{"note":7}`, 422, "body.note"},
		{"POST", "/v1/alarms/A01/ack", `{"note":"` + strings.Repeat("x", 2<<20) + `"}`, 413, ""},
		{"POST", "/v1/deliveries/none/retry", "", 404, "delivery none"},
		{"POST", "/v1/deliveries/D00/retry", "", 422, "delivered already"},
		{"POST", "/v1/sweeps/confirm", "", 422, "query.instance"},
		{"POST", "/v1/sweeps/confirm?instance=a&scope=b", "", 404, "held sweep of a"},
	} {
		what := fmt.Sprintf("%s %s %.30s", c.method, c.path, c.body)
		a := ask(t, c.method, base+c.path, c.body)
		if says := problem(t, what, a, c.code); !strings.Contains(says, c.says) {
			t.Errorf("%s says %q, want %q", what, says, c.says)
		}
		if allow := a.header.Get("Allow"); (allow != "") != (c.code == 405) {
			t.Errorf("%s: Allow %q", what, allow)
		}
	}
}

// TestTrouble: the daemon's own trouble is not the request's fault.
func TestTrouble(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	fill(t, d.Store)
	trouble := errors.New("disk I/O error")
	d.Status = func(context.Context) (Status, error) { return Status{}, trouble }
	d.retry = func(context.Context, string) error { return trouble }
	base := "http://" + insecure(t, d)
	for what, a := range map[string]answer{
		"status": ask(t, "GET", base+"/v1/status", ""), "retry": ask(t, "POST", base+"/v1/deliveries/D01/retry", ""),
	} {
		if says := problem(t, what, a, 500); !strings.Contains(says, trouble.Error()) {
			t.Errorf("%s says %q", what, says)
		}
	}
}

// TestAudit: each call that changes something is recorded with who made it, also where it fails, and
// calls that only ask are not.
func TestAudit(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	fill(t, d.Store)
	base := "http://" + insecure(t, d)
	for _, c := range []struct {
		path, body string
		want       Audit
		err        string
	}{
		{"/-/reload", "", Audit{Action: "regent:Reload"}, ""},
		{"/v1/alarms/A03/ack", `{"note":"seen","by":"somebody else"}`, Audit{Action: "regent:AcknowledgeAlarm", Target: "A03"}, ""},
		{"/v1/alarms/none/ack", "{}", Audit{Action: "regent:AcknowledgeAlarm", Target: "none"}, "not found"},
		{"/v1/deliveries/D01/retry", "", Audit{Action: "regent:RetryDelivery", Target: "D01"}, ""},
		{"/v1/deliveries/D00/retry", "", Audit{Action: "regent:RetryDelivery", Target: "D00"}, "delivered already"},
		{"/v1/sweeps/confirm?instance=held&scope=s", "", Audit{Action: "regent:ConfirmSweep", Target: "held s"}, ""},
		{"/v1/sweeps/confirm?instance=held&scope=t", "", Audit{Action: "regent:ConfirmSweep", Target: "held t"}, "not found"},
	} {
		a := ask(t, "POST", base+c.path, c.body, header("Authorization", "Bearer operator-secret"))
		if (a.code == 200) != (c.err == "") {
			t.Errorf("%s: %d %s", c.path, a.code, a.body)
		}
		c.want.Actor, c.want.Address = "operator", "127.0.0.1"
		got := d.audited()
		if diff := cmp.Diff([]Audit{c.want}, got, cmpopts.IgnoreFields(Audit{}, "Err")); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", c.path, diff)
		}
		if err := got[0].Err; (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.path, err, c.err)
		}
	}
	for _, path := range lists {
		ask(t, "GET", base+path, "")
	}
	if got := d.audited(); len(got) != 0 {
		t.Errorf("questions are recorded: %+v", got)
	}
	// Done and not recorded is not done well.
	d2 := newDaemon(t)
	d2.Audit = func(context.Context, Audit) error { return errors.New("the journal is full") }
	if says := problem(t, "reload", ask(t, "POST", "http://"+insecure(t, d2)+"/-/reload", ""), 500); !strings.Contains(says, "not recorded") {
		t.Errorf("it says %q", says)
	}
}

// TestCallerGone: what was done is recorded though nobody waits for the answer.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	fill(t, d.Store)
	begun, recorded := make(chan struct{}), make(chan error, 1)
	d.retry = func(ctx context.Context, _ string) error {
		close(begun)
		<-ctx.Done()
		return nil
	}
	d.Audit = func(ctx context.Context, _ Audit) error { recorded <- ctx.Err(); return nil }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+insecure(t, d)+"/v1/deliveries/D01/retry", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin-secret")
	go func() { <-begun; cancel() }()
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Error("there was an answer")
	}
	select {
	case err := <-recorded:
		if err != nil {
			t.Errorf("recorded under a context that has ended: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing was recorded")
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	fill(t, d.Store)
	base := "http://" + insecure(t, d)
	get := func(path string, to any) {
		t.Helper()
		a := ask(t, "GET", base+path, "")
		if err := json.Unmarshal([]byte(a.body), to); err != nil || a.code != 200 {
			t.Fatalf("%s: %d %v %s", path, a.code, err, a.body)
		}
		if strings.Contains(a.body, "$schema") || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %s", path, a.header.Get("Content-Type"), a.body)
		}
	}
	var events []Event
	get("/v1/events/"+url.PathEscape(oddID), &events)
	if len(events) != 1 || !strings.Contains(string(events[0].Event), "act") {
		t.Errorf("the event %q: %+v", oddID, events)
	}
	var f FindingDetail
	get("/v1/findings/F00", &f)
	if len(f.Causes) != 1 || len(f.Causes[0].Changes) != 1 || f.Causes[0].Changes[0].Path != "/configuration/a" {
		t.Fatalf("causes %+v", f.Causes)
	}
	// Its target bears both the id and the name of the resource, and it happened once.
	if c := f.Causes[0].Candidates; len(c) != 1 || c[0].Number == 0 || c[0].Actor.ID != "alice" || !strings.HasPrefix(f.Cause, "changed by alice via act") {
		t.Errorf("candidates %+v, %q", c, f.Cause)
	}
	var r ResourceDetail
	get("/v1/resource?id="+url.QueryEscape("name of r01")+"&at=previous", &r)
	if !strings.Contains(string(r.Item), `"a":24`) {
		t.Errorf("the version before: %s", r.Item)
	}
	var ep verdict.Episode
	a := ask(t, "POST", base+"/v1/alarms/A05/ack", `{"note":"mine"}`, header("Authorization", "Bearer operator-secret"))
	if err := json.Unmarshal([]byte(a.body), &ep); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&verdict.Acknowledgement{By: "operator", At: t0, Note: "mine"}, ep.Acknowledged); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var openapi struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	a = ask(t, "GET", base+"/openapi.json", "")
	if err := json.Unmarshal([]byte(a.body), &openapi); err != nil || !strings.HasPrefix(openapi.OpenAPI, "3.") {
		t.Errorf("OpenAPI: %v %.80s", err, a.body)
	}
	for _, path := range lists {
		path, _, _ = strings.Cut(path, "?")
		if openapi.Paths[path]["get"] == nil {
			t.Errorf("%s is not described", path)
		}
	}
}
