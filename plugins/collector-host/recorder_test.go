package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/regent-dev/regent/sdk"
)

// recorder is an sdk.Emitter that keeps what is emitted, as the daemon would read it, and checks every
// record against the plugin's own declarations.
type recorder struct {
	t       testing.TB
	items   map[string]*jsonschema.Schema
	details *jsonschema.Schema

	mu          sync.Mutex
	changed     chan struct{}
	got         []item
	events      []event
	sweeps      map[string]bool
	problems    []sdk.Problem
	gaps        []string
	checkpoints int
	cursor      []byte
	// block, where it is not nil, holds up items and events until it is closed.
	block chan struct{}
}

// item and event are what a policy sees of records.
type item struct {
	AccountID     string             `json:"accountId"`
	Region        string             `json:"region"`
	Type          string             `json:"resourceType"`
	ID            string             `json:"resourceId"`
	Name          string             `json:"resourceName"`
	Captured      time.Time          `json:"configurationItemCaptureTime"`
	Status        string             `json:"configurationItemStatus"`
	Configuration map[string]any     `json:"configuration"`
	Relationships []sdk.Relationship `json:"relationships"`

	raw []byte
}

type event struct {
	ID      string       `json:"id"`
	Time    time.Time    `json:"time"`
	Source  string       `json:"source"`
	Action  string       `json:"action"`
	Outcome string       `json:"outcome"`
	Targets []sdk.Target `json:"targets"`
	Detail  struct {
		Path       string         `json:"path"`
		From       string         `json:"from"`
		Changes    []string       `json:"changes"`
		Before     map[string]any `json:"before"`
		After      map[string]any `json:"after"`
		DetectedBy string         `json:"detectedBy"`
		Transient  bool           `json:"transient"`
	} `json:"detail"`
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	r := &recorder{t: t, items: map[string]*jsonschema.Schema{}, sweeps: map[string]bool{}, changed: make(chan struct{}, 1)}
	for _, rt := range info().ResourceTypes {
		r.items[rt.Type] = compileSchema(t, rt.Type, rt.Schema)
	}
	r.details = compileSchema(t, eventSource, info().EventSources[0].Schema)
	return r
}

func compileSchema(t testing.TB, name string, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///"+name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///" + name)
	if err != nil {
		t.Fatalf("schema of %s: %v", name, err)
	}
	return s
}

func (r *recorder) check(s *jsonschema.Schema, what string, b []byte) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		r.t.Errorf("%s is no JSON: %v", what, err)
		return
	}
	if err := s.Validate(doc); err != nil {
		r.t.Errorf("%s breaks its schema: %v\n%s", what, err, b)
	}
}

func (r *recorder) wait() {
	r.mu.Lock()
	block := r.block
	r.mu.Unlock()
	if block != nil {
		<-block
	}
}

func (r *recorder) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *recorder) Cursor() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor
}

func (r *recorder) Item(_ context.Context, it sdk.Item) error {
	r.wait()
	b, err := json.Marshal(it)
	if err != nil {
		r.t.Errorf("item %s %s: %v", it.ResourceType, it.ResourceID, err)
		return nil
	}
	var got item
	if err := json.Unmarshal(b, &got); err != nil {
		r.t.Errorf("item: %v", err)
	}
	got.raw = b
	if s := r.items[got.Type]; s == nil {
		r.t.Errorf("type %s is not declared", got.Type)
	} else {
		r.check(s, got.Type+" "+got.ID, b)
	}
	if got.AccountID == "" || got.Region == "" || got.ID == "" || got.Captured.IsZero() {
		r.t.Errorf("incomplete item %s", b)
	}
	for _, rel := range got.Relationships {
		if rel.ResourceID == "" || rel.Name == "" || r.items[rel.ResourceType] == nil {
			r.t.Errorf("%s %s has a relationship that leads nowhere: %+v", got.Type, got.ID, rel)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, got)
	r.signal()
	return nil
}

func (r *recorder) Event(_ context.Context, ev sdk.Event) error {
	r.wait()
	b, err := json.Marshal(ev)
	if err != nil {
		r.t.Errorf("event: %v", err)
		return nil
	}
	var got event
	if err := json.Unmarshal(b, &got); err != nil {
		r.t.Errorf("event: %v", err)
	}
	detail, err := json.Marshal(ev.Detail)
	if err != nil {
		r.t.Errorf("event: %v", err)
	}
	r.check(r.details, "event "+got.Action, detail)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, got)
	r.signal()
	return nil
}

