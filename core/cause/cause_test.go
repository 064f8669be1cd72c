package cause

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// journal looks events up in the store.
type journal struct{ s *store.Store }

func (j journal) Events(ctx context.Context, f store.EventFilter) (page []store.EventRow, next string, err error) {
	err = j.s.View(ctx, func(tx *store.Tx) (err error) { page, next, err = tx.Events(f); return err })
	return page, next, err
}

// bench is a linker over a real store, whose clock the test sets and whose steps it takes.
type bench struct {
	t     *testing.T
	dir   string
	store *store.Store
	l     *Linker
	now   time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), now: t0.Add(time.Minute)}
	b.open()
	t.Cleanup(func() { b.store.Close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	s, err := store.Open(b.t.Context(), store.Options{Dir: b.dir, Now: func() time.Time { return b.now }})
	if err != nil {
		b.t.Fatal(err)
	}
	b.store = s
	b.l = New(Options{Store: s, Events: journal{s}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now }, Own: []record.Instance{"regent.api.audit"}})
	if err := b.l.Open(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// reopen is what a restart does.
func (b *bench) reopen() {
	b.t.Helper()
	if err := b.store.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

func (b *bench) update(fn func(tx *store.Tx) error) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func canonical(t testing.TB, text string) []byte {
	t.Helper()
	b, err := record.Canonical([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func item(t testing.TB, id, config string, at time.Time) record.Item {
	t.Helper()
	it, err := record.ParseItem(canonical(t, fmt.Sprintf(
		`{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":%q,"resourceName":"name of %s","arn":"arn:test:%s","configurationItemCaptureTime":%q,"configurationItemStatus":"OK","configuration":%s}`,
		id, id, id, record.FormatTime(at), config)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// event makes an event; more are further members.
func event(t testing.TB, id, actor, action, target string, at time.Time, more ...string) record.Event {
	t.Helper()
	text := fmt.Sprintf(`{"id":%q,"source":"test","time":%q,"action":%q,"actor":{"id":%q},"targets":[%s],"accountId":"1"`, id, record.FormatTime(at), action, actor, target)
	if actor == "" {
		text = strings.Replace(text, `{"id":""}`, "{}", 1)
	}
	has := strings.Join(more, ",")
	if !strings.Contains(has, `"outcome"`) {
		text += `,"outcome":"success"`
	}
	if has != "" {
		text += "," + has
	}
	body := canonical(t, text+"}")
	ev, err := record.ParseEvent(body, record.Sum(body))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func box(id string) string {
	return fmt.Sprintf(`{"resourceType":"Test::Box::Box","resourceId":%q}`, id)
}

// put stores a version and returns the resource and the version.
func (b *bench) put(it record.Item) (resource, version int64) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		r, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.items", Received: b.now})
		resource, version = r.Resource, r.Version
		return err
	})
	return resource, version
}

// open opens a finding on a box that changed from size 1 to size 9 at t0, and returns the cause's id.
func (b *bench) finding(id string) int64 {
	b.t.Helper()
	b.put(item(b.t, id, `{"size":1,"lid":true}`, t0.Add(-time.Hour)))
	it := item(b.t, id, `{"size":9,"lid":false}`, t0)
	// Until a quarter of an hour before it was seen as it was.
	b.put(item(b.t, id, `{"size":1,"lid":true}`, t0.Add(-15*time.Minute)))
	var before *store.Current
	if err := b.store.View(b.t.Context(), func(tx *store.Tx) (err error) { before, err = tx.Current(it.Key); return err }); err != nil {
		b.t.Fatal(err)
	}
	resource, version := b.put(it)
	return b.replaced(resource, &it, before, verdict.Cause{
		Finding: "F" + id, Policy: "compliance.test.small", Subject: verdict.Subject(it.Key), Step: verdict.CauseOpened, Kind: verdict.CauseVersion,
		Outcome: verdict.NonCompliant, At: t0, Version: version, Paths: []string{"/configuration/size"},
	})
}

func (b *bench) changed(resource int64, it *record.Item, c verdict.Cause) int64 {
	b.t.Helper()
	return b.replaced(resource, it, nil, c)
}

func (b *bench) replaced(resource int64, it *record.Item, before *store.Current, c verdict.Cause) (id int64) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		f := verdict.Finding{ID: c.Finding, Policy: c.Policy, Subject: c.Subject, Status: verdict.Open, Outcome: c.Outcome, Severity: verdict.High, FirstSeen: t0, LastSeen: t0}
		if err := tx.PutFinding(resource, f); err != nil {
			return err
		}
		var err error
		id, err = b.l.Changed(tx, resource, it, before, c)
		return err
	})
	return id
}

// record commits events as the pipeline does.
func (b *bench) record(events ...record.Event) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		e := store.EncodeEvents(events)
		if _, err := tx.AppendBatch(store.BatchRow{Instance: "collector.test.events", Received: b.now, Read: len(events), Stored: len(events), Events: &e}); err != nil {
			return err
		}
		return b.l.Recorded(tx, "collector.test.events", events)
	})
}

// link takes steps until nothing is due, with a little time before.
func (b *bench) link() {
	b.t.Helper()
	b.now = b.now.Add(3 * time.Second)
	for n := 0; ; n++ {
		busy, _, err := b.l.step(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if !busy {
			return
		}
		if n > 1000 {
			b.t.Fatal("it never ends")
		}
	}
}

func (b *bench) cause(id int64) store.CauseRow {
	b.t.Helper()
	var c *store.CauseRow
	if err := b.store.View(b.t.Context(), func(tx *store.Tx) (err error) { c, err = tx.Cause(id); return err }); err != nil || c == nil {
		b.t.Fatal(c, err)
	}
	return *c
}

func (b *bench) history() []store.HistoryRow[verdict.Cause] {
	b.t.Helper()
	var all []store.HistoryRow[verdict.Cause]
	if err := b.store.View(b.t.Context(), func(tx *store.Tx) (err error) { all, err = tx.CausesAfter(0, 10_000); return err }); err != nil {
		b.t.Fatal(err)
	}
	return all
}

// who is a cause in a line: its revision, its actor, and the candidates.
func who(c verdict.Cause) string {
	actor := "-"
	if c.Actor != nil {
		actor = c.Actor.ID
	}
	text := fmt.Sprintf("%d %s", c.Revision, actor)
	for _, x := range c.Candidates {
		text += " " + x.ID
		if x.Excluded != "" {
			text += "!"
		}
	}
	return text
}

// TestArrival lets events come before the change, after it, hours later, twice, and out of order, with a
// restart in between.
func TestArrival(t *testing.T) {
	t.Parallel()
	put := func(t *testing.T, id string, before time.Duration) record.Event {
		return event(t, id, "eve", "box:PutSize", box("b"), t0.Add(-before))
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, b *bench) int64
		want string
		// text must stand in the cause's.
		text string
	}{
		{"before", func(t *testing.T, b *bench) int64 {
			b.record(put(t, "e", 10*time.Second))
			id := b.finding("b")
			b.link()
			return id
		}, "1 eve e", "changed by eve via box:PutSize at 2026-01-01T11:59:50Z"},
		{"after", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.link()
			b.record(put(t, "e", 10*time.Second))
			b.link()
			return id
		}, "2 eve e", "changed by eve"},
		{"before it was linked", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.record(put(t, "e", 10*time.Second))
			b.link()
			return id
		}, "1 eve e", "changed by eve"},
		{"hours later, after restarts", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.reopen()
			b.link()
			b.reopen()
			b.now = b.now.Add(23 * time.Hour)
			b.record(put(t, "e", 10*time.Second))
			b.reopen()
			b.link()
			return id
		}, "2 eve e", "changed by eve"},
		{"a day later", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.link()
			b.now = b.now.Add(24 * time.Hour)
			b.link()
			b.record(put(t, "e", 10*time.Second))
			b.link()
			return id
		}, "1 -", "actor unknown"},
		{"out of order: the nearer comes later", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.record(put(t, "far", 10*time.Minute))
			b.link()
			b.record(event(t, "near", "bob", "box:PutSize", box("b"), t0.Add(-time.Second)))
			b.link()
			return id
		}, "2 bob near far", "changed by bob"},
		{"the farther comes later", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.record(event(t, "near", "bob", "box:PutSize", box("b"), t0.Add(-time.Second)))
			b.link()
			b.record(put(t, "far", 10*time.Minute))
			b.link()
			return id
		}, "2 bob near far", "changed by bob"},
		{"another time", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.link()
			b.record(put(t, "long ago", 20*time.Hour), put(t, "later", -time.Hour))
			b.link()
			return id
		}, "1 -", "actor unknown: no collector saw an event on this resource between 2026-01-01T11:45:00Z and 2026-01-01T12:05:00Z; no collector here records events"},
		{"another resource", func(t *testing.T, b *bench) int64 {
			id := b.finding("b")
			b.link()
			b.record(event(t, "e", "eve", "box:PutSize", box("c"), t0))
			b.link()
			return id
		}, "1 -", "actor unknown"},
		{"no actor in it", func(t *testing.T, b *bench) int64 {
			b.record(event(t, "e", "", "box:PutSize", box("b"), t0))
			id := b.finding("b")
			b.link()
			return id
		}, "1 - e", "actor unknown: box:PutSize at 2026-01-01T12:00:00Z names none"},
		{"only looks and failures", func(t *testing.T, b *bench) int64 {
			b.record(event(t, "look", "eve", "box:DescribeBox", box("b"), t0), event(t, "said", "eve", "box:Whatever", box("b"), t0, `"detail":{"readOnly":true}`),
				event(t, "refused", "eve", "box:PutSize", box("b"), t0, `"outcome":"failure"`))
			id := b.finding("b")
			b.link()
			return id
		}, "1 - refused! look! said!", "actor unknown: what was seen on this resource between 2026-01-01T11:45:00Z and 2026-01-01T12:05:00Z only read or failed"},
		{"twenty looks around one change", func(t *testing.T, b *bench) int64 {
			var all []record.Event
			for i := range 20 {
				all = append(all, event(t, fmt.Sprint("look", i), "bob", "box:GetBox", box("b"), t0.Add(time.Duration(i-10)*time.Second)))
			}
			b.record(append(all, put(t, "e", time.Minute))...)
			id := b.finding("b")
			b.link()
			return id
		}, "1 eve e look10! look9! look8! look7!", "changed by eve"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			got := b.cause(c.run(t, b))
			if diff := cmp.Diff(c.want, who(got.Cause)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(got.Text, c.text) {
				t.Errorf("text %q, want %q", got.Text, c.text)
			}
			fields := []verdict.FieldChange{
				{Op: "replace", Path: "/configuration/size", Old: []byte("1"), Value: []byte("9")},
				{Op: "replace", Path: "/configuration/lid", Old: []byte("true"), Value: []byte("false")},
			}
			if diff := cmp.Diff(fields, got.Changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			// Each revision is in the history once, in order, and nothing else.
			for i, h := range b.history() {
				if h.Number != int64(i+1) || h.State.Revision != int64(i+1) || h.State.ID != got.ID {
					t.Errorf("history %d: number %d, revision %d", i, h.Number, h.State.Revision)
				}
			}
			if n := len(b.history()); n != int(got.Revision) {
				t.Errorf("%d revisions in the history, want %d", n, got.Revision)
			}
		})
	}
}

