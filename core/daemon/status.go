package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

func (d *Daemon) backend() api.Backend {
	return api.Backend{
		Store: d.store, Log: d.log, Now: time.Now, Status: d.status, Instances: d.instances,
		Modules:    d.modules,
		Generation: func() api.Generation { d.mu.Lock(); defer d.mu.Unlock(); return d.generation },
		Ready:      d.isReady, Reload: d.loop.Now, Retry: d.deliver.Retry, Confirm: d.pipeline.ConfirmSweep,
		Events: d.lake.Events, EventsAfter: d.lake.EventsAfter, Import: d.pipeline.Accept, Export: d.export,
		Snapshot: d.snapshot, ForgetLakeFile: d.forgetLakeFile, Audit: d.audit, Gather: d.registry, Query: d.askSQL, Causes: d.causes,
	}
}

func (d *Daemon) isReady() error {
	d.mu.Lock()
	ready := d.ready
	d.mu.Unlock()
	if !ready {
		return errors.New("starting or stopping")
	}
	if since, err := d.pipeline.StoreFailure(); !since.IsZero() {
		return fmt.Errorf("the store takes nothing since %s: %w", record.FormatTime(since), err)
	}
	if since, err := d.router.Failure(); !since.IsZero() {
		return fmt.Errorf("nothing is routed since %s: %w", record.FormatTime(since), err)
	}
	return nil
}

func (d *Daemon) instances() []api.Instance {
	d.mu.Lock()
	broken := maps.Clone(d.build.Broken)
	d.mu.Unlock()
	out := []api.Instance{}
	for _, s := range d.host.Status() {
		i := api.Instance{
			Instance: s.Instance, Plugin: s.Plugin, Version: s.Version, SHA256: s.SHA256, State: string(s.State), Since: s.Since,
			PID: s.PID, Restarts: s.Restarts, Problem: s.Summary, Next: s.Next,
		}
		if s.Detail != "" {
			i.Problem += ": " + s.Detail
		}
		if err := broken[s.Instance]; err != nil {
			// Its process is from before the plugin was broken, and goes on.
			i.Problem = "it goes on as it was started; its plugin does not start any more: " + err.Error()
			delete(broken, s.Instance)
		}
		if s.Crash != nil {
			// A crash report is plain data.
			b, _ := json.Marshal(s.Crash)
			i.Crash = string(b)
		}
		out = append(out, i)
	}
	for _, inst := range slices.Sorted(maps.Keys(broken)) {
		err := broken[inst]
		_, plugin, _ := inst.Split()
		out = append(out, api.Instance{Instance: inst, Plugin: plugin, State: "failed", Problem: err.Error()})
	}
	return out
}

// status gathers everything at a glance.
func (d *Daemon) status(ctx context.Context) (api.Status, error) {
	d.mu.Lock()
	s := api.Status{
		Version: d.o.Version, Installation: strings.TrimPrefix(d.source, "regent://"), Started: d.started,
		Generation: d.generation, Verdicts: map[verdict.Outcome]int64{},
	}
	set := d.build.Policies
	d.mu.Unlock()
	s.Generation.Problems = slices.Clone(s.Generation.Problems)
	for _, pair := range d.pipeline.Blocked() {
		s.Generation.Problems.Errorf(nil, "Policy not run", "%s is not run on %s: the daemon went down twice in a row in the middle of that. It is run again when the policy changes.", pair.Policy, pair.Record)
	}
	s.Instances = d.instances()
	s.StoreBytes = d.store.Size()
	if since, err := d.pipeline.StoreFailure(); !since.IsZero() {
		s.StoreFailure = fmt.Sprintf("since %s: %v", record.FormatTime(since), err)
	}
	if since, err := d.router.Failure(); !since.IsZero() {
		s.RouteFailure = fmt.Sprintf("since %s: %v", record.FormatTime(since), err)
	}
	s.Lake.Place = d.lake.String()
	if since, err := d.lake.Failure(); !since.IsZero() {
		s.LakeFailure = fmt.Sprintf("since %s: %v", record.FormatTime(since), err)
	}
	for _, f := range d.lake.Broken() {
		s.LakeBroken = append(s.LakeBroken, fmt.Sprintf("since %s: %v", record.FormatTime(f.Since), f.Err))
	}
	var err error
	if s.Channels, err = d.channelStatus(ctx); err != nil {
		return s, err
	}
	err = d.store.View(ctx, func(tx *store.Tx) (err error) {
		if s.Records, err = tx.Totals(); err != nil {
			return err
		}
		for _, t := range s.Records {
			s.Sum.Read += t.Read
			s.Sum.Stored += t.Stored
			s.Sum.Duplicate += t.Duplicate
			s.Sum.Quarantined += t.Quarantined
			s.Sum.Conflicts += t.Conflicts
		}
		if s.Resources, err = tx.CountResources(); err != nil {
			return err
		}
		if s.Policies, err = tx.VerdictCounts(); err != nil {
			return err
		}
		for _, outcomes := range s.Policies {
			for o, n := range outcomes {
				s.Verdicts[o] += n
			}
		}
		for _, p := range set.Policies() {
			if p.Kind == "compliance" && len(s.Policies[p.ID]) == 0 {
				s.Unmatched = append(s.Unmatched, p.ID)
			}
		}
		if s.Findings, err = tx.CountFindings(); err != nil {
			return err
		}
		if s.Alarms.Active, s.Alarms.All, err = tx.CountEpisodes(); err != nil {
			return err
		}
		if s.Deliveries, err = tx.CountDeliveries(); err != nil {
			return err
		}
		held, err := tx.HeldSweeps()
		if err != nil {
			return err
		}
		for _, h := range held {
			s.Held = append(s.Held, api.Held{Instance: h.Instance, Scope: h.Scope, At: h.At, Missing: len(h.Missing), Total: h.Total})
		}
		gaps, err := tx.Gaps(time.Now().Add(-24 * time.Hour))
		if err != nil {
			return err
		}
		for _, g := range gaps {
			s.Gaps = append(s.Gaps, api.Gap{Instance: g.Instance, From: g.From, To: g.To, Reason: g.Reason})
		}
		if s.Proof, err = d.ledger.Status(tx); err != nil {
			return err
		}
		if s.Work, err = tx.CountWork(); err != nil {
			return err
		}
		s.Lake.Tables, err = tx.LakeTotals()
		return err
	})
	return s, err
}

// audit records a call of the API that changed something as an event of our own.
func (d *Daemon) audit(ctx context.Context, a api.Audit) error {
	outcome := sdk.OutcomeSuccess
	var failure *sdk.Failure
	if a.Err != nil {
		outcome, failure = sdk.OutcomeFailure, &sdk.Failure{Code: "Refused", Message: a.Err.Error()}
	}
	ev := sdk.Event{
		ID: d.source + "/" + rand.Text(), Time: time.Now(), Source: "regent.api", Type: "ApiCall",
		Action: a.Action, Outcome: outcome, Error: failure, Actor: sdk.Actor{Type: "Token", ID: a.Actor, Name: a.Actor},
		Origin: sdk.Origin{Address: a.Address}, Detail: map[string]string{"target": a.Target},
	}
	raw, err := json.Marshal(ev)
	if err != nil {
		return fmt.Errorf("describe call: %w", err)
	}
	done := make(chan struct{})
	m := record.Message{Records: []record.Raw{{Kind: record.KindEvent, JSON: raw}}, Done: func() { close(done) }}
	if err := d.pipeline.Accept(ctx, ownInstance, m); err != nil {
		return fmt.Errorf("record call: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
