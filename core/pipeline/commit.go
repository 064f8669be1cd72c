package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// commit is one transaction under way.
type commit struct {
	p       *Pipeline
	tx      *store.Tx
	gen     *Generation
	now     time.Time
	changes int
	cache   *judge.Values
}

// job applies one message.
func (c *commit) job(ctx context.Context, j *job) error {
	m := &j.msg
	switch {
	case m.Records != nil:
		return c.batch(ctx, j)
	case m.Checkpoint != nil:
		return c.tx.SetCursor(j.inst, m.Checkpoint.Cursor)
	case m.SweepBegin != nil:
		c.sweepBegin(j.inst, m.SweepBegin)
		return nil
	case m.SweepEnd != nil:
		return c.sweepEnd(ctx, j.inst, m.SweepEnd)
	case m.Gap != nil:
		return c.gap(j.inst, *m.Gap)
	case m.Problem != nil:
		level := c.p.log.Error
		if m.Problem.Warning {
			level = c.p.log.Warn
		}
		level("a collector reports a problem", "instance", j.inst, "summary", m.Problem.Summary, "detail", m.Problem.Detail)
	}
	return nil
}

// gap notes that a collector may have missed something, or that it does no longer.
func (c *commit) gap(inst record.Instance, g record.Gap) error {
	if err := c.tx.AddGap(inst, g); err != nil {
		return err
	}
	ch := verdict.Change{
		Class: verdict.ClassGap, Severity: verdict.Medium, RecordedAt: g.From, Key: "gap/" + string(inst), Title: "A collector may have missed something",
		Message: fmt.Sprintf("%s may have missed what happened since %s: %s. What rests on it is stale until it is back.", inst, record.FormatTime(g.From), g.Reason),
		Old:     "OK", New: "GAP", Active: true, Instance: string(inst),
	}
	if !g.To.IsZero() {
		ch.Old, ch.New, ch.Active, ch.RecordedAt = "GAP", "OK", false, g.To
		ch.Message = fmt.Sprintf("%s may have missed what happened from %s to %s: %s.", inst, record.FormatTime(g.From), record.FormatTime(g.To), g.Reason)
	}
	return c.change(ch)
}

func (c *commit) finish() error { return c.p.health.flush(c) }

// batch applies a batch of records.
func (c *commit) batch(ctx context.Context, j *job) error {
	prep := j.prep
	if prep == nil {
		prep = c.p.prepare(ctx, j)
	}
	if prep.generation != c.gen && !j.msg.Import {
		// The policies changed between judging and committing.
		again := &prepared{generation: c.gen, batch: prep.batch, encoded: prep.encoded, items: make([]judge.Ahead, len(prep.items))}
		c.p.matchEvents(ctx, again)
		prep = again
	}
	row := store.BatchRow{
		Instance: j.inst, Received: j.received,
		Read: prep.batch.Read, Quarantined: len(prep.batch.Quarantined),
	}
	fresh, err := c.newEvents(prep, j.msg.Import)
	if err != nil {
		return err
	}
	row.Stored = len(fresh.events)
	row.Duplicate = len(prep.batch.Events) - len(fresh.events)
	row.Conflicts = fresh.conflicts
	if len(fresh.events) > 0 {
		row.Events = &fresh.encoded
	}
	seq, err := c.tx.AppendBatch(row)
	if err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	if len(prep.batch.Quarantined) > 0 {
		if err := c.tx.AddQuarantine(j.inst, j.received, prep.batch.Quarantined); err != nil {
			return fmt.Errorf("write quarantine: %w", err)
		}
	}
	var stored int
	if j.msg.Import {
		stored, err = c.importItems(j, prep, seq)
	} else {
		if err = c.events(prep, fresh, seq); err != nil {
			return err
		}
		if c.p.causes != nil && len(fresh.events) > 0 {
			if err = c.p.causes.Recorded(c.tx, j.inst, fresh.events); err != nil {
				return fmt.Errorf("look whose cause new events may be: %w", err)
			}
		}
		stored, err = c.items(ctx, j, prep, seq)
	}
	if err != nil {
		return err
	}
	if n := len(prep.batch.Items); n > 0 {
		if err := c.tx.CountItems(j.inst, seq, stored, n-stored); err != nil {
			return fmt.Errorf("count items: %w", err)
		}
	}
	c.p.metrics.batch(j.inst, prep.batch.Read, row.Stored+stored, row.Duplicate+len(prep.batch.Items)-stored, row.Quarantined)
	return nil
}

