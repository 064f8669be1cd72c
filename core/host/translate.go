package host

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// The bounds on what a collector may send beside its records.
const (
	maxCursor       = 1 << 20
	maxID           = 1 << 10
	maxSweeps       = 1024
	maxSweepTypes   = 10_000
	maxReason       = 4 << 10
	maxProblemPaths = 64
)

// translator turns the messages of one stream into ours and follows which sweeps are open.
type translator struct {
	// sweeps holds the ids of the open sweeps in the order in which they began.
	sweeps []string
}

// openSweeps returns the sweeps that have begun and not ended.
func (tr *translator) openSweeps() []string { return tr.sweeps }

// translate returns the message as ours: none for one that this version does not know, several for a
// batch that is larger than it may be. An error is a breach of the protocol after which the stream is
// of no use. What a record holds is not looked at.
func (tr *translator) translate(in *pluginv1.CollectResponse) ([]record.Message, error) {
	switch m := in.GetMessage().(type) {
	case *pluginv1.CollectResponse_Batch:
		return batches(m.Batch.GetRecords()), nil
	case *pluginv1.CollectResponse_Checkpoint:
		if n := len(m.Checkpoint.GetCursor()); n > maxCursor {
			return nil, fmt.Errorf("a checkpoint's cursor has %d bytes; at most %d are kept", n, maxCursor)
		}
		return one(record.Message{Checkpoint: &record.Checkpoint{ID: m.Checkpoint.GetId(), Cursor: m.Checkpoint.GetCursor()}}), nil
	case *pluginv1.CollectResponse_SweepBegin:
		return tr.begin(m.SweepBegin)
	case *pluginv1.CollectResponse_SweepEnd:
		id := m.SweepEnd.GetId()
		i := slices.Index(tr.sweeps, id)
		if i < 0 {
			return nil, fmt.Errorf("sweep %q ends and was not begun", printable([]byte(id), maxKey))
		}
		tr.sweeps = slices.Delete(tr.sweeps, i, i+1)
		return one(record.Message{SweepEnd: &record.SweepEnd{ID: id, Complete: m.SweepEnd.GetComplete()}}), nil
	case *pluginv1.CollectResponse_Gap:
		return gap(m.Gap)
	case *pluginv1.CollectResponse_Problem:
		return one(problem(m.Problem)), nil
	}
	return nil, nil
}

func one(m record.Message) []record.Message { return []record.Message{m} }

// batches cuts records into batches of at most the size that the protocol allows.
func batches(in []*pluginv1.Record) []record.Message {
	if len(in) == 0 {
		return nil
	}
	raws := make([]record.Raw, len(in))
	for i, r := range in {
		raws[i] = record.Raw{Kind: kind(r.GetKind()), JSON: r.GetJson(), Damaged: printable([]byte(r.GetDamaged()), maxReason), Origin: printable([]byte(r.GetOrigin()), maxReason)}
	}
	out := make([]record.Message, 0, (len(raws)+wire.MaxBatchRecords-1)/wire.MaxBatchRecords)
	for len(raws) > 0 {
		n := min(len(raws), wire.MaxBatchRecords)
		out = append(out, record.Message{Records: raws[:n:n]})
		raws = raws[n:]
	}
	return out
}

// kind keeps kinds that this version does not know apart from those that it does; intake puts their
// records into quarantine.
func kind(k pluginv1.Kind) record.Kind {
	if k < 0 || k > 255 {
		return 0
	}
	return record.Kind(k)
}

func (tr *translator) begin(b *pluginv1.SweepBegin) ([]record.Message, error) {
	id := b.GetId()
	switch {
	case id == "":
		return nil, errors.New("a sweep has no id")
	case len(id) > maxID || len(b.GetScope()) > maxID:
		return nil, fmt.Errorf("the id or scope of a sweep is longer than %d bytes", maxID)
	case slices.Contains(tr.sweeps, id):
		return nil, fmt.Errorf("sweep %q begins twice", printable([]byte(id), maxKey))
	case len(tr.sweeps) >= maxSweeps:
		return nil, fmt.Errorf("more than %d sweeps are open", maxSweeps)
	case len(b.GetResourceTypes()) > maxSweepTypes:
		return nil, fmt.Errorf("a sweep names more than %d resource types", maxSweepTypes)
	}
	tr.sweeps = append(tr.sweeps, id)
	return one(record.Message{SweepBegin: &record.SweepBegin{ID: id, Scope: b.GetScope(), ResourceTypes: b.GetResourceTypes()}}), nil
}

// gap reads a gap. One whose times cannot be read becomes a problem: that something was missed must
// not be lost because of how it was written.
func gap(g *pluginv1.Gap) ([]record.Message, error) {
	out := &record.Gap{Reason: printable([]byte(g.GetReason()), maxReason)}
	var err error
	if out.From, err = record.ParseTime(g.GetFrom()); err == nil && g.GetTo() != "" {
		out.To, err = record.ParseTime(g.GetTo())
		if err == nil && out.To.Before(out.From) {
			err = fmt.Errorf("it ends at %s, before it begins at %s", out.To.Format(time.RFC3339), out.From.Format(time.RFC3339))
		}
	}
	if err != nil {
		return one(record.Message{Problem: &record.Problem{
			Summary: "A reported gap cannot be read",
			Detail:  fmt.Sprintf("%s. The collector gave this reason for the gap: %s", printable([]byte(err.Error()), maxReason), out.Reason),
		}}), nil
	}
	return one(record.Message{Gap: out}), nil
}

func problem(p *pluginv1.Problem) record.Message {
	out := &record.Problem{
		Warning: p.GetSeverity() == pluginv1.Problem_SEVERITY_WARNING,
		Summary: printable([]byte(p.GetSummary()), maxKey), Detail: printable([]byte(p.GetDetail()), maxReason),
	}
	for i, step := range p.GetPath() {
		if i == maxProblemPaths {
			break
		}
		out.Path = append(out.Path, printable([]byte(step), maxKey))
	}
	return record.Message{Problem: out}
}
