package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

const rego = `# METADATA
# title: Listeners belong to trusted programs
# custom: {severity: high, resource_types: [Test::Net::Listener]}
package compliance.test.trusted

deny contains {"msg": $"{program.resourceId} is not trusted", "path": "/configuration/program"} if {
	program := data.resources["Test::Run::Program"][input.resource.configuration.program]
	not program.configuration.trusted
}
`

// bench is a pipeline over a real store.
type bench struct {
	t     *testing.T
	store *store.Store
	p     *Pipeline
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	types, err := intake.NewTypes(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: s}
	b.p = New(Options{
		Store: s, Intake: intake.New([]byte("k")), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Types: func(record.Instance) *intake.Types { return types }, Metrics: NewMetrics(nil),
	})
	set, problems := policy.Compile(t.Context(), []policy.File{{Path: "p.rego", Bytes: []byte(rego)}}, policy.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.p.Swap(t.Context(), &Generation{Number: 1, Policies: set}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	return b
}

// send sends a message and waits until it is durable.
func (b *bench) send(m record.Message) {
	b.t.Helper()
	done := make(chan struct{})
	m.Done = func() { close(done) }
	if err := b.p.Accept(b.t.Context(), "collector.test.t", m); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		b.t.Fatal("the message was never committed")
	}
}

func (b *bench) items(bodies ...string) {
	b.t.Helper()
	var m record.Message
	for _, body := range bodies {
		m.Records = append(m.Records, record.Raw{Kind: record.KindItem, JSON: []byte(body)})
	}
	b.send(m)
}

func (b *bench) outcome(typ, id string) verdict.Outcome {
	b.t.Helper()
	var out verdict.Outcome
	err := b.store.View(b.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Named(typ, id)
		if err != nil || len(all) == 0 {
			return err
		}
		vs, err := tx.Verdicts(all[0].Resource)
		if len(vs) > 0 {
			out = vs[0].Outcome
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) await(typ, id string, want verdict.Outcome) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := b.outcome(typ, id)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s is %q, want %q", id, got, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func listener(id, program string) string {
	return fmt.Sprintf(`{"accountId":"1","region":"r","resourceType":"Test::Net::Listener","resourceId":%q,"configuration":{"program":%q}}`, id, program)
}

func program(id string, trusted bool) string {
	return fmt.Sprintf(`{"accountId":"1","region":"r","resourceType":"Test::Run::Program","resourceId":%q,"configuration":{"trusted":%v}}`, id, trusted)
}

// TestDependentsAreJudgedAgain changes what a policy read, and what it looked for in vain.
func TestDependentsAreJudgedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.items(listener("l", "nginx"))
	b.await("Test::Net::Listener", "l", verdict.Compliant)
	b.items(program("nginx", false))
	b.await("Test::Net::Listener", "l", verdict.NonCompliant)
	b.items(program("nginx", true))
	b.await("Test::Net::Listener", "l", verdict.Compliant)
	// In one batch both are seen together.
	b.items(listener("m", "evil"), program("evil", false))
	b.await("Test::Net::Listener", "m", verdict.NonCompliant)
}

// TestSweeps deletes what a complete sweep does not see, holds one that would delete too much, and lets
// it take effect when it comes again.
func TestSweeps(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sweep := func(id string, complete bool, n int) {
		b.send(record.Message{SweepBegin: &record.SweepBegin{ID: id, Scope: "s", ResourceTypes: []string{"Test::Run::Program"}}})
		var all []string
		for i := range n {
			all = append(all, program(fmt.Sprint("p", i), true))
		}
		if n > 0 {
			b.items(all...)
		}
		b.send(record.Message{SweepEnd: &record.SweepEnd{ID: id, Complete: complete}})
	}
	count := func() int64 {
		var n int64
		if err := b.store.View(t.Context(), func(tx *store.Tx) error {
			all, err := tx.CountResources()
			n = all["Test::Run::Program"]
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		name     string
		complete bool
		n        int
		want     int64
	}{
		{"the first listing", true, 50, 50},
		{"a few are gone", true, 45, 45},
		{"a broken sweep deletes nothing", false, 3, 45},
		{"nearly all are gone: held", true, 5, 45},
		{"all are back", true, 45, 45},
		{"none: held", true, 0, 45},
		{"none again: it is true", true, 0, 0},
	} {
		sweep(step.name, step.complete, step.n)
		if got := count(); got != step.want {
			t.Errorf("%s: %d resources, want %d", step.name, got, step.want)
		}
	}
}

// TestPolicyChangesAreScanned removes a policy and puts it back.
func TestPolicyChangesAreScanned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.items(program("nginx", false), listener("l", "nginx"))
	b.await("Test::Net::Listener", "l", verdict.NonCompliant)
	empty, problems := policy.Compile(t.Context(), nil, policy.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	old := b.p.generation.Load()
	if err := b.p.Swap(t.Context(), &Generation{Number: 2, Policies: empty}); err != nil {
		t.Fatal(err)
	}
	b.await("Test::Net::Listener", "l", "")
	if err := b.store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Findings(store.FindingFilter{})
		if len(all) != 1 || all[0].Resolution != verdict.ResolvedPolicyRemoved {
			t.Errorf("findings %+v", all)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.p.Swap(t.Context(), &Generation{Number: 3, Policies: old.Policies}); err != nil {
		t.Fatal(err)
	}
	b.await("Test::Net::Listener", "l", verdict.NonCompliant)
}