func (r *recorder) ItemJSON(context.Context, []byte) error  { panic("not used") }
func (r *recorder) EventJSON(context.Context, []byte) error { panic("not used") }
func (r *recorder) Damaged(context.Context, sdk.Kind, []byte, string, string) error {
	panic("not used")
}

func (r *recorder) Checkpoint(_ context.Context, cursor []byte) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkpoints++
	r.cursor = cursor
	r.signal()
	return uint64(r.checkpoints), nil
}

func (r *recorder) SweepBegin(_ context.Context, scope string, types ...string) (sdk.Sweep, error) {
	if len(types) != 1 || types[0] != scope {
		r.t.Errorf("sweep of %s covers %v", scope, types)
	}
	return &recordedSweep{r, scope}, nil
}

type recordedSweep struct {
	r     *recorder
	scope string
}

func (s *recordedSweep) End(_ context.Context, complete bool) error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.sweeps[s.scope] = complete
	return nil
}

func (r *recorder) Gap(_ context.Context, from, to time.Time, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !from.Before(to) {
		r.t.Errorf("gap from %v to %v", from, to)
	}
	r.gaps = append(r.gaps, reason)
	r.signal()
	return nil
}

func (r *recorder) Problem(_ context.Context, p sdk.Problem) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(strings.Fields(p.Summary)); n > 8 || strings.HasSuffix(p.Summary, ".") {
		r.t.Errorf("summary %q has %d words or a period", p.Summary, n)
	}
	r.problems = append(r.problems, p)
	r.signal()
	return nil
}

func (r *recorder) Flush(context.Context) error { return nil }

// until waits for a condition on what was recorded, which it calls with the lock held.
func (r *recorder) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("waited in vain for %s; %d items, events %s, problems %v, gaps %v", what, len(r.got), r.actions(), r.problems, r.gaps)
		}
	}
}

// actions lists the events so far.
func (r *recorder) actions() string {
	var out []string
	for _, e := range r.events {
		out = append(out, e.Action+" "+e.Detail.Path)
	}
	return strings.Join(out, ", ")
}

func (r *recorder) ofType(typ string) []item {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []item
	for _, it := range r.got {
		if it.Type == typ {
			out = append(out, it)
		}
	}
	return out
}

// one returns the last item of a resource.
func (r *recorder) one(typ, id string) item {
	r.t.Helper()
	var ids []string
	all := r.ofType(typ)
	for _, it := range slices.Backward(all) {
		if it.ID == id {
			return it
		}
		ids = append(ids, it.ID)
	}
	r.t.Fatalf("there is no %s %q among %q", typ, id, ids)
	return item{}
}

// opened opens an instance with a configuration that is completed as the daemon would.
func opened(t testing.TB, change func(*config)) *collector {
	t.Helper()
	cfg := config{Root: "/", MaxFileSize: 64 << 20, MaxFiles: 20000, Poll: 10 * time.Second, MachineID: "m"}
	if change != nil {
		change(&cfg)
	}
	env := sdk.Env{Instance: "collector.host.test", Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)), StateDir: t.TempDir(), Every: time.Hour}
	c, err := open(context.Background(), cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*collector)
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// collect runs an instance until the test ends, and waits for its first pass.
func collect(t *testing.T, c *collector) *recorder {
	t.Helper()
	r := newRecorder(t)
	collectInto(t, c, r)
	return r
}

func collectInto(t *testing.T, c *collector, r *recorder) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Collect(ctx, r) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Collect: %v", err)
		}
	})
	r.until("the first pass", func() bool { return r.checkpoints > 0 })
}

// at reads a member of a configuration by a path such as "password.state" or "commands.0.command".
func (it item) at(path string) any {
	var v any = it.Configuration
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i := 0
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// related reports whether an item has a relationship.
func (it item) related(typ, id, name string) bool {
	return slices.Contains(it.Relationships, sdk.Relationship{ResourceType: typ, ResourceID: id, Name: name})
}
