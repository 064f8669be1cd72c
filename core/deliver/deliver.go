package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

const (
	// DeadAfter is how old an undelivered delivery becomes.
	DeadAfter = 72 * time.Hour
	// parallel is how many deliveries of one notifier are under way at once.
	parallel = 8
	// timeout bounds one attempt.
	timeout = 60 * time.Second

	firstWait = time.Second
	maxWait   = 5 * time.Minute
)

// Sender hands notifications to a notifier's process. An error means that none of them reached it.
type Sender interface {
	Notify(ctx context.Context, inst record.Instance, ns []*pluginv1.Notification) ([]*pluginv1.NotifyResult, error)
}

// Options are what a deliverer needs.
type Options struct {
	Store    *store.Store
	Sender   Sender
	Log      *slog.Logger
	Now      func() time.Time
	Registry prometheus.Registerer
	// Dead is told of each new dead letter. It may block.
	Dead func(ctx context.Context, d store.Delivery)
}

// Deliverer sends what is due. Its methods are safe for concurrent use.
type Deliverer struct {
	o        Options
	kick     chan struct{}
	attempts *prometheus.CounterVec
	latency  prometheus.Histogram

	mu sync.Mutex
	// busy holds the numbers of the deliveries under way, and how many each instance has.
	busy   map[int64]bool
	counts map[record.Instance]int
}

// New returns a deliverer.
func New(o Options) *Deliverer {
	d := &Deliverer{
		o: o, kick: make(chan struct{}, 1), busy: map[int64]bool{}, counts: map[record.Instance]int{},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regent_deliver_attempts_total", Help: "Attempts by notifier and outcome.",
		}, []string{"instance", "outcome"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "regent_deliver_latency_seconds", Help: "Time from the making of a delivery to its being delivered.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 20),
		}),
	}
	if o.Registry != nil {
		o.Registry.MustRegister(d.attempts, d.latency)
	}
	return d
}

// Wake tells the deliverer that there is something to deliver. It does not block.
func (d *Deliverer) Wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends; attempts under way are finished first.
func (d *Deliverer) Run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	for {
		next, err := d.start(ctx, &under)
		if err != nil && ctx.Err() == nil {
			d.o.Log.Error("deliveries cannot be read; trying again", "err", err)
			next = d.o.Now().Add(time.Second)
		}
		wait := time.Minute
		if !next.IsZero() {
			wait = min(wait, max(50*time.Millisecond, next.Sub(d.o.Now())))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-d.kick:
			t.Stop()
		case <-t.C:
		}
	}
}

