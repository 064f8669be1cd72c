package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// newEvents are the events of a batch that were not stored before.
type newEvents struct {
	events    []record.Event
	encoded   store.Encoded
	conflicts int
	// index maps a position in the batch to that in events, -1 for a duplicate.
	index []int
}

// newEvents leaves out duplicates, those within the batch included. ever says that they are recognised
// however old they are.
func (c *commit) newEvents(prep *prepared, ever bool) (newEvents, error) {
	all := prep.batch.Events
	if len(all) == 0 {
		return newEvents{}, nil
	}
	dups, err := c.tx.Duplicates(all, ever)
	if err != nil {
		return newEvents{}, fmt.Errorf("look for duplicates: %w", err)
	}
	out := newEvents{index: make([]int, len(all))}
	type id struct{ source, id string }
	ids := make(map[id][]record.Digest, len(all))
	for i := range all {
		ev := &all[i]
		key := id{ev.Source, ev.ID}
		dup := dups[i]
		switch {
		case slices.Contains(ids[key], ev.Hash):
			dup = store.DupSame
		case dup == store.DupNone && ev.ID != "" && len(ids[key]) > 0:
			dup = store.DupConflict
		}
		if dup == store.DupSame {
			out.index[i] = -1
			continue
		}
		if dup == store.DupConflict {
			out.conflicts++
			c.p.log.Warn("two records share an id and differ; both are kept", "source", ev.Source, "id", ev.ID)
		}
		ids[key] = append(ids[key], ev.Hash)
		out.index[i] = len(out.events)
		out.events = append(out.events, *ev)
	}
	out.encoded = prep.encoded
	if len(out.events) != len(all) {
		out.encoded = store.EncodeEvents(out.events)
	}
	return out, nil
}

// events follows the alarms of the new events of a batch and writes those that routes ask for.
func (c *commit) events(prep *prepared, fresh newEvents, seq int64) error {
	for _, f := range prep.failures {
		if fresh.index[f.event] >= 0 {
			c.p.health.policyFails(f.policy, &prep.batch.Events[f.event], f.err)
		}
	}
	for _, m := range prep.matches {
		if fresh.index[m.event] < 0 {
			continue
		}
		if err := c.match(m, &prep.batch.Events[m.event], seq); err != nil {
			return err
		}
	}
	if c.gen.Activity == nil {
		return nil
	}
	for i := range fresh.events {
		ev := &fresh.events[i]
		if !c.gen.Activity(ev) {
			continue
		}
		change := verdict.Change{
			Class: verdict.ClassActivity, RecordedAt: ev.Time, Key: ev.Source + "/" + ev.Ident(),
			Title: ev.Action, Message: activityText(ev), Account: ev.AccountID, New: string(ev.Outcome),
			Data: ev.Body, Quiet: quiet(c.gen, ev.Time, c.now, false),
		}
		if len(ev.Targets) > 0 {
			t := ev.Targets[0]
			change.Resource = &verdict.Subject{AccountID: ev.AccountID, Region: ev.Region, ResourceType: t.ResourceType, ResourceID: t.ResourceID}
		}
		if err := c.change(change); err != nil {
			return err
		}
	}
	return nil
}

func activityText(ev *record.Event) string {
	who := ev.Actor.ID
	if who == "" {
		who = ev.Actor.Name
	}
	if who == "" {
		who = "someone unknown"
	}
	return fmt.Sprintf("%s did %s (%s)", who, ev.Action, ev.Outcome)
}

// match adds one match to its key and tells of what began with it.
func (c *commit) match(m match, ev *record.Event, seq int64) error {
	added, err := c.p.book.Add(alarmState{c.tx}, c.now, judge.AlarmTerms(m.policy), alarm.Occurrence{Event: ev, Match: m.match, Sequence: seq})
	if err != nil {
		return err
	}
	switch {
	case added.Late:
		c.p.metrics.lateMatches.Inc()
	case added.Overflow:
		c.p.metrics.overflow.Inc()
	}
	for i := range added.Begun {
		b := &added.Begun[i]
		if err := c.change(c.episodeChange(&b.Episode, verdict.AlarmOK, verdict.AlarmFiring, b.At)); err != nil {
			return err
		}
	}
	return nil
}

func (c *commit) episodeChange(ep *verdict.Episode, before, after verdict.AlarmState, at time.Time) verdict.Change {
	// An episode holds nothing that JSON lacks; its raw members were checked when they were made.
	data, _ := json.Marshal(ep)
	return verdict.Change{
		Class: verdict.ClassAlarm, RecordedAt: at, Key: string(ep.Policy) + "/" + ep.AccountID + "/" + ep.Key,
		Policy: ep.Policy, Severity: ep.Severity, Title: ep.Title, Message: ep.Message, Account: ep.AccountID,
		Labels: ep.Labels, Old: string(before), New: string(after), Active: after == verdict.AlarmFiring,
		Quiet: quiet(c.gen, at, c.now, false), Data: data,
	}
}

// episodesDue ends the episodes whose time has come.
func (c *commit) episodesDue() (int, error) {
	due, err := c.tx.EpisodesDue(c.now, chunk)
	if err != nil {
		return 0, fmt.Errorf("read episodes that end: %w", err)
	}
	for i := range due {
		ep := &due[i]
		end := c.now
		if pol := c.gen.Policies.Get(ep.Policy); pol != nil && ep.StartedAt.Before(ep.LastMatch.Add(pol.ClearAfter)) {
			end = ep.LastMatch.Add(pol.ClearAfter)
		}
		ep.State, ep.EndedAt = verdict.AlarmOK, &end
		if err := c.tx.PutEpisode(*ep, time.Time{}); err != nil {
			return 0, fmt.Errorf("end episode %s: %w", ep.ID, err)
		}
		if err := c.change(c.episodeChange(ep, verdict.AlarmFiring, verdict.AlarmOK, end)); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}
