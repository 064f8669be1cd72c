package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// PutEpisode writes an episode. due is when it ends unless it is written again; a zero time says that
// it has ended.
//
// A state that the episode was not in before, or an acknowledgement, also enters its history.
func (tx *Tx) PutEpisode(ep verdict.Episode, due time.Time) error {
	before, err := tx.Episode(ep.ID)
	if err != nil {
		return err
	}
	body, err := tx.packJSON("episode", ep)
	if err == nil && (before == nil || before.State != ep.State || (before.Acknowledged == nil) != (ep.Acknowledged == nil)) {
		at := ep.StartedAt
		if ep.EndedAt != nil {
			at = *ep.EndedAt
		}
		err = tx.addHistory(episodeHistory, micros(at), body)
	}
	if err == nil {
		err = tx.run(`INSERT INTO episodes (id, policy, account, name, severity, state, started, due, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, state = excluded.state, started = excluded.started, due = excluded.due, body = excluded.body`,
			ep.ID, string(ep.Policy), ep.AccountID, ep.Key, string(ep.Severity), string(ep.State), micros(ep.StartedAt), micros(due), body)
	}
	if err != nil {
		return fmt.Errorf("write episode %s: %w", ep.ID, err)
	}
	return nil
}

// DeleteEpisode forgets an episode that turned out to be part of another.
// Its history says so by the state MERGED.
func (tx *Tx) DeleteEpisode(id string) error {
	ep, err := tx.Episode(id)
	if err != nil || ep == nil {
		return err
	}
	ep.State = verdict.AlarmMerged
	body, err := tx.packJSON("episode", ep)
	if err == nil {
		err = tx.addHistory(episodeHistory, micros(ep.StartedAt), body)
	}
	if err == nil {
		err = tx.run(`DELETE FROM episodes WHERE id = ?`, id)
	}
	if err != nil {
		return fmt.Errorf("merge episode %s: %w", id, err)
	}
	return nil
}

// Episode returns an episode, nil where there is none.
func (tx *Tx) Episode(id string) (*verdict.Episode, error) {
	return firstEpisode(tx.episodes(tx.each, ` WHERE id = ?`, id))
}

// OpenEpisode returns the episode of a key that is in ALARM, the latest where late matches made
// several; nil where there is none.
func (tx *Tx) OpenEpisode(k AlarmKey) (*verdict.Episode, error) {
	return firstEpisode(tx.episodes(tx.each, ` WHERE policy = ? AND account = ? AND name = ? AND state = 'ALARM' ORDER BY started DESC, id DESC LIMIT 1`,
		string(k.Policy), k.Account, k.Key))
}

func firstEpisode(all []verdict.Episode, err error) (*verdict.Episode, error) {
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// EpisodeDue returns when an episode ends; a zero time where it has.
func (tx *Tx) EpisodeDue(id string) (time.Time, error) {
	var due int64
	_, err := tx.one(`SELECT due FROM episodes WHERE id = ?`, []any{id}, &due)
	return fromMicros(due), err
}

// EpisodesDue returns episodes whose end has come.
func (tx *Tx) EpisodesDue(now time.Time, limit int) ([]verdict.Episode, error) {
	return tx.episodes(tx.each, ` WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?`, micros(now), limit)
}

// EpisodeFilter chooses episodes. Empty fields match anything; Policy may hold "*" and "?".
type EpisodeFilter struct {
	Active                    bool
	Policy, Severity, Account string
	// Text must stand somewhere in the episode, whatever the case.
	Text string
	// Before goes on below a start time and id; nil for the first page.
	Before *verdict.Episode
	// Limit is how many episodes a page has, 100 where it is 0.
	Limit int
}

// Episodes returns matching episodes, newest first.
func (tx *Tx) Episodes(f EpisodeFilter) ([]verdict.Episode, error) {
	var w where
	if f.Active {
		w.add(`state = 'ALARM'`)
	}
	w.glob("policy", f.Policy)
	w.equal("severity", f.Severity)
	w.equal("account", f.Account)
	limit, text := pageLimit(f.Limit), NewText(f.Text)
	var out []verdict.Episode
	for before := f.Before; ; {
		page := w.clone()
		if before != nil {
			at := micros(before.StartedAt)
			page.add(`started <= ?`, at)
			page.add(`(started < ? OR id < ?)`, at, before.ID)
		}
		found, err := tx.episodes(tx.search, page.String()+` ORDER BY started DESC, id DESC LIMIT ?`, append(page.args, limit)...)
		if err != nil {
			return nil, err
		}
		for i := range found {
			before = &found[i]
			keep, err := text.inValue(before)
			if err != nil {
				return nil, err
			}
			if !keep {
				continue
			}
			if out = append(out, *before); len(out) == limit {
				return out, nil
			}
		}
		if len(found) < limit {
			return out, nil
		}
	}
}

// CountEpisodes returns how many alarms are in ALARM.
func (tx *Tx) CountEpisodes() (active, all int64, err error) {
	if _, err = tx.one(`SELECT count(*) FROM episodes WHERE state = 'ALARM'`, nil, &active); err != nil {
		return 0, 0, err
	}
	_, err = tx.one(`SELECT count(*) FROM episodes`, nil, &all)
	return active, all, err
}

func (tx *Tx) episodes(read reading, where string, args ...any) ([]verdict.Episode, error) {
	var bodies [][]byte
	err := read(`SELECT body FROM episodes`+where, args, func(r *sql.Rows) error {
		var body []byte
		err := r.Scan(&body)
		bodies = append(bodies, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read episodes: %w", err)
	}
	out := make([]verdict.Episode, len(bodies))
	for i, packed := range bodies {
		if err := tx.unpackJSON(packed, &out[i]); err != nil {
			return nil, fmt.Errorf("read episode: %w", err)
		}
	}
	return out, nil
}
