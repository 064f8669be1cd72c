package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

// TestKillCause kills the daemon again and again while resources change and, a little later, the events come
// that tell who did it. In the end every finding names its actor; the route that waits has told of each
// once, with the actor; the one that follows up has told of each once, and once more where it had not known.
func TestKillCause(t *testing.T) {
	t.Parallel()
	dir, run, write := killFolders(t)
	add := func(name, text string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(text)
			if closeErr := f.Close(); err == nil {
				err = closeErr
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("policies/big.rego", `# METADATA
# title: Boxes are small
# custom: {severity: high, resource_types: [Test::Box::Box]}
package compliance.test.small

deny contains {"msg": "it is large", "path": "/configuration/size"} if input.resource.configuration.size > 0
`)
	write("regent.hcl", fmt.Sprintf(`
data_dir   = %[1]q
run_dir    = %[3]q
plugin_dir = %[2]q
policies {
  path = "policies"
}
collector "files" "items" {
  config {
    paths  = ["%[4]s/items"]
    format = "regent"
    poll   = "100ms"
  }
}
collector "files" "events" {
  config {
    paths  = ["%[4]s/events"]
    format = "regent"
    poll   = "100ms"
  }
}
notifier "file" "patient" {
  config {
    path = "%[4]s/patient.ndjson"
  }
}
notifier "file" "later" {
  config {
    path = "%[4]s/later.ndjson"
  }
}
route "patient" {
  on             = ["compliance"]
  wait_for_actor = "10m"
  notify         = [notifier.file.patient]
}
route "later" {
  on        = ["compliance"]
  follow_up = true
  notify    = [notifier.file.later]
}
`, run+"/d", bin, run+"/r", dir))
	write("items/a.log", `{"accountId":"1","resourceType":"Test::Box::Box","resourceId":"first","configuration":{"size":0}}`+"\n")
	write("events/a.log", "")
	c := &client{address: "unix://" + run + "/d/regent.sock"}
	start := func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "regent"), "run", "-c", "regent.hcl")
		cmd.Dir = dir
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	await := func(what string, ok func(api.Status) bool) {
		t.Helper()
		var s api.Status
		for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err := c.call(ctx, "GET", "/v1/status", nil, nil, &s)
			cancel()
			if err == nil && ok(s) {
				return
			}
		}
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("%s never happened; status %+v %v\n%s", what, s.Sum, s.Deliveries, log[max(0, len(log)-4000):])
	}
	d := start()
	t.Cleanup(func() { _ = d.Process.Kill() })
	await("the first item", func(s api.Status) bool { return s.Sum.Stored == 1 })
	// The collector's first listing is told in one summary; what follows comes one by one.
	time.Sleep(7 * time.Second)

	items := 0
	for range 12 {
		var changed, did strings.Builder
		at := time.Now().UTC().Format(time.RFC3339Nano)
		for range 5 {
			fmt.Fprintf(&changed, `{"accountId":"1","resourceType":"Test::Box::Box","resourceId":"b%d","configuration":{"size":1}}`+"\n", items)
			fmt.Fprintf(&did, `{"id":"e%[1]d","source":"test","time":%[2]q,"action":"box:CreateBox","outcome":"success","actor":{"id":"actor%[1]d"},"targets":[{"resourceType":"Test::Box::Box","resourceId":"b%[1]d"}],"accountId":"1"}`+"\n", items, at)
			items++
		}
		add("items/a.log", changed.String())
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		if rand.IntN(2) == 0 {
			// Now and then it has told of the finding before anybody knows who did it.
			await("the items of this round", func(s api.Status) bool { return s.Resources["Test::Box::Box"] >= int64(items) })
		}
		add("events/a.log", did.String())
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		if err := d.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = d.Wait()
		d = start()
	}
	await("that all is stored and told", func(s api.Status) bool {
		n := s.Deliveries
		return s.Sum.Stored >= int64(2*items+1) && n["notifier.file.patient"]["delivered"] >= int64(items) &&
			n["notifier.file.patient"]["pending"]+n["notifier.file.later"]["pending"] == 0
	})
	findings, err := list[verdict.Finding](t.Context(), c, "/v1/findings", url.Values{}, 10_000)
	if err != nil || len(findings) != items {
		t.Fatalf("%d findings, want %d (%v)", len(findings), items, err)
	}
	for _, f := range findings {
		var detail api.FindingDetail
		if err := c.call(t.Context(), "GET", "/v1/findings/"+f.ID, nil, nil, &detail); err != nil {
			t.Fatal(err)
		}
		want := "actor" + strings.TrimPrefix(f.Subject.ResourceID, "b")
		if len(detail.Causes) != 1 || detail.Causes[0].Actor == nil || detail.Causes[0].Actor.ID != want {
			t.Errorf("%s: causes %+v", f.Subject.ResourceID, detail.Causes)
		}
	}
	// A follow-up may be on its way still: it is made by the step of the router that a kill came before.
	var followed map[string][]sdk.Notification
	later := 0
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		followed = toldOf(t, filepath.Join(dir, "later.ndjson"))
		whole := 0
		for _, all := range followed {
			if cause := all[len(all)-1].Changes[0].Cause; cause != nil && cause.Actor != nil {
				whole++
			}
		}
		if whole == items || time.Now().After(deadline) {
			break
		}
	}
	patient := toldOf(t, filepath.Join(dir, "patient.ndjson"))
	for n := range items {
		id, actor := fmt.Sprint("b", n), fmt.Sprint("actor", n)
		if got := patient[id]; len(got) != 1 || got[0].Changes[0].Cause == nil || got[0].Changes[0].Cause.Actor == nil || got[0].Changes[0].Cause.Actor.ID != actor {
			t.Errorf("%s: the route that waits told %+v", id, got)
		}
		got := followed[id]
		if len(got) == 0 || got[0].Status != sdk.StatusFiring || got[0].Follows != "" {
			t.Errorf("%s: the route that follows up told %+v", id, got)
			continue
		}
		known := got[0].Changes[0].Cause.Actor != nil
		switch {
		case known && len(got) == 1 && got[0].Changes[0].Cause.Actor.ID == actor:
		case !known && len(got) == 2 && got[1].Status == sdk.StatusCause && got[1].Follows == got[0].ID && got[1].Changes[0].Cause.Actor.ID == actor:
			later++
		default:
			t.Errorf("%s: the route that follows up told %+v", id, got)
		}
	}
	t.Logf("%d findings, %d of them followed up", items, later)
	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}

// toldOf reads the notifications of a file by the resource that they are about. Each is about one.
func toldOf(t *testing.T, path string) map[string][]sdk.Notification {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]sdk.Notification{}
	r := bufio.NewScanner(f)
	r.Buffer(nil, 1<<24)
	for r.Scan() {
		var e struct {
			Type string           `json:"type"`
			Data sdk.Notification `json:"data"`
		}
		if err := json.Unmarshal(r.Bytes(), &e); err != nil {
			t.Fatalf("line of the notifier's file: %v", err)
		}
		if len(e.Data.Changes) != 1 || e.Type != "dev.regent.compliance."+e.Data.Status {
			t.Fatalf("%s tells %+v", e.Type, e.Data)
		}
		id := e.Data.Changes[0].Resource.ResourceID
		out[id] = append(out[id], e.Data)
	}
	return out
}
