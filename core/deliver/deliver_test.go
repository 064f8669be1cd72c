package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// receiver answers as it is told, by delivery.
type receiver struct {
	mu      sync.Mutex
	answers map[string][]pluginv1.NotifyResult_Outcome
	down    bool
	got     []string
}

func (r *receiver) Notify(_ context.Context, _ record.Instance, ns []*pluginv1.Notification) ([]*pluginv1.NotifyResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return nil, errors.New("the notifier is down")
	}
	id := ns[0].GetId()
	outcome := pluginv1.NotifyResult_OUTCOME_DELIVERED
	if a := r.answers[id]; len(a) > 0 {
		outcome, r.answers[id] = a[0], a[1:]
	}
	if outcome == pluginv1.NotifyResult_OUTCOME_DELIVERED {
		r.got = append(r.got, id)
	}
	return []*pluginv1.NotifyResult{{Outcome: outcome, RetryAfterMs: 30, Detail: outcome.String()}}, nil
}

func (r *receiver) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func start(t *testing.T, r *receiver) (*store.Store, *Deliverer) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{Store: s, Sender: r, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	return s, d
}

func add(t *testing.T, s *store.Store, d *Deliverer, group string, ids ...string) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, id := range ids {
			if _, err := tx.AddDelivery(store.Delivery{ID: id, Instance: "n", GroupKey: group, State: store.Pending, Created: time.Now(), Next: time.Now(), Document: []byte("{}")}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d.Wake()
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s never happened", what)
		}
	}
}

const (
	retry  = pluginv1.NotifyResult_OUTCOME_RETRY
	reject = pluginv1.NotifyResult_OUTCOME_REJECTED
)

// TestOrder makes the first delivery of a group fail twice: those behind it wait, another group does not.
func TestOrder(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: map[string][]pluginv1.NotifyResult_Outcome{"a1": {retry, retry}}}
	s, d := start(t, r)
	add(t, s, d, "a", "a1", "a2", "a3")
	add(t, s, d, "b", "b1")
	await(t, "that all are delivered", func() bool { return len(r.list()) == 4 })
	got := r.list()
	if slices.Index(got, "a1") > slices.Index(got, "a2") || slices.Index(got, "a2") > slices.Index(got, "a3") {
		t.Errorf("order %v", got)
	}
	if got[0] != "b1" {
		t.Errorf("order %v: group b waited for group a", got)
	}
}

func TestRejectedBecomesDeadAndMayBeRetried(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: map[string][]pluginv1.NotifyResult_Outcome{"x": {reject}}}
	s, d := start(t, r)
	add(t, s, d, "a", "x", "y")
	await(t, "that the second is delivered", func() bool { return slices.Contains(r.list(), "y") })
	state := func(id string) (st store.DeliveryState) {
		if err := s.View(t.Context(), func(tx *store.Tx) error {
			one, err := tx.Delivery(id)
			st = one.State
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return st
	}
	if got := state("x"); got != store.Dead {
		t.Fatalf("a rejected delivery is %s", got)
	}
	if err := d.Retry(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	await(t, "that the retried one is delivered", func() bool { return slices.Contains(r.list(), "x") })
	await(t, "that it is written", func() bool { return state("x") == store.Delivered })
	if err := d.Retry(t.Context(), "x"); err == nil {
		t.Error("a delivered delivery is retried")
	}
	if err := d.Retry(t.Context(), "nothing"); err == nil {
		t.Error("an unknown delivery is retried")
	}
}

func TestNotifierThatIsDownLosesNothing(t *testing.T) {
	t.Parallel()
	r := &receiver{down: true}
	s, d := start(t, r)
	var want []string
	for i := range 20 {
		id := fmt.Sprint(i)
		want = append(want, id)
		add(t, s, d, id, id)
	}
	time.Sleep(100 * time.Millisecond)
	r.mu.Lock()
	r.down = false
	r.mu.Unlock()
	await(t, "that all are delivered", func() bool { return len(r.list()) == 20 })
	got := r.list()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	d := New(Options{})
	if got := d.wait(1, 42*time.Second); got != 42*time.Second {
		t.Errorf("the receiver asked for 42s and gets %s", got)
	}
	for attempts := range 40 {
		if got := d.wait(attempts+1, 0); got <= 0 || got > maxWait+maxWait/10 {
			t.Errorf("attempt %d waits %s", attempts+1, got)
		}
	}
}
