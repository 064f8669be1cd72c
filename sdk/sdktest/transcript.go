package sdktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/regent-dev/regent/sdk"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// transcript is what a collector said in one call of Collect, held against the contract.
type transcript struct {
	schemas map[string]*jsonschema.Schema
	// open holds the sweeps under way by their id, as indexes into sweeps.
	open map[string]int
	// keep says whether the records themselves are kept.
	keep bool

	total, damaged, checkpointed int
	cursor                       []byte

	records     []Record
	checkpoints []Checkpoint
	sweeps      []Sweep
	gaps        []Gap
	problems    []sdk.Problem
}

func newTranscript(d *pluginv1.DescribeResponse) (*transcript, error) {
	h := &transcript{schemas: map[string]*jsonschema.Schema{}, open: map[string]int{}}
	for _, t := range d.GetResourceTypes() {
		if len(t.GetSchema()) == 0 {
			continue
		}
		sc, err := compile(t.GetType(), t.GetSchema())
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", t.GetType(), err)
		}
		h.schemas[t.GetType()] = sc
	}
	return h, nil
}

func (h *transcript) counts() string {
	return fmt.Sprintf("%d records, %d damaged, %d checkpoints", h.total, h.damaged, h.checkpointed)
}

// take notes a message and returns what is wrong with it.
func (h *transcript) take(m *pluginv1.CollectResponse) error {
	switch x := m.GetMessage().(type) {
	case *pluginv1.CollectResponse_Batch:
		return h.batch(x.Batch.GetRecords())
	case *pluginv1.CollectResponse_Checkpoint:
		h.checkpointed++
		h.cursor = x.Checkpoint.GetCursor()
		if h.keep {
			h.checkpoints = append(h.checkpoints, Checkpoint{ID: x.Checkpoint.GetId(), Cursor: h.cursor, Records: h.total})
		}
	case *pluginv1.CollectResponse_SweepBegin:
		if _, ok := h.open[x.SweepBegin.GetId()]; ok {
			return fmt.Errorf("a sweep begins with the id %q of one that is open", x.SweepBegin.GetId())
		}
		h.open[x.SweepBegin.GetId()] = len(h.sweeps)
		h.sweeps = append(h.sweeps, Sweep{Scope: x.SweepBegin.GetScope(), ResourceTypes: x.SweepBegin.GetResourceTypes()})
	case *pluginv1.CollectResponse_SweepEnd:
		i, ok := h.open[x.SweepEnd.GetId()]
		if !ok {
			return errors.New("a sweep ends that was not begun")
		}
		delete(h.open, x.SweepEnd.GetId())
		h.sweeps[i].Ended, h.sweeps[i].Complete = true, x.SweepEnd.GetComplete()
	case *pluginv1.CollectResponse_Gap:
		g := Gap{Reason: x.Gap.GetReason()}
		var err error
		if g.From, err = time.Parse(time.RFC3339Nano, x.Gap.GetFrom()); err != nil {
			return fmt.Errorf("the beginning of a gap: %w", err)
		}
		if to := x.Gap.GetTo(); to != "" {
			if g.To, err = time.Parse(time.RFC3339Nano, to); err != nil {
				return fmt.Errorf("the end of a gap: %w", err)
			}
		}
		h.gaps = append(h.gaps, g)
	case *pluginv1.CollectResponse_Problem:
		h.problems = append(h.problems, sdk.Problem{
			Warning: x.Problem.GetSeverity() == pluginv1.Problem_SEVERITY_WARNING, Summary: x.Problem.GetSummary(), Detail: x.Problem.GetDetail(),
		})
	}
	// What a later minor version of the protocol adds is passed over, as the daemon does.
	return nil
}

func (h *transcript) batch(records []*pluginv1.Record) error {
	if len(records) > wire.MaxBatchRecords {
		return fmt.Errorf("a batch of %d records; %d are allowed", len(records), wire.MaxBatchRecords)
	}
	for _, r := range records {
		h.total++
		if h.keep {
			h.records = append(h.records, Record{Kind: r.GetKind(), JSON: r.GetJson(), Origin: r.GetOrigin(), Damaged: r.GetDamaged()})
		}
		if r.GetDamaged() != "" {
			h.damaged++
			continue
		}
		if err := h.check(r); err != nil {
			return err
		}
	}
	return nil
}

// check holds a record against what its kind and its declared schema ask.
func (h *transcript) check(r *pluginv1.Record) error {
	var head struct {
		Type   string `json:"resourceType"`
		ID     string `json:"resourceId"`
		Source string `json:"source"`
	}
	if err := json.Unmarshal(r.GetJson(), &head); err != nil {
		return fmt.Errorf("a record is not JSON: %w: %s", err, cut(string(r.GetJson())))
	}
	switch r.GetKind() {
	case pluginv1.Kind_KIND_ITEM:
		if head.Type == "" || head.ID == "" {
			return fmt.Errorf("an item has no resourceType or no resourceId: %s", cut(string(r.GetJson())))
		}
		if sc := h.schemas[head.Type]; sc != nil {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.GetJson()))
			if err != nil {
				return err
			}
			if err := sc.Validate(doc); err != nil {
				return fmt.Errorf("item %s %s does not fit its declared schema: %w", head.Type, head.ID, err)
			}
		}
	case pluginv1.Kind_KIND_EVENT:
		if head.Source == "" {
			return fmt.Errorf("an event has no source: %s", cut(string(r.GetJson())))
		}
	default:
		return fmt.Errorf("a record of kind %s", r.GetKind())
	}
	return nil
}

func compile(name string, schema []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("declared:"+name, doc); err != nil {
		return nil, err
	}
	return c.Compile("declared:" + name)
}