// TestNothingNew looks again for reasons that change nothing: no revision is written.
func TestNothingNew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e := event(t, "e", "eve", "box:PutSize", box("b"), t0)
	b.record(e)
	id := b.finding("b")
	b.link()
	for i := range 10 {
		// Six candidates that are all worse than five that are there already.
		b.record(event(t, fmt.Sprint("x", i), "bob", "box:GetBox", box("b"), t0.Add(-time.Duration(i)*time.Second)))
		b.link()
	}
	five := b.cause(id).Revision
	for i := range 10 {
		b.record(event(t, fmt.Sprint("y", i), "bob", "box:GetBox", box("b"), t0.Add(-14*time.Minute)))
		b.link()
	}
	if got := b.cause(id); got.Revision != five || got.Actor.ID != "eve" || got.Due.IsZero() {
		t.Errorf("%s, due %v", who(got.Cause), got.Due)
	}
	b.now = b.now.Add(25 * time.Hour)
	b.link()
	if got := b.cause(id); got.Revision != five || !got.Due.IsZero() {
		t.Errorf("settled: %s, due %v", who(got.Cause), got.Due)
	}
	if len(b.l.index.watches) != 0 || len(b.l.index.byKey) != 0 || len(b.l.index.more) != 0 {
		t.Errorf("the index holds %d, %d, %d", len(b.l.index.watches), len(b.l.index.byKey), len(b.l.index.more))
	}
}

