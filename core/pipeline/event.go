package pipeline

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// maxEpisodeEvents is how many events an episode names.
const maxEpisodeEvents = 20

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
			Class: verdict.ClassActivity, RecordedAt: ev.Time, Key: ev.Source + "/" + eventID(ev),
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

// eventID returns the event's id, or its hash where the source gave it none.
func eventID(ev *record.Event) string {
	if ev.ID != "" {
		return ev.ID
	}
	return ev.Hash.String()
}

// alarmKey returns the key that a match counts under: the policy's own, else the actor, else the
// address it came from.
func alarmKey(ev *record.Event, m verdict.Match) string {
	switch {
	case m.HasKey:
		return m.Key
	case ev.Actor.ID != "":
		return ev.Actor.ID
	case ev.Actor.Name != "":
		return ev.Actor.Name
	}
	return ev.Origin.Address
}

// match adds one match to its key's track and writes what becomes of the episodes.
func (c *commit) match(m match, ev *record.Event, seq int64) error {
	rule := ruleOf(m.policy)
	key := store.AlarmKey{Policy: m.policy.ID, Account: ev.AccountID, Key: alarmKey(ev, m.match)}
	track, err := c.p.tracks.load(c.tx, key)
	if err != nil {
		return err
	}
	if track == nil {
		// A key that cannot be followed for want of room is counted and shown; see tracks.
		return c.overflow(m.policy, key, ev)
	}
	point := alarm.Point{At: ev.Time.UnixMicro(), Event: eventID(ev), Value: distinctValue(m.match)}
	res := track.Add(rule, point)
	switch {
	case res.Known:
		return nil
	case res.Late:
		c.p.metrics.lateMatches.Inc()
		return c.p.tracks.save(c.tx, c.now, key, track, nil, 0)
	}
	for _, id := range res.Merged {
		if err := c.tx.DeleteEpisode(id); err != nil {
			return fmt.Errorf("merge episode %s: %w", id, err)
		}
	}
	for _, span := range res.Spans {
		if span.Episode == "" || span.Last == point.At || span.Start == point.At || point.At > span.Start && point.At < span.Last {
			if err := c.episode(m, ev, key, rule, track, span, seq); err != nil {
				return err
			}
		}
	}
	return c.p.tracks.save(c.tx, c.now, key, track, &point, res.Trimmed)
}

// episode writes one span as its episode.
func (c *commit) episode(m match, ev *record.Event, key store.AlarmKey, rule alarm.Rule, track *alarm.Track, span alarm.Span, seq int64) error {
	var ep *verdict.Episode
	if span.Episode != "" {
		var err error
		if ep, err = c.tx.Episode(span.Episode); err != nil {
			return fmt.Errorf("read episode %s: %w", span.Episode, err)
		}
	}
	opened := ep == nil
	if opened {
		ep = c.newEpisode(m, ev, key, span)
		for _, p := range track.Window(rule, span.Start, maxEpisodeEvents) {
			if p.Event != eventID(ev) {
				ep.Events = append(ep.Events, verdict.EventRef{Source: ev.Source, ID: p.Event, Time: time.UnixMicro(p.At).UTC()})
			}
		}
		track.Name(span.Start, ep.ID)
	}
	// A match that came out of order may have moved the beginning.
	ep.StartedAt = time.UnixMicro(span.Start).UTC()
	ep.LastMatch = time.UnixMicro(span.Last).UTC()
	ep.Matches = span.Matches
	reopened := ep.State != verdict.AlarmFiring
	ep.State, ep.EndedAt = verdict.AlarmFiring, nil
	if len(ep.Events) < maxEpisodeEvents {
		ep.Events = append(ep.Events, verdict.EventRef{Source: ev.Source, ID: eventID(ev), Time: ev.Time, Action: ev.Action, Sequence: seq})
	}
	if err := c.tx.PutEpisode(*ep, ep.LastMatch.Add(rule.ClearAfter)); err != nil {
		return fmt.Errorf("write episode %s: %w", ep.ID, err)
	}
	if opened || reopened {
		return c.change(c.episodeChange(ep, verdict.AlarmOK, verdict.AlarmFiring, ev.Time))
	}
	return nil
}

func (c *commit) newEpisode(m match, ev *record.Event, key store.AlarmKey, span alarm.Span) *verdict.Episode {
	ep := &verdict.Episode{
		ID: episodeID(key, span.Start, eventID(ev)), Policy: key.Policy, AccountID: key.Account, Key: key.Key,
		Title: m.policy.Title, Severity: m.policy.Severity, State: verdict.AlarmFiring, Message: m.match.Message,
		Value: m.match.Value, Details: m.match.Details, Controls: m.policy.Controls, Labels: m.policy.Labels,
		Events: []verdict.EventRef{},
	}
	if ev.Actor != (record.Actor{}) {
		// A struct of strings always marshals.
		ep.Actor, _ = json.Marshal(ev.Actor)
	}
	return ep
}

// episodeID names an episode after what opened it, so that judging the same records again names it
// the same.
func episodeID(key store.AlarmKey, start int64, event string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d\x00%s", key.Policy, key.Account, key.Key, start, event))
	return "A" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10])
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

// overflow opens the episode that says that a policy has more live keys than are followed.
func (c *commit) overflow(pol *policy.Policy, key store.AlarmKey, ev *record.Event) error {
	c.p.metrics.overflow.Inc()
	own := store.AlarmKey{Policy: key.Policy, Key: "(more keys than are followed)"}
	id := episodeID(own, 0, "overflow "+c.now.Format("2006-01-02"))
	ep, err := c.tx.Episode(id)
	if err != nil {
		return fmt.Errorf("read episode %s: %w", id, err)
	}
	opened := ep == nil || ep.State != verdict.AlarmFiring
	if ep == nil {
		ep = &verdict.Episode{
			ID: id, Policy: pol.ID, Key: own.Key, Title: pol.Title, Severity: pol.Severity, Events: []verdict.EventRef{},
			Message:   fmt.Sprintf("More than %d keys of this alarm are live; matches of further keys are counted here and not followed one by one.", maxKeys),
			StartedAt: ev.Time, Controls: pol.Controls, Labels: pol.Labels,
		}
	}
	ep.State, ep.EndedAt = verdict.AlarmFiring, nil
	ep.LastMatch = ev.Time
	ep.Matches++
	if err := c.tx.PutEpisode(*ep, c.now.Add(time.Hour)); err != nil {
		return fmt.Errorf("write episode %s: %w", id, err)
	}
	if opened {
		return c.change(c.episodeChange(ep, verdict.AlarmOK, verdict.AlarmFiring, c.now))
	}
	return nil
}

// distinctValue shortens a value to what telling it from others needs.
func distinctValue(m verdict.Match) string {
	if len(m.Value) <= 64 {
		return string(m.Value)
	}
	return record.Sum(m.Value).String()
}

func ruleOf(p *policy.Policy) alarm.Rule {
	r := alarm.Rule{Count: 1, Lateness: p.Lateness, ClearAfter: p.ClearAfter}
	if p.Window != nil {
		r.Count, r.Within, r.Distinct = p.Window.Count, p.Window.Within, p.Window.Distinct
	}
	return r
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
