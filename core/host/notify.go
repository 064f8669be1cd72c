package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// ErrDown is wrapped by the errors of Notify and Query for an instance that does not run at the moment. It will
// be tried again by the host; the caller tries again too.
var ErrDown = errors.New("the plugin is down")

// ErrUnknown is wrapped by the errors of Notify for an instance that is not declared.
var ErrUnknown = errors.New("no such instance")

// maxNotifyBytes is how much one call carries; the rest of a message is room for its frame.
const maxNotifyBytes = wire.MaxMessage - 64<<10

// Notify hands notifications to a notifier and returns its answers, one for each and in their order.
// An error means that none was answered; the caller tries all again. Where a part was answered, the
// others are told to be tried again. Besides ctx the host's own deadline holds for each call.
func (h *Host) Notify(ctx context.Context, inst record.Instance, ns []*pluginv1.Notification) ([]*pluginv1.NotifyResult, error) {
	h.mu.Lock()
	in := h.instances[inst]
	h.mu.Unlock()
	if in == nil {
		return nil, fmt.Errorf("notify %s: %w", inst, ErrUnknown)
	}
	results := make([]*pluginv1.NotifyResult, 0, len(ns))
	for len(results) < len(ns) {
		rest := ns[len(results):]
		n, size := 0, 0
		for n < len(rest) {
			size += proto.Size(rest[n]) + 16
			if size > maxNotifyBytes {
				break
			}
			n++
		}
		if n == 0 {
			results = append(results, &pluginv1.NotifyResult{
				Outcome: pluginv1.NotifyResult_OUTCOME_REJECTED,
				Detail:  fmt.Sprintf("the notification has %d bytes, more than the %d that a plugin takes", size, maxNotifyBytes),
			})
			continue
		}
		part, err := in.notify(ctx, rest[:n])
		switch {
		case err == nil:
			results = append(results, part...)
		case len(results) == 0:
			return nil, fmt.Errorf("notify %s: %w", inst, err)
		default:
			for range rest {
				results = append(results, &pluginv1.NotifyResult{Outcome: pluginv1.NotifyResult_OUTCOME_RETRY, Detail: err.Error()})
			}
		}
	}
	return results, nil
}

// notify makes one call.
func (in *instance) notify(ctx context.Context, ns []*pluginv1.Notification) ([]*pluginv1.NotifyResult, error) {
	in.mu.Lock()
	t := in.serving
	st := in.status
	in.mu.Unlock()
	if t == nil || !t.beginCall() {
		return nil, down(st)
	}
	defer t.endCall()
	if t.want.spec.Role != pluginv1.Role_ROLE_NOTIFIER {
		return nil, fmt.Errorf("%w: it is a %s", ErrUnknown, roleName(t.want.spec.Role))
	}
	deadline := in.h.timing.Notify
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	resp, err := pluginv1.NewNotifierClient(t.session.conn).Notify(ctx, &pluginv1.NotifyRequest{Notifications: ns})
	if err != nil {
		if t.session.proc.endedWith(status.Code(err)) {
			return nil, fmt.Errorf("%w: its process %s during the delivery", ErrDown, t.session.proc.exit)
		}
		return nil, callError("deliver", deadline, err)
	}
	results := resp.GetResults()
	if len(results) != len(ns) {
		return nil, fmt.Errorf("the plugin answered %d of %d notifications; which ones were delivered cannot be told", len(results), len(ns))
	}
	for _, r := range results {
		switch r.GetOutcome() {
		case pluginv1.NotifyResult_OUTCOME_DELIVERED, pluginv1.NotifyResult_OUTCOME_RETRY, pluginv1.NotifyResult_OUTCOME_REJECTED:
		default:
			r.Detail = fmt.Sprintf("the plugin answered with the unknown outcome %d: %s", int32(r.GetOutcome()), r.GetDetail())
			r.Outcome = pluginv1.NotifyResult_OUTCOME_RETRY
		}
		r.RetryAfterMs = max(0, r.GetRetryAfterMs())
		r.Detail = printable([]byte(r.GetDetail()), maxText)
	}
	return results, nil
}

// down says why an instance takes no calls and when that may change.
func down(st InstanceStatus) error {
	switch {
	case st.Crash != nil && !st.Next.IsZero():
		return fmt.Errorf("%w: %s; it is started again at %s", ErrDown, st.Crash.Summary, st.Next.UTC().Format(time.RFC3339))
	case st.State == StateStopped:
		return fmt.Errorf("%w: it has stopped", ErrDown)
	}
	return fmt.Errorf("%w: it is %s", ErrDown, st.State)
}
