package pipeline

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/alarm"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

const (
	// maxKeys is how many keys of one alarm policy are followed at once.
	maxKeys = 10_000
	// cachedTracks bounds the tracks kept in memory; the store has them all.
	cachedTracks = 20_000
	// prunePeriod is how often keys that no window reaches any more are let go.
	prunePeriod = time.Minute
	// pruneIdle is how long nothing must have come for a key. Event time alone does not do: a log of
	// last year that is read now has windows that span its batches.
	pruneIdle = 15 * time.Minute
)

// tracks keeps the state of alarm keys at hand. It is touched inside store.Update only.
type tracks struct {
	byKey  map[store.AlarmKey]*alarm.Track
	counts map[verdict.PolicyID]int
	pruned time.Time
}

func newTracks() *tracks {
	t := &tracks{}
	t.forget()
	return t
}

// forget drops everything in memory, so that it is read from the store again.
func (t *tracks) forget() {
	t.byKey = map[store.AlarmKey]*alarm.Track{}
	t.counts = map[verdict.PolicyID]int{}
}

// load returns the track of a key, nil where the policy follows as many keys as it may.
func (t *tracks) load(tx *store.Tx, key store.AlarmKey) (*alarm.Track, error) {
	if tr := t.byKey[key]; tr != nil {
		return tr, nil
	}
	if len(t.byKey) >= cachedTracks {
		t.byKey = map[store.AlarmKey]*alarm.Track{}
	}
	state, matches, err := tx.AlarmKey(key)
	if err != nil {
		return nil, fmt.Errorf("read alarm key of %s: %w", key.Policy, err)
	}
	tr := &alarm.Track{}
	if state == nil {
		n, known := t.counts[key.Policy]
		if !known {
			if n, err = tx.CountKeys(key.Policy); err != nil {
				return nil, fmt.Errorf("count keys of %s: %w", key.Policy, err)
			}
		}
		if n >= maxKeys {
			t.counts[key.Policy] = n
			return nil, nil
		}
		t.counts[key.Policy] = n + 1
	} else {
		if err := json.Unmarshal(state, tr); err != nil {
			return nil, fmt.Errorf("read alarm key of %s: %w", key.Policy, err)
		}
		tr.Points = make([]alarm.Point, len(matches))
		for i, m := range matches {
			tr.Points[i] = alarm.Point{At: m.At, Event: m.Event, Value: m.Value}
		}
	}
	t.byKey[key] = tr
	return tr, nil
}

// save writes a track after a point was added; trimmed is the time up to which points were let go.
func (t *tracks) save(tx *store.Tx, now time.Time, key store.AlarmKey, tr *alarm.Track, point *alarm.Point, trimmed int64) error {
	state, err := json.Marshal(tr)
	if err != nil {
		return fmt.Errorf("write alarm key of %s: %w", key.Policy, err)
	}
	var add *store.MatchRow
	if point != nil {
		add = &store.MatchRow{At: point.At, Event: point.Event, Value: point.Value}
	}
	if err := tx.PutAlarmKey(key, state, tr.Newest, now, add, trimmed); err != nil {
		return fmt.Errorf("write alarm key of %s: %w", key.Policy, err)
	}
	return nil
}

// prune lets go of keys that no match can matter to any more.
func (t *tracks) prune(c *commit) error {
	if c.now.Sub(t.pruned) < prunePeriod {
		return nil
	}
	t.pruned = c.now
	for _, pol := range c.gen.Policies.Policies() {
		if pol.On != "event" {
			continue
		}
		rule := ruleOf(pol)
		reach := rule.Within + rule.Lateness + rule.ClearAfter
		n, err := c.tx.PruneKeys(pol.ID, c.now.Add(-reach).UnixMicro(), c.now.Add(-pruneIdle))
		if err != nil {
			return fmt.Errorf("let go of keys of %s: %w", pol.ID, err)
		}
		if n > 0 {
			t.forget()
		}
	}
	return nil
}