// start begins an attempt for everything that is due and not under way.
func (d *Deliverer) start(ctx context.Context, under *sync.WaitGroup) (next time.Time, err error) {
	now := d.o.Now()
	var due []store.Delivery
	// What is under way before the reading may end during it, and then stands in an old state in what is
	// read: it is left for the next round, which its end asks for.
	d.mu.Lock()
	before := maps.Clone(d.busy)
	d.mu.Unlock()
	err = d.o.Store.View(ctx, func(tx *store.Tx) error {
		instances, err := tx.PendingInstances()
		if err != nil {
			return err
		}
		for _, inst := range instances {
			d.mu.Lock()
			room := parallel - d.counts[inst]
			d.mu.Unlock()
			if room <= 0 {
				continue
			}
			// What is under way is among the first: ask for as much more.
			heads, err := tx.DeliveriesDue(inst, now, 2*parallel)
			if err != nil {
				return err
			}
			due = append(due, heads...)
		}
		next, _, err = tx.NextDelivery(now)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	for _, one := range due {
		d.mu.Lock()
		if before[one.Seq] || d.busy[one.Seq] || d.counts[one.Instance] >= parallel {
			d.mu.Unlock()
			continue
		}
		d.busy[one.Seq] = true
		d.counts[one.Instance]++
		d.mu.Unlock()
		under.Add(1)
		go func() {
			defer under.Done()
			d.attempt(ctx, one)
			d.mu.Lock()
			delete(d.busy, one.Seq)
			d.counts[one.Instance]--
			d.mu.Unlock()
			d.Wake()
		}()
	}
	// What is due already is under way, or waits for room: an end wakes the loop.
	return next, nil
}

// attempt makes one attempt and writes what came of it.
func (d *Deliverer) attempt(ctx context.Context, one store.Delivery) {
	call, cancel := context.WithTimeout(ctx, timeout)
	results, err := d.o.Sender.Notify(call, one.Instance, []*pluginv1.Notification{{Id: one.ID, Json: one.Document, Attempt: int32(one.Attempts + 1)}})
	cancel()
	if ctx.Err() != nil && err != nil {
		// Cut off by shutdown: the attempt is made again after the start.
		return
	}
	now := d.o.Now().UTC().Truncate(time.Microsecond)
	one.Attempts++
	one.Changed = now
	outcome := pluginv1.NotifyResult_OUTCOME_RETRY
	var after time.Duration
	switch {
	case err != nil:
		one.Answer = err.Error()
	case len(results) != 1:
		one.Answer = fmt.Sprintf("the notifier gave %d answers for one notification", len(results))
	default:
		outcome, one.Answer = results[0].GetOutcome(), results[0].GetDetail()
		after = time.Duration(results[0].GetRetryAfterMs()) * time.Millisecond
	}
	label := "retry"
	switch outcome {
	case pluginv1.NotifyResult_OUTCOME_DELIVERED:
		one.State, label = store.Delivered, "delivered"
		d.latency.Observe(now.Sub(one.Created).Seconds())
	case pluginv1.NotifyResult_OUTCOME_REJECTED:
		one.State, label = store.Dead, "rejected"
	default:
		one.Next = now.Add(d.wait(one.Attempts, after))
		if now.Sub(one.Created) > DeadAfter {
			one.State, label = store.Dead, "expired"
		}
	}
	d.attempts.WithLabelValues(string(one.Instance), label).Inc()
	if len(one.Answer) > 2000 {
		one.Answer = one.Answer[:2000]
	}
	d.write(ctx, one)
	if one.State == store.Dead {
		d.o.Log.Error("a notification is given up and kept as a dead letter", "instance", one.Instance, "delivery", one.ID, "attempts", one.Attempts, "err", one.Answer)
		if d.o.Dead != nil {
			d.o.Dead(ctx, one)
		}
	} else if one.State == store.Pending {
		d.o.Log.Warn("a notification was not delivered and is tried again", "instance", one.Instance, "delivery", one.ID, "attempts", one.Attempts, "next", one.Next, "err", one.Answer)
	}
}

// wait is how long to wait after an attempt: the receiver's wish, else full jitter below a doubling
// limit (Brooker, "Exponential Backoff and Jitter").
func (d *Deliverer) wait(attempts int, after time.Duration) time.Duration {
	if after > 0 {
		return min(after, time.Hour)
	}
	limit := maxWait
	if attempts < 10 {
		limit = min(maxWait, firstWait<<(attempts-1))
	}
	return limit/10 + rand.N(limit)
}

// write writes what an attempt changed, for as long as it takes: an attempt that is forgotten is made
// again.
func (d *Deliverer) write(ctx context.Context, one store.Delivery) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := d.o.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { return tx.PutDelivery(one) })
		if err == nil {
			return
		}
		d.o.Log.Error("the outcome of a delivery cannot be written; trying again", "delivery", one.ID, "err", err)
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// errNotRetryable says that there is nothing to retry.
var errNotRetryable = errors.New("delivery is delivered already")

// Retry makes a dead or waiting delivery due now. One that is past its three days gets one attempt.
func (d *Deliverer) Retry(ctx context.Context, id string) error {
	err := d.o.Store.Update(ctx, func(tx *store.Tx) error {
		one, err := tx.Delivery(id)
		if err != nil {
			return err
		}
		if one == nil {
			return fmt.Errorf("there is no delivery %s", id)
		}
		if one.State == store.Delivered {
			return errNotRetryable
		}
		one.State, one.Next = store.Pending, d.o.Now()
		return tx.PutDelivery(*one)
	})
	if err != nil {
		return fmt.Errorf("retry delivery: %w", err)
	}
	d.Wake()
	return nil
}