// items stores the items of a batch and applies their verdicts. It returns how many were stored as
// versions; the others said nothing new.
func (c *commit) items(ctx context.Context, j *job, prep *prepared, seq int64) (stored int, err error) {
	if len(prep.batch.Items) == 0 {
		return 0, nil
	}
	if c.cache == nil {
		c.cache = judge.NewValues()
	}
	for i := range prep.batch.Items {
		it := &prep.batch.Items[i]
		first := c.first(j.inst, it, j.received)
		res, err := c.tx.PutItem(store.ItemWrite{Item: *it, Instance: j.inst, Received: j.received, Batch: seq})
		if err != nil {
			return 0, fmt.Errorf("store item %s: %w", it.Key, err)
		}
		adopted, err := c.adopts(it, res)
		if err != nil {
			return 0, err
		}
		if err := c.sighted(j.inst, it, res.Resource); err != nil {
			return 0, err
		}
		switch res.Kind {
		case store.ItemUnchanged:
			if adopted {
				if err := c.adopt(ctx, it, res, first); err != nil {
					return 0, err
				}
			}
			continue
		case store.ItemLate:
			stored++
			continue
		}
		stored++
		var before *judge.Version
		if res.Before != nil {
			before = &judge.Version{Item: &res.Before.Item}
		}
		now := &judge.Version{Item: it}
		r := &judge.Reader{Tx: c.tx, Cache: c.cache}
		verdicts, again, err := c.p.judge.Settle(ctx, c.gen.Policies, &prep.items[i], now, before, r)
		if err != nil {
			return 0, err
		}
		if again {
			c.p.metrics.rejudged.Inc()
		}
		if err := c.newVersion(it, before, res, first); err != nil {
			return 0, err
		}
		if err := c.verdicts(it, res.Resource, res.Version, verdicts, res.Before, true, first); err != nil {
			return 0, err
		}
	}
	return stored, nil
}

// newVersion tells who asked for it about a new version, and has those judged again that read the
// resource.
func (c *commit) newVersion(it *record.Item, before *judge.Version, res store.ItemResult, first bool) error {
	if c.gen.Configuration != nil && c.gen.Configuration(it) {
		change := verdict.Change{
			Class: verdict.ClassConfiguration, RecordedAt: it.CaptureTime, Key: it.Key.String(),
			Title: "Configuration of " + it.ResourceType + " changed", Message: it.ResourceID,
			Account: it.AccountID, Resource: subjectOf(it.Key), New: string(it.Status),
			Quiet: quiet(c.gen, it.CaptureTime, c.now, first),
		}
		data := struct {
			Version int64           `json:"version"`
			Diff    []store.Op      `json:"diff,omitempty"`
			Item    json.RawMessage `json:"item"`
		}{Version: res.Version, Item: it.Body}
		if before != nil {
			change.Old = string(before.Item.Status)
			diff, err := store.Diff(before.Item.Body, it.Body)
			if err != nil {
				return fmt.Errorf("compare versions of %s: %w", it.Key, err)
			}
			data.Diff = diff
		}
		raw, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("describe change of %s: %w", it.Key, err)
		}
		change.Data = raw
		if err := c.change(change); err != nil {
			return err
		}
	}
	return c.dependents(it)
}

