package backtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// maxTracks is more keys than policies may follow: all of them are in memory, within the bound of each
// policy.
const maxTracks = 1 << 30

// matched is what one engine's alarms say of a chunk of events.
type matched struct {
	hits []hit
	ran  map[*policy.Policy]int64
}

// hit is one match of one alarm on one event, or its failure there.
type hit struct {
	policy *policy.Policy
	event  int
	match  verdict.Match
	err    error
}

// match runs the alarms that may match on each event. It touches no state.
func (e *Engine) match(ctx context.Context, events []record.Event) (matched, error) {
	out := matched{ran: map[*policy.Policy]int64{}}
	var candidates []*policy.Policy
	for i := range events {
		ev := &events[i]
		if candidates = e.o.Policies.ForEvent(ev, candidates[:0]); len(candidates) == 0 {
			continue
		}
		value, err := policy.Parse(ev.Body)
		for _, p := range candidates {
			out.ran[p]++
			if err != nil {
				out.hits = append(out.hits, hit{policy: p, event: i, err: fmt.Errorf("parse event: %w", err)})
				continue
			}
			found, err := p.Match(ctx, value, ev.Time)
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			if err != nil {
				out.hits = append(out.hits, hit{policy: p, event: i, err: err})
				continue
			}
			for _, m := range found {
				out.hits = append(out.hits, hit{policy: p, event: i, match: m})
			}
		}
	}
	return out, nil
}

// follow takes what matched in a chunk through the alarms' state, in order.
func (e *Engine) follow(rows []Row, events []record.Event, m matched) error {
	e.events += int64(len(events))
	for p, n := range m.ran {
		e.sums[p.ID].Evaluated += n
	}
	if err := e.prune(); err != nil {
		return err
	}
	next := 0
	for i := range events {
		// The daemon's clock when the event came; where nobody wrote it down, as if it came at once.
		came := rows[i].Received
		if came.IsZero() {
			came = events[i].Time
		}
		if came.After(e.arrived) {
			e.arrived = came
		}
		if events[i].Time.After(e.newest) {
			e.newest = events[i].Time
		}
		for ; next < len(m.hits) && m.hits[next].event == i; next++ {
			h := &m.hits[next]
			s := e.sums[h.policy.ID]
			if h.err != nil {
				s.failed(Sample{Record: rows[i].Number, Event: events[i].Ident(), At: events[i].Time, Reason: h.err.Error()}, e.o.Samples)
				continue
			}
			s.Matched++
			added, err := e.book.Add(e.keys, e.arrived, judge.AlarmTerms(h.policy), alarm.Occurrence{Event: &events[i], Match: h.match, Sequence: rows[i].Number})
			if err != nil {
				return err
			}
			if added.Late {
				s.Late++
			}
			if added.Overflow {
				s.Overflow++
			}
		}
	}
	return nil
}

// prune lets go of keys that no match can matter to any more, as the daemon does.
func (e *Engine) prune() error {
	if e.arrived.Sub(e.pruned) < alarm.PrunePeriod {
		return nil
	}
	e.pruned = e.arrived
	for _, p := range e.o.Policies.Policies() {
		if p.On != "event" {
			continue
		}
		if err := e.book.Prune(e.keys, e.arrived, p.ID, judge.AlarmTerms(p).Rule); err != nil {
			return err
		}
	}
	return nil
}

// keys keeps the keys of alarms in memory, and the episodes that may still change. An episode that
// cannot change any more goes to the spool.
type keys struct {
	e        *Engine
	tracks   map[verdict.PolicyID]map[alarm.Key]*held
	episodes map[string]*verdict.Episode
}

// held is a track with when something came for it last, and the episodes of its that may still change.
type held struct {
	track    *alarm.Track
	touched  time.Time
	episodes []string
}

var _ alarm.State = (*keys)(nil)

func newKeys(e *Engine) *keys {
	return &keys{e: e, tracks: map[verdict.PolicyID]map[alarm.Key]*held{}, episodes: map[string]*verdict.Episode{}}
}

// Track implements alarm.State.
func (k *keys) Track(key alarm.Key) (*alarm.Track, error) {
	if h := k.tracks[key.Policy][key]; h != nil {
		return h.track, nil
	}
	return nil, nil
}

// PutTrack implements alarm.State.
func (k *keys) PutTrack(key alarm.Key, t *alarm.Track, now time.Time, _ *alarm.Point, _ int64) error {
	of := k.tracks[key.Policy]
	if of == nil {
		of = map[alarm.Key]*held{}
		k.tracks[key.Policy] = of
	}
	h := of[key]
	if h == nil {
		h = &held{track: t}
		of[key] = h
	}
	h.touched = now
	var open, gone []string
	for _, s := range t.Open {
		open = append(open, s.Episode)
	}
	if t.Settled != nil && !slices.Contains(open, t.Settled.Episode) {
		open = append(open, t.Settled.Episode)
	}
	for _, id := range h.episodes {
		if !slices.Contains(open, id) {
			gone = append(gone, id)
		}
	}
	h.episodes = open
	return k.settle(gone)
}

// settle spools episodes that cannot change any more.
func (k *keys) settle(ids []string) error {
	for _, id := range ids {
		ep := k.episodes[id]
		if ep == nil {
			// It was merged into another.
			continue
		}
		delete(k.episodes, id)
		end := ep.LastMatch.Add(k.e.o.Policies.Get(ep.Policy).ClearAfter)
		ep.State, ep.EndedAt = verdict.AlarmOK, &end
		f := Firing{At: ep.StartedAt, What: Alarm, Policy: ep.Policy, Severity: ep.Severity, Title: ep.Title, Message: ep.Message, Episode: ep}
		if err := k.e.fire(&f, end); err != nil {
			return err
		}
	}
	return nil
}

// finish spools all episodes there are.
func (k *keys) finish() error {
	all := slices.SortedFunc(maps.Values(k.episodes), func(a, b *verdict.Episode) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	})
	ids := make([]string, len(all))
	for i, ep := range all {
		ids[i] = ep.ID
	}
	return k.settle(ids)
}

// CountTracks implements alarm.State.
func (k *keys) CountTracks(id verdict.PolicyID) (int, error) { return len(k.tracks[id]), nil }

// PruneTracks implements alarm.State.
func (k *keys) PruneTracks(id verdict.PolicyID, newest int64, idle time.Time) (int64, error) {
	var gone []alarm.Key
	for key, h := range k.tracks[id] {
		if h.track.Newest < newest && h.touched.Before(idle) {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b alarm.Key) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Key, b.Key)) })
	for _, key := range gone {
		if err := k.settle(k.tracks[id][key].episodes); err != nil {
			return 0, err
		}
		delete(k.tracks[id], key)
	}
	return int64(len(gone)), nil
}

// Episode implements alarm.State.
func (k *keys) Episode(id string) (*verdict.Episode, error) {
	ep := k.episodes[id]
	if ep == nil {
		return nil, nil
	}
	out := *ep
	out.Events = slices.Clip(out.Events)
	return &out, nil
}

// PutEpisode implements alarm.State.
func (k *keys) PutEpisode(ep verdict.Episode, _ time.Time) error {
	k.episodes[ep.ID] = &ep
	return nil
}

// DeleteEpisode implements alarm.State.
func (k *keys) DeleteEpisode(id string) error {
	delete(k.episodes, id)
	return nil
}
