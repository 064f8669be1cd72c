package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// Notifier is a notifier under test, with the test in the daemon's place.
type Notifier struct{ *instance }

// NewNotifier returns a harness of what sdk.ServeNotifier would serve.
func NewNotifier[C any](t testing.TB, info sdk.Info, open func(ctx context.Context, cfg C, env sdk.Env) (sdk.Notifier, error)) *Notifier {
	serve := server(func() *wire.Server { return sdk.NotifierServer(info, open) })
	return &Notifier{newInstance(t, serve, "notifier."+info.Name+".test")}
}

// Deliver delivers one notification and returns what came of it: Delivered, Rejected, or Retry with the
// delay that the receiver asks for, which the protocol carries in milliseconds. Where the notification
// has no JSON it is written from the fields; an Attempt of 0 is the first.
func (n *Notifier) Deliver(no sdk.Notification) sdk.Result {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.ctx, time.Minute)
	defer cancel()
	results, err := n.DeliverAll(ctx, no)
	if err != nil {
		n.t.Fatalf("notify: %v", err)
	}
	return results[0]
}

// DeliverAll delivers notifications in one call, as the daemon does with those that wait for the same
// notifier, and returns as many results in the same order. It fails where the call does: when ctx ends,
// or when the notifier panics. It may be called concurrently.
func (n *Notifier) DeliverAll(ctx context.Context, ns ...sdk.Notification) ([]sdk.Result, error) {
	n.t.Helper()
	n.ready()
	req := &pluginv1.NotifyRequest{}
	for _, no := range ns {
		doc := no.JSON
		if doc == nil {
			var err error
			if doc, err = json.Marshal(no); err != nil {
				return nil, fmt.Errorf("write notification %s: %w", no.ID, err)
			}
		}
		req.Notifications = append(req.Notifications, &pluginv1.Notification{Id: no.ID, Json: doc, Attempt: int32(max(no.Attempt, 1))})
	}
	r, err := n.session.notifier().Notify(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(r.GetResults()) != len(ns) {
		return nil, fmt.Errorf("%d answers for %d notifications", len(r.GetResults()), len(ns))
	}
	var out []sdk.Result
	for _, x := range r.GetResults() {
		res := sdk.Result{RetryAfter: time.Duration(x.GetRetryAfterMs()) * time.Millisecond, Detail: x.GetDetail()}
		switch x.GetOutcome() {
		case pluginv1.NotifyResult_OUTCOME_DELIVERED:
			res.Outcome = sdk.OutcomeDelivered
		case pluginv1.NotifyResult_OUTCOME_RETRY:
			res.Outcome = sdk.OutcomeRetry
		case pluginv1.NotifyResult_OUTCOME_REJECTED:
			res.Outcome = sdk.OutcomeRejected
		default:
			return nil, fmt.Errorf("the outcome %s is none", x.GetOutcome())
		}
		out = append(out, res)
	}
	return out, nil
}