// verdicts writes the verdicts on a resource and what follows from them. replaced is the version whose place
// a new one took, nil where there is none.
func (c *commit) verdicts(it *record.Item, resource, version int64, now []verdict.Verdict, replaced *store.Current, newVersion, first bool) error {
	if len(now) == 0 {
		return nil
	}
	old, err := c.tx.Verdicts(resource)
	if err != nil {
		return fmt.Errorf("read verdicts on %s: %w", it.Key, err)
	}
	before := make(map[verdict.PolicyID]*verdict.Verdict, len(old))
	for i := range old {
		before[old[i].Policy] = &old[i]
	}
	put := make([]verdict.Verdict, 0, len(now))
	for _, v := range now {
		was := before[v.Policy]
		if was == nil || !judge.Same(was, &v) {
			put = append(put, v)
		}
		if len(v.Evidence.Reads) > 0 || was != nil && len(was.Evidence.Reads) > 0 {
			if err := c.tx.SetReads(v.Policy, resource, v.Evidence.Reads); err != nil {
				return fmt.Errorf("write what %s read: %w", v.Policy, err)
			}
		}
		if err := c.finding(it, resource, version, v, was, replaced, newVersion, first); err != nil {
			return err
		}
	}
	if len(put) > 0 {
		// A judgement that no new version has led to holds from now on.
		at := c.now
		if newVersion {
			at = it.CaptureTime
		}
		if err := c.tx.ChangeVerdicts(resource, version, at, put); err != nil {
			return fmt.Errorf("write verdicts on %s: %w", it.Key, err)
		}
	}
	return nil
}

// finding takes one verdict's finding a step further.
func (c *commit) finding(it *record.Item, resource, version int64, v verdict.Verdict, was *verdict.Verdict, replaced *store.Current, newVersion, first bool) error {
	var before verdict.Outcome
	if was != nil {
		before = was.Outcome
	}
	mayHave := before != "" && before != verdict.Compliant && before != verdict.NotApplicable || v.Outcome == verdict.NonCompliant
	pol := c.gen.Policies.Get(v.Policy)
	if pol == nil {
		return nil
	}
	var old *verdict.Finding
	var err error
	if mayHave {
		if old, err = c.tx.Finding(v.Policy, resource); err != nil {
			return fmt.Errorf("read finding of %s on %s: %w", v.Policy, it.Key, err)
		}
	}
	j := compliance.Judgement{
		Verdict: v, Version: version, CapturedAt: it.CaptureTime, NewVersion: newVersion,
		Resolution: judge.Resolution(it.Status, v.Outcome),
		Waiver:     c.gen.Waivers.Cover(v.Policy, v.Subject, c.now),
	}
	if !newVersion {
		// The cause is a change of now, however old the version is.
		j.CapturedAt = c.now
	}
	j.Quiet = quiet(c.gen, j.CapturedAt, c.now, first)
	next, change := compliance.Next(old, before, judge.Terms(pol), j)
	if next != nil && next != old {
		if err := c.tx.PutFinding(resource, *next); err != nil {
			return fmt.Errorf("write finding of %s on %s: %w", v.Policy, it.Key, err)
		}
	}
	cause, err := c.cause(it, resource, version, was, &v, old, next, replaced, newVersion)
	if err != nil {
		return err
	}
	if change != nil {
		change.Cause = cause
		return c.change(*change)
	}
	return nil
}

// change writes a change to be routed.
func (c *commit) change(ch verdict.Change) error {
	ch.At, ch.Generation = c.now, c.gen.Number
	if _, err := c.tx.AddChange(ch); err != nil {
		return fmt.Errorf("write change of %s: %w", ch.Key, err)
	}
	c.changes++
	c.p.metrics.changes.WithLabelValues(string(ch.Class)).Inc()
	return nil
}

func subjectOf(k record.Key) *verdict.Subject {
	s := verdict.Subject(k)
	return &s
}