// TestRolledBack holds that a transaction that fails leaves nothing waited for that a restart would not
// find, and that the one that takes its place is not taken for it.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	it := item(t, "b", `{"size":9}`, t0)
	resource, version := b.put(it)
	c := verdict.Cause{Finding: "F", Step: verdict.CauseOpened, Kind: verdict.CauseVersion, At: t0, Version: version, Subject: verdict.Subject(it.Key)}
	broken := fmt.Errorf("no")
	if err := b.store.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := b.l.Changed(tx, resource, &it, nil, c); err != nil {
			return err
		}
		return broken
	}); err == nil {
		t.Fatal("no error")
	}
	if len(b.l.index.watches) != 0 {
		t.Error("what was rolled back is waited for")
	}
	id := b.changed(resource, &it, c)
	b.link()
	b.reopen()
	b.record(event(t, "e", "eve", "box:Put", box("b"), t0))
	b.link()
	if got := who(b.cause(id).Cause); got != "2 eve e" {
		t.Error(got)
	}
}

// TestDependency links a finding with the change of another resource, and with who made that.
func TestDependency(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		b := newBench(t)
		mine := item(t, "mine", `{"a":1}`, t0.Add(-time.Hour))
		resource, version := b.put(mine)
		b.put(item(t, "other", `{"open":true}`, t0.Add(-time.Hour)))
		other := item(t, "other", `{"open":false}`, t0)
		otherResource, otherVersion := b.put(other)
		read := verdict.Read{ResourceType: "Test::Box::Box", ResourceID: "other", Found: true, Hash: other.Hash.String()}
		if whole {
			read.ResourceID, read.Hash = "", "x"
		}
		c := verdict.Cause{
			Finding: "F", Step: verdict.CauseOpened, Kind: verdict.CauseDependency, At: t0.Add(time.Second), Version: version, Subject: verdict.Subject(mine.Key),
			Reads: []verdict.Read{read},
		}
		id := b.changed(resource, &mine, c)
		if !whole {
			// It has changed again before the linker comes to look.
			b.put(item(t, "other", `{"open":false,"more":1}`, t0.Add(30*time.Second)))
		}
		b.link()
		// The other resource is waited for as well, after a restart too.
		b.reopen()
		b.record(event(t, "e", "roy", "box:CloseBox", `{"name":"arn:test:other"}`, t0.Add(-time.Minute)), event(t, "no", "bob", "box:Put", box("mine"), t0))
		b.link()
		got := b.cause(id)
		if got.Watched != otherResource || got.Other == nil || got.Other.Version != otherVersion || got.Other.Subject.ResourceID != "other" {
			t.Errorf("%v: watched %d, other %+v", whole, got.Watched, got.Other)
		}
		if len(got.Changes) != 1 || got.Changes[0].Path != "/configuration/open" || who(got.Cause) != "2 roy e" {
			t.Errorf("%v: %s, %+v", whole, who(got.Cause), got.Changes)
		}
		if want := "Test::Box::Box other changed, which the policy reads; changed by roy via box:CloseBox at 2026-01-01T11:59:00Z"; got.Text != want {
			t.Errorf("%v: %q", whole, got.Text)
		}
	}
}

