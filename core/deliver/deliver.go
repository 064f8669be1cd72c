package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
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
	// readAhead is how many more are read at once, so that not every end costs a look into the store.
	readAhead = 64
	// timeout bounds one attempt.
	timeout = 60 * time.Second

	// maxAnswer is how many bytes are kept of what a receiver answered.
	maxAnswer = 2000

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
	o    Options
	kick chan struct{}
	// look says that something else may be due in the store.
	look     atomic.Bool
	attempts *prometheus.CounterVec
	latency  prometheus.Histogram

	// outcomes go to the one that writes them.
	outcomes chan outcome

	mu sync.Mutex
	// busy holds the deliveries that are under way or whose outcome is not durable yet, by number.
	busy map[int64]record.Instance
	// attempting counts the attempts under way.
	attempting map[record.Instance]int
}

// outcome is what an attempt changed, to be written.
type outcome struct {
	delivery store.Delivery
	// written is closed once it is durable, or given up at shutdown.
	written chan struct{}
}

// New returns a deliverer.
func New(o Options) *Deliverer {
	d := &Deliverer{
		o: o, kick: make(chan struct{}, 1), outcomes: make(chan outcome),
		busy: map[int64]record.Instance{}, attempting: map[record.Instance]int{},
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
	d.look.Store(true)
	d.nudge()
}

// nudge makes the loop go round.
func (d *Deliverer) nudge() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends; attempts under way are finished first.
func (d *Deliverer) Run(ctx context.Context) error {
	var attempts, writer sync.WaitGroup
	writer.Go(func() { d.write(ctx) })
	defer func() {
		attempts.Wait()
		close(d.outcomes)
		writer.Wait()
	}()
	q := queue{due: map[record.Instance][]store.Delivery{}}
	d.look.Store(true)
	for {
		if d.look.Swap(false) {
			if err := d.fill(ctx, &q); err != nil && ctx.Err() == nil {
				d.o.Log.Error("deliveries cannot be read; trying again", "err", err)
				q.next = d.o.Now().Add(time.Second)
			}
		}
		d.start(ctx, &q, &attempts)
		wait := time.Minute
		if !q.next.IsZero() {
			wait = min(wait, max(50*time.Millisecond, q.next.Sub(d.o.Now())))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-d.kick:
			t.Stop()
		case <-t.C:
			d.look.Store(true)
		}
	}
}

// queue holds what was read and is not under way yet. Each has the turn of its group, and nobody but
// this package takes it from it.
type queue struct {
	due map[record.Instance][]store.Delivery
	// next is when something else is due.
	next time.Time
}

// fill reads what is due for the notifiers whose queue is empty.
func (d *Deliverer) fill(ctx context.Context, q *queue) error {
	now := d.o.Now()
	// What is under way before the reading may end during it, and then stands in an old state in what is
	// read: it is left out, and its end asks for another round.
	d.mu.Lock()
	under := maps.Clone(d.busy)
	d.mu.Unlock()
	count := map[record.Instance]int{}
	for _, inst := range under {
		count[inst]++
	}
	return d.o.Store.View(ctx, func(tx *store.Tx) error {
		instances, err := tx.PendingInstances()
		if err != nil {
			return err
		}
		for _, inst := range instances {
			if len(q.due[inst]) > 0 || count[inst] >= parallel+readAhead {
				continue
			}
			// What is under way is among the first: ask for as many more.
			heads, err := tx.DeliveriesDue(inst, now, count[inst]+readAhead)
			if err != nil {
				return err
			}
			for _, one := range heads {
				if _, is := under[one.Seq]; !is {
					q.due[inst] = append(q.due[inst], one)
				}
			}
		}
		q.next, _, err = tx.NextDelivery(now)
		return err
	})
}

// start begins an attempt for each that is queued, as far as there is room.
func (d *Deliverer) start(ctx context.Context, q *queue, attempts *sync.WaitGroup) {
	for inst, due := range q.due {
		d.mu.Lock()
		n := min(len(due), parallel-d.attempting[inst])
		for _, one := range due[:n] {
			d.busy[one.Seq] = inst
			d.attempting[inst]++
			attempts.Go(func() { d.deliver(ctx, one) })
		}
		d.mu.Unlock()
		if q.due[inst] = due[n:]; n == len(due) {
			delete(q.due, inst)
		}
	}
}

// deliver makes one attempt and has its outcome written. Another may begin as soon as the receiver has
// answered: what is not durable yet keeps only its own group waiting.
func (d *Deliverer) deliver(ctx context.Context, one store.Delivery) {
	answered := d.attempt(ctx, &one)
	d.mu.Lock()
	d.attempting[one.Instance]--
	d.mu.Unlock()
	d.nudge()
	if answered {
		o := outcome{one, make(chan struct{})}
		d.outcomes <- o
		<-o.written
	}
	d.mu.Lock()
	delete(d.busy, one.Seq)
	d.mu.Unlock()
	d.Wake()
	if !answered {
		return
	}
	if one.State == store.Dead {
		d.o.Log.Error("a notification is given up and kept as a dead letter", "instance", one.Instance, "delivery", one.ID, "attempts", one.Attempts, "err", one.Answer)
		if d.o.Dead != nil {
			d.o.Dead(ctx, one)
		}
	} else if one.State == store.Pending {
		d.o.Log.Warn("a notification was not delivered and is tried again", "instance", one.Instance, "delivery", one.ID, "attempts", one.Attempts, "next", one.Next, "err", one.Answer)
	}
}

// attempt makes one attempt and notes what came of it. It returns false where shutdown cut it off: it is
// made again after the start.
func (d *Deliverer) attempt(ctx context.Context, one *store.Delivery) bool {
	call, cancel := context.WithTimeout(ctx, timeout)
	results, err := d.o.Sender.Notify(call, one.Instance, []*pluginv1.Notification{{Id: one.ID, Json: one.Document, Attempt: int32(one.Attempts + 1)}})
	cancel()
	if ctx.Err() != nil && err != nil {
		return false
	}
	now := d.o.Now().UTC().Truncate(time.Microsecond)
	one.Attempts++
	one.Changed = now
	result := pluginv1.NotifyResult_OUTCOME_RETRY
	var after time.Duration
	switch {
	case err != nil:
		one.Answer = err.Error()
	case len(results) != 1:
		one.Answer = fmt.Sprintf("the notifier gave %d answers for one notification", len(results))
	default:
		result, one.Answer = results[0].GetOutcome(), results[0].GetDetail()
		after = time.Duration(results[0].GetRetryAfterMs()) * time.Millisecond
	}
	label := "retry"
	switch result {
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
	if len(one.Answer) > maxAnswer {
		one.Answer = strings.ToValidUTF8(one.Answer[:maxAnswer], "")
	}
	return true
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

// maxTogether and gatherFor bound which outcomes share a transaction. Only the next one of the same group
// waits for an outcome to be durable, so a little patience costs nearly nothing and spares the disk much.
const (
	maxTogether = 256
	gatherFor   = 5 * time.Millisecond
)

// write writes outcomes until there will be no more, several in one transaction. It tries for as long as
// it takes: an attempt that is forgotten is made again.
func (d *Deliverer) write(ctx context.Context) {
	for first := range d.outcomes {
		group := []outcome{first}
		patience := time.NewTimer(gatherFor)
	gather:
		for len(group) < maxTogether {
			select {
			case o, ok := <-d.outcomes:
				if !ok {
					break gather
				}
				group = append(group, o)
			case <-patience.C:
				break gather
			}
		}
		patience.Stop()
		d.writeGroup(ctx, group)
		for _, o := range group {
			close(o.written)
		}
	}
}

func (d *Deliverer) writeGroup(ctx context.Context, group []outcome) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := d.o.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			for i := range group {
				if err := tx.PutDelivery(group[i].delivery); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			return
		}
		d.o.Log.Error("the outcomes of deliveries cannot be written; trying again", "deliveries", len(group), "err", err)
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
