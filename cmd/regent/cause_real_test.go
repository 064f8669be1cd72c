package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/verdict"
)

// flip is a change of a namespace that took it out of compliance or back.
type flip struct {
	At    time.Time
	Step  verdict.CauseStep
	Actor string
}

// TestRealCauses records the real changes of Kubernetes namespaces over five years, where they lie beside the
// repository, first what became of them and then who did it. Every finding names the changes and the actors
// that a replay of the file finds.
func TestRealCauses(t *testing.T) {
	t.Parallel()
	f, err := os.Open(realData(t, "kubernetes", "k8s_object_changes.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var items, events bytes.Buffer
	want := map[string][]flip{}
	n := 0
	r := bufio.NewScanner(z)
	r.Buffer(nil, 1<<24)
	for r.Scan() {
		var c struct {
			Time                  int64
			Commit, Actor, Change string
			Objects               []json.RawMessage
		}
		if err := json.Unmarshal(r.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		for _, raw := range c.Objects {
			var o struct {
				Kind     string
				Metadata struct {
					Name        string
					Annotations map[string]string
				}
			}
			if err := json.Unmarshal(raw, &o); err != nil || o.Kind != "Namespace" {
				continue
			}
			n++
			at := time.Unix(c.Time, 0).UTC()
			id, status := o.Metadata.Name, "OK"
			bad := true
			for k, v := range o.Metadata.Annotations {
				bad = bad && !(strings.HasSuffix(k, "/owner") && strings.Contains(v, "@"))
			}
			if c.Change == "D" {
				bad, status = false, "ResourceDeleted"
			}
			fmt.Fprintf(&items, `{"accountId":"k","region":"live","resourceType":"Kubernetes::Core::Namespace","resourceId":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":%q,"configuration":%s}`+"\n",
				id, at.Format(time.RFC3339), status, raw)
			fmt.Fprintf(&events, `{"id":"%s-%d","source":"k8s","time":%q,"action":"k8s:%s","outcome":"success","actor":{"id":%q},"targets":[{"resourceType":"Kubernetes::Core::Namespace","resourceId":%q}],"accountId":"k"}`+"\n",
				c.Commit, n, at.Format(time.RFC3339), map[string]string{"A": "create", "M": "patch", "D": "delete"}[c.Change], c.Actor, id)
			all := want[id]
			open := len(all) > 0 && all[len(all)-1].Step == verdict.CauseOpened
			if bad != open {
				step := verdict.CauseOpened
				if open {
					step = verdict.CauseResolved
				}
				want[id] = append(all, flip{at, step, c.Actor})
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "rc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range map[string]string{
		"items/all.json": items.String(), "events/none.json": "",
		"p/owner.rego": `# METADATA
# title: Namespaces say whom to write to
# custom: {severity: medium, resource_types: [Kubernetes::Core::Namespace]}
package compliance.k8s.owner

deny contains {"msg": "no owner with an address", "path": "/configuration/metadata/annotations"} if {
	count([v | some k, v in input.resource.configuration.metadata.annotations; endswith(k, "/owner"); contains(v, "@")]) == 0
}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	collector := `
collector "files" "%[1]s" {
  config {
    paths  = ["%[2]s/%[1]s"]
    format = "regent"
    poll   = "200ms"
  }
}
`
	d := runDaemon(t, dir, fmt.Sprintf("policies {\n  path = %q\n}\n", dir+"/p")+fmt.Sprintf(collector, "items", dir)+fmt.Sprintf(collector, "events", dir))
	d.until("all items", time.Minute, func(s api.Status) bool { return s.Sum.Read == int64(n) })
	if err := os.WriteFile(filepath.Join(dir, "events", "all.json"), events.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	d.until("all events", time.Minute, func(s api.Status) bool { return s.Sum.Read == int64(2*n) })
	// got has what the findings say, and whether all of it is known.
	got := func() (map[string][]flip, bool) {
		findings, err := list[verdict.Finding](t.Context(), d.client, "/v1/findings", url.Values{}, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		out, whole := map[string][]flip{}, true
		for _, f := range findings {
			var detail api.FindingDetail
			if err := d.client.call(t.Context(), "GET", "/v1/findings/"+f.ID, nil, nil, &detail); err != nil {
				t.Fatal(err)
			}
			for _, c := range slices.Backward(detail.Causes) {
				if c.Step == verdict.CauseChanged {
					continue
				}
				x := flip{At: c.At, Step: c.Step}
				if c.Actor != nil {
					x.Actor = c.Actor.ID
				}
				whole = whole && c.Actor != nil
				out[f.Subject.ResourceID] = append(out[f.Subject.ResourceID], x)
			}
		}
		return out, whole
	}
	var have map[string][]flip
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		var whole bool
		if have, whole = got(); whole {
			break
		}
	}
	if diff := cmp.Diff(want, have); diff != "" || len(want) < 100 {
		t.Errorf("%d namespaces (-replay +findings):\n%s", len(want), diff)
	}
	d.stop()
}
