package route

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

type bench struct {
	t     *testing.T
	store *store.Store
	r     *Router
	now   time.Time
}

func newBench(t *testing.T, routes ...Route) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := &bench{t: t, store: s, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.r = New(Options{Store: s, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now }, Source: "regent://test"})
	b.use(routes...)
	return b
}

func (b *bench) use(routes ...Route) {
	b.t.Helper()
	table, err := NewTable(routes)
	if err != nil {
		b.t.Fatal(err)
	}
	b.r.Use(table)
}

func change(key string, active bool) verdict.Change {
	c := verdict.Change{
		Class: verdict.ClassCompliance, Key: key, Policy: "compliance.a.b", Severity: verdict.High, Title: "T", Message: "m " + key,
		Resource: &verdict.Subject{ResourceType: "A::B::C", ResourceID: key}, New: "NON_COMPLIANT", Active: active,
	}
	if !active {
		c.Old, c.New = "NON_COMPLIANT", "COMPLIANT"
	}
	return c
}

// route commits changes, runs the router after a while, and returns the deliveries that it made, as
// "notifier status keys".
func (b *bench) route(after time.Duration, changes ...verdict.Change) []string {
	b.t.Helper()
	before := map[string]bool{}
	var out []string
	read := func() (ds []store.Delivery) {
		if err := b.store.View(b.t.Context(), func(tx *store.Tx) (err error) {
			ds, err = tx.Deliveries(store.DeliveryFilter{Limit: 1000})
			return err
		}); err != nil {
			b.t.Fatal(err)
		}
		return ds
	}
	for _, d := range read() {
		before[d.ID] = true
	}
	if err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		for _, c := range changes {
			if _, err := tx.AddChange(c); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	b.step()
	b.now = b.now.Add(after)
	b.step()
	for _, d := range read() {
		if before[d.ID] {
			continue
		}
		var n sdk.Notification
		if err := json.Unmarshal(d.Document, &n); err != nil {
			b.t.Fatal(err)
		}
		text := string(d.Instance) + " " + n.Status
		if n.Summary != nil {
			text += " summary"
		}
		for _, c := range n.Changes {
			text += " " + c.Key
		}
		out = append([]string{text}, out...)
	}
	return out
}

func (b *bench) step() {
	b.t.Helper()
	for {
		busy, _, err := b.r.step(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if !busy {
			return
		}
	}
}

func (b *bench) want(got []string, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Error(diff)
	}
}

var plain = Route{Name: "r", On: []verdict.Class{"compliance", "health"}, SendResolved: true, Notify: []record.Instance{"n1", "n2"}}

func TestEveryNotifierOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, plain)
	b.want(b.route(0, change("a", true)), "n1 firing a", "n2 firing a")
	b.want(b.route(time.Hour))
	b.want(b.route(0, change("a", false)), "n1 resolved a", "n2 resolved a")
	// A reload tells nothing again.
	b.use(plain)
	b.want(b.route(time.Hour))
}

func TestGrouping(t *testing.T) {
	t.Parallel()
	r := plain
	r.GroupBy, r.GroupWait, r.GroupInterval, r.Notify = []string{"policy"}, 10*time.Second, time.Minute, []record.Instance{"n"}
	b := newBench(t, r)
	b.want(b.route(5*time.Second, change("a", true), change("b", true)))
	b.want(b.route(6*time.Second), "n firing a b")
	b.want(b.route(30*time.Second, change("c", true)))
	b.want(b.route(31*time.Second), "n firing c")
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	r := plain
	r.Repeat, r.Notify = time.Hour, []record.Instance{"n"}
	b := newBench(t, r)
	b.want(b.route(0, change("a", true)), "n firing a")
	b.want(b.route(59 * time.Minute))
	b.want(b.route(2*time.Minute), "n firing a")
	b.want(b.route(0, change("a", false)), "n resolved a")
	b.want(b.route(3 * time.Hour))
}

func TestQuietChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, plain)
	quiet := func(key, why string) verdict.Change {
		c := change(key, true)
		c.Quiet = why
		return c
	}
	b.want(b.route(time.Hour, quiet("old", verdict.QuietOld), quiet("waived", verdict.QuietWaived)))
	b.want(b.route(10*time.Second, quiet("x", verdict.QuietFirst), quiet("y", verdict.QuietFirst)), "n1 firing summary x y", "n2 firing summary x y")
}

func TestOwnHealthIsNotToldToTheSick(t *testing.T) {
	t.Parallel()
	b := newBench(t, plain)
	c := verdict.Change{Class: verdict.ClassHealth, Key: "instance/n1", Title: "sick", New: "UNWELL", Active: true, Instance: "n1"}
	b.want(b.route(0, c), "n2 firing instance/n1")
}

func TestMatching(t *testing.T) {
	t.Parallel()
	c := change("a", true)
	c.Labels, c.Account = map[string]string{"team": "x"}, "1"
	for _, tc := range []struct {
		name string
		edit func(*Route)
		want bool
	}{
		{"anything", func(*Route) {}, true},
		{"class", func(r *Route) { r.On = []verdict.Class{"alarm"} }, false},
		{"severity", func(r *Route) { r.Severity = []string{"critical"} }, false},
		{"policy glob", func(r *Route) { r.Policy = []string{"compliance.*"} }, true},
		{"another policy", func(r *Route) { r.Policy = []string{"compliance.b.*"} }, false},
		{"resource type", func(r *Route) { r.ResourceType = []string{"A::*"} }, true},
		{"label", func(r *Route) { r.Labels = map[string]string{"team": "x"} }, true},
		{"another label", func(r *Route) { r.Labels = map[string]string{"team": "y"} }, false},
		{"account", func(r *Route) { r.Account = []string{"2"} }, false},
	} {
		r := plain
		tc.edit(&r)
		table, err := NewTable([]Route{r})
		if err != nil {
			t.Fatal(err)
		}
		if got := table.routes[0].matches(&c); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
