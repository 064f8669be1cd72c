package pipeline

import (
	"encoding/json"
	"time"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/judge"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// cachedTracks bounds the tracks of alarm keys kept in memory; the store has them all.
const cachedTracks = 20_000

// alarmState keeps alarm keys and episodes in the store, within one transaction.
type alarmState struct{ *store.Tx }

var _ alarm.State = alarmState{}

// Track implements alarm.State.
func (s alarmState) Track(k alarm.Key) (*alarm.Track, error) {
	state, matches, err := s.AlarmKey(store.AlarmKey(k))
	if err != nil || state == nil {
		return nil, err
	}
	tr := &alarm.Track{}
	if err := json.Unmarshal(state, tr); err != nil {
		return nil, err
	}
	tr.Points = make([]alarm.Point, len(matches))
	for i, m := range matches {
		tr.Points[i] = alarm.Point(m)
	}
	return tr, nil
}

// PutTrack implements alarm.State.
func (s alarmState) PutTrack(k alarm.Key, tr *alarm.Track, now time.Time, added *alarm.Point, trimmed int64) error {
	state, err := json.Marshal(tr)
	if err != nil {
		return err
	}
	return s.PutAlarmKey(store.AlarmKey(k), state, tr.Newest, now, (*store.MatchRow)(added), trimmed)
}

// CountTracks implements alarm.State.
func (s alarmState) CountTracks(policy verdict.PolicyID) (int, error) { return s.CountKeys(policy) }

// PruneTracks implements alarm.State.
func (s alarmState) PruneTracks(policy verdict.PolicyID, newest int64, idle time.Time) (int64, error) {
	return s.PruneKeys(policy, newest, idle)
}

// pruneTracks lets go of keys that no match can matter to any more.
func (c *commit) pruneTracks() error {
	if c.now.Sub(c.p.pruned) < alarm.PrunePeriod {
		return nil
	}
	c.p.pruned = c.now
	for _, pol := range c.gen.Policies.Policies() {
		if pol.On != "event" {
			continue
		}
		if err := c.p.book.Prune(alarmState{c.tx}, c.now, pol.ID, judge.AlarmTerms(pol).Rule); err != nil {
			return err
		}
	}
	return nil
}