// TestUnseen says of causes in which nobody has a part what they are, at once and for good.
func TestUnseen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	it := item(t, "b", `{}`, t0)
	resource, version := b.put(it)
	for _, c := range []struct {
		cause verdict.Cause
		want  string
	}{
		{verdict.Cause{Kind: verdict.CausePolicy, Rules: &verdict.RulesChange{PolicyAfter: "x"}}, "the policy is new to this resource; the resource did not change"},
		{verdict.Cause{Kind: verdict.CausePolicy, Rules: &verdict.RulesChange{PolicyBefore: "w", PolicyAfter: "x"}}, "the policy changed; the resource did not"},
		{verdict.Cause{Kind: verdict.CausePolicy, Rules: &verdict.RulesChange{PolicyBefore: "x", PolicyAfter: "x", ParametersAfter: "p"}}, "the policy's parameters changed; the resource did not"},
		{verdict.Cause{Kind: verdict.CausePolicy, Rules: &verdict.RulesChange{PolicyBefore: "x"}}, "the policy was removed or disabled; the resource did not change"},
		{verdict.Cause{Kind: verdict.CauseWaiver, Waiver: "w", Outcome: "WAIVED"}, `the waiver "w" covers it now`},
		{verdict.Cause{Kind: verdict.CauseWaiver, Waiver: "w", Outcome: "NON_COMPLIANT"}, `the waiver "w" covers it no more`},
		{verdict.Cause{Kind: verdict.CauseTime}, "the policy was run again, and neither the resource nor what else it reads had changed: it depends on the time"},
	} {
		c.cause.Finding, c.cause.At, c.cause.Version, c.cause.Step = "F", t0, version, verdict.CauseOpened
		got := b.cause(b.changed(resource, &it, c.cause))
		if got.Text != c.want || got.Revision != 1 || !got.Due.IsZero() {
			t.Errorf("%q, revision %d, due %v; want %q", got.Text, got.Revision, got.Due, c.want)
		}
	}
	if n := len(b.history()); n != 7 {
		t.Errorf("%d in the history", n)
	}
}

// TestGap says that a collector of events was in a gap when nobody was seen, and of others nothing.
func TestGap(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.record(event(t, "e", "eve", "box:Put", box("c"), t0))
	b.update(func(tx *store.Tx) error {
		for inst, g := range map[record.Instance]record.Gap{
			"collector.test.events": {From: t0.Add(-time.Minute), To: t0.Add(time.Minute), Reason: "asleep"},
			"collector.test.items":  {From: t0.Add(-time.Minute), Reason: "asleep"},
		} {
			if err := tx.AddGap(inst, g); err != nil {
				return err
			}
		}
		return tx.AddGap("collector.test.events", record.Gap{From: t0.Add(-5 * time.Hour), To: t0.Add(-4 * time.Hour)})
	})
	id := b.finding("b")
	b.link()
	want := "actor unknown: no collector saw an event on this resource between 2026-01-01T11:45:00Z and 2026-01-01T12:05:00Z; collector.test.events was in a gap from 2026-01-01T11:59:00Z to 2026-01-01T12:01:00Z"
	if got := b.cause(id).Text; got != want {
		t.Errorf("%q", got)
	}
}

// TestOf answers for a finding that has its causes, for one whose causes were let go of, and says which
// events belong to which version.
func TestOf(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.record(event(t, "e", "eve", "box:PutSize", box("b"), t0.Add(-time.Minute)), event(t, "look", "bob", "box:GetBox", box("b"), t0),
		event(t, "made", "amy", "box:CreateBox", `{"name":"name of b","resourceType":"Test::Box::Box"}`, t0.Add(-61*time.Minute)))
	b.finding("b")
	var f *store.ResourceFinding
	var versions []*store.Current
	read := func(of string) {
		t.Helper()
		if err := b.store.View(t.Context(), func(tx *store.Tx) (err error) {
			if f, err = tx.FindingByID(of); err == nil {
				versions, err = tx.Versions(f.Resource, 10, 0)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	read("Fb")
	// It was not linked yet, and says what it can.
	all, err := b.l.Of(t.Context(), f)
	if err != nil || len(all) != 1 || len(all[0].Changes) != 2 || all[0].Revision != 0 {
		t.Fatalf("%v %+v", err, all)
	}
	b.link()
	if all, err = b.l.Of(t.Context(), f); err != nil || len(all) != 1 || who(all[0]) != "1 eve e look!" {
		t.Fatalf("%v %+v", err, all)
	}
	f.ID, f.FlippedBy = "from before", versions[0].Version
	if all, err = b.l.Of(t.Context(), f); err != nil || len(all) != 1 || who(all[0]) != "0 eve e look!" || all[0].Step != verdict.CauseOpened {
		t.Fatalf("%v %+v", err, all)
	}
	related, err := b.l.Related(t.Context(), versions, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64][]string{versions[0].Version: {"e"}, versions[1].Version: {"made"}}
	if diff := cmp.Diff(want, related); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := slices.Sorted(func(yield func(string) bool) { yield(By(&all[0])) }); got[0] != "by eve via box:PutSize at 2026-01-01T11:59:00Z" {
		t.Errorf("%q", got)
	}
}

// TestTrim keeps the last causes of a finding that comes and goes all the time.
func TestTrim(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var resource int64
	for i := range keep + 30 {
		it := item(t, "b", fmt.Sprintf(`{"size":%d}`, i), t0.Add(time.Duration(i)*time.Second))
		var version int64
		resource, version = b.put(it)
		b.changed(resource, &it, verdict.Cause{Finding: "F", Step: verdict.CauseChanged, Kind: verdict.CauseVersion, At: it.CaptureTime, Version: version, Subject: verdict.Subject(it.Key)})
	}
	b.link()
	b.now = b.now.Add(25 * time.Hour)
	b.link()
	var left []store.CauseRow
	if err := b.store.View(t.Context(), func(tx *store.Tx) (err error) { left, err = tx.CausesOf(resource, "F", 1000); return err }); err != nil {
		t.Fatal(err)
	}
	if len(left) != keep || left[0].ID != keep+30 {
		t.Errorf("%d causes are left, the last %d", len(left), left[0].ID)
	}
	if n := len(b.history()); n != keep+30 {
		t.Errorf("%d in the history", n)
	}
}

// busy commits something whenever events are looked up.
type busy struct {
	journal
	meanwhile func()
}

func (b *busy) Events(ctx context.Context, f store.EventFilter) ([]store.EventRow, string, error) {
	page, next, err := b.journal.Events(ctx, f)
	if m := b.meanwhile; m != nil {
		b.meanwhile = nil
		m()
	}
	return page, next, err
}

// TestMeanwhile commits the event after it was looked for and before that is written down, with the cause
// due for the first time, by another event, and of another resource.
func TestMeanwhile(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"new", "marked", "dependency"} {
		b := newBench(t)
		late := func() { b.record(event(t, "e", "eve", "box:PutSize", box("b"), t0.Add(-time.Second))) }
		events := &busy{journal: journal{b.store}}
		b.l.o.Events = events
		var id int64
		switch c {
		case "new":
			id = b.finding("b")
			events.meanwhile = late
		case "marked":
			id = b.finding("b")
			b.link()
			b.record(event(t, "look", "bob", "box:GetBox", box("b"), t0))
			events.meanwhile = late
		case "dependency":
			b.put(item(t, "b", `{"open":true}`, t0.Add(-time.Hour)))
			b.put(item(t, "b", `{"open":false}`, t0))
			mine := item(t, "mine", `{}`, t0)
			resource, version := b.put(mine)
			id = b.changed(resource, &mine, verdict.Cause{
				Finding: "F", Step: verdict.CauseOpened, Kind: verdict.CauseDependency, At: t0, Version: version, Subject: verdict.Subject(mine.Key),
				Reads: []verdict.Read{{ResourceType: "Test::Box::Box", ResourceID: "b", Found: true}},
			})
			events.meanwhile = late
		}
		b.link()
		if events.meanwhile != nil {
			t.Fatalf("%s: nothing was looked up", c)
		}
		b.link()
		if got := b.cause(id); got.Actor == nil || got.Actor.ID != "eve" {
			t.Errorf("%s: %s", c, who(got.Cause))
		}
	}
}
