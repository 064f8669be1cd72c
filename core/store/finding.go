package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// ResourceFinding is a finding with its place in the store.
type ResourceFinding struct {
	// Row orders findings by when they were first opened.
	Row      int64
	Resource int64
	verdict.Finding
}

// Finding returns the finding of a policy on a resource, nil where there never was one.
func (tx *Tx) Finding(policy verdict.PolicyID, resource int64) (*verdict.Finding, error) {
	all, err := tx.findings(`WHERE policy = ? AND resource = ?`, string(policy), resource)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0].Finding, err
}

// FindingByID returns a finding by its id, nil where there is none.
func (tx *Tx) FindingByID(id string) (*ResourceFinding, error) {
	all, err := tx.findings(`WHERE id = ?`, id)
	if len(all) == 0 {
		return nil, err
	}
	return &all[0], err
}

// FindingsOf returns the findings of a policy in the order of their resources after one.
func (tx *Tx) FindingsOf(policy verdict.PolicyID, after int64, limit int) ([]ResourceFinding, error) {
	return tx.findings(`WHERE policy = ? AND resource > ? ORDER BY resource LIMIT ?`, string(policy), after, limit)
}

// FindingsOn returns the findings on a resource.
func (tx *Tx) FindingsOn(resource int64) ([]ResourceFinding, error) {
	return tx.findings(`WHERE resource = ? ORDER BY policy`, resource)
}

// OpenFindings returns open findings after a row.
func (tx *Tx) OpenFindings(after int64, limit int) ([]ResourceFinding, error) {
	return tx.findings(`WHERE status = 'OPEN' AND row > ? ORDER BY row LIMIT ?`, after, limit)
}

func (tx *Tx) findings(where string, args ...any) ([]ResourceFinding, error) {
	var out []ResourceFinding
	err := tx.each(`SELECT row, resource, body FROM findings `+where, args, func(r *sql.Rows) error {
		var f ResourceFinding
		var body []byte
		if err := r.Scan(&f.Row, &f.Resource, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &f.Finding); err != nil {
			return fmt.Errorf("read finding %d: %w", f.Row, err)
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

// PutFinding writes the finding of a policy on a resource.
func (tx *Tx) PutFinding(resource int64, f verdict.Finding) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write finding %s: %w", f.ID, err)
	}
	changed := f.LastSeen
	if f.ResolvedAt != nil {
		changed = *f.ResolvedAt
	}
	res, err := tx.exec(`UPDATE findings SET status = ?, outcome = ?, severity = ?, waiver = ?, changed = ?, body = ? WHERE policy = ? AND resource = ?`,
		string(f.Status), string(f.Outcome), string(f.Severity), f.Waiver, micros(changed), body, string(f.Policy), resource)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	row, err := tx.nextID("findings", "row")
	if err != nil {
		return err
	}
	return tx.run(`INSERT INTO findings (row, id, policy, resource, status, outcome, severity, account, resource_type, resource_id, waiver, changed, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, row, f.ID, string(f.Policy), resource, string(f.Status), string(f.Outcome),
		string(f.Severity), f.Subject.AccountID, f.Subject.ResourceType, f.Subject.ResourceID, f.Waiver, micros(changed), body)
}

// FindingFilter chooses findings. Empty fields match anything; Policy, Type and Resource may hold "*"
// and "?".
type FindingFilter struct {
	Status, Outcome, Severity, Policy, Type, Resource, Account string
	// Waived chooses waived findings or those that are not.
	Waived *bool
	// Before goes on below a row; 0 for the first page.
	Before int64
	Limit  int
}

// Findings returns matching findings, newest first.
func (tx *Tx) Findings(f FindingFilter) ([]ResourceFinding, error) {
	where, args := []string{"1 = 1"}, []any{}
	for _, c := range []struct{ column, value string }{
		{"status", f.Status},
		{"outcome", f.Outcome},
		{"severity", f.Severity},
		{"policy", f.Policy},
		{"resource_type", f.Type},
		{"resource_id", f.Resource},
		{"account", f.Account},
	} {
		switch {
		case c.value == "":
			continue
		case strings.ContainsAny(c.value, "*?"):
			where, args = append(where, c.column+` LIKE ? ESCAPE '!'`), append(args, likePattern(c.value))
		default:
			where, args = append(where, c.column+` = ?`), append(args, c.value)
		}
	}
	if f.Waived != nil {
		where = append(where, map[bool]string{true: `waiver <> ''`, false: `waiver = ''`}[*f.Waived])
	}
	if f.Before > 0 {
		where, args = append(where, `row < ?`), append(args, f.Before)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	return tx.findings(`WHERE `+strings.Join(where, " AND ")+` ORDER BY row DESC LIMIT ?`, append(args, limit)...)
}

// CountFindings returns how many open findings there are by severity, waived ones apart under
// "waived".
func (tx *Tx) CountFindings() (map[string]int64, error) {
	out := map[string]int64{}
	err := tx.each(`SELECT severity, waiver <> '', count(*) FROM findings WHERE status = 'OPEN' GROUP BY severity, waiver <> ''`, nil, func(r *sql.Rows) error {
		var severity string
		var waived bool
		var n int64
		if err := r.Scan(&severity, &waived, &n); err != nil {
			return err
		}
		if waived {
			severity = "waived"
		}
		out[severity] += n
		return nil
	})
	return out, err
}

// AlarmKey names one key of an alarm policy.
type AlarmKey struct {
	Policy  verdict.PolicyID
	Account string
	Key     string
}

// MatchRow is one kept match of a key; At is in microseconds since 1970.
type MatchRow struct {
	At    int64
	Event string
	Value string
}

// AlarmKey returns the state of a key and its matches in order; a nil state says that the key is new.
func (tx *Tx) AlarmKey(k AlarmKey) (state []byte, matches []MatchRow, err error) {
	var id int64
	ok, err := tx.one(`SELECT id, state FROM alarm_keys WHERE policy = ? AND account = ? AND name = ?`, []any{string(k.Policy), k.Account, k.Key}, &id, &state)
	if err != nil || !ok {
		return nil, nil, err
	}
	err = tx.each(`SELECT at, event, value FROM alarm_matches WHERE alarm_key = ? ORDER BY at, event, value`, []any{id}, func(r *sql.Rows) error {
		var m MatchRow
		if err := r.Scan(&m.At, &m.Event, &m.Value); err != nil {
			return err
		}
		matches = append(matches, m)
		return nil
	})
	return state, matches, err
}

// PutAlarmKey writes the state of a key, adds a match where one is given, and lets go of the matches
// up to the time trimmed, where that is not 0. now is when this happened.
func (tx *Tx) PutAlarmKey(k AlarmKey, state []byte, newest int64, now time.Time, add *MatchRow, trimmed int64) error {
	var id int64
	ok, err := tx.one(`SELECT id FROM alarm_keys WHERE policy = ? AND account = ? AND name = ?`, []any{string(k.Policy), k.Account, k.Key}, &id)
	if err != nil {
		return err
	}
	if ok {
		err = tx.run(`UPDATE alarm_keys SET state = ?, newest = ?, updated = ? WHERE id = ?`, state, newest, micros(now), id)
	} else if id, err = tx.nextID("alarm_keys", "id"); err == nil {
		err = tx.run(`INSERT INTO alarm_keys (id, policy, account, name, state, newest, updated) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			id, string(k.Policy), k.Account, k.Key, state, newest, micros(now))
	}
	if err != nil {
		return err
	}
	if add != nil {
		if err := tx.run(`INSERT INTO alarm_matches (alarm_key, at, event, value) VALUES (?, ?, ?, ?) ON CONFLICT (alarm_key, at, event, value) DO NOTHING`, id, add.At, add.Event, add.Value); err != nil {
			return err
		}
	}
	if trimmed == 0 {
		return nil
	}
	return tx.run(`DELETE FROM alarm_matches WHERE alarm_key = ? AND at <= ?`, id, trimmed)
}

// CountKeys returns how many keys of a policy are kept.
func (tx *Tx) CountKeys(policy verdict.PolicyID) (n int, err error) {
	_, err = tx.one(`SELECT count(*) FROM alarm_keys WHERE policy = ?`, []any{string(policy)}, &n)
	return n, err
}

// PruneKeys lets go of the keys of a policy whose newest match is older than newest, in microseconds,
// and that have not changed since updated. It returns how many.
func (tx *Tx) PruneKeys(policy verdict.PolicyID, newest int64, updated time.Time) (int64, error) {
	const which = ` FROM alarm_keys WHERE policy = ? AND newest < ? AND updated < ?`
	args := []any{string(policy), newest, micros(updated)}
	if err := tx.run(`DELETE FROM alarm_matches WHERE alarm_key IN (SELECT id`+which+`)`, args...); err != nil {
		return 0, err
	}
	res, err := tx.exec(`DELETE`+which, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// PutEpisode writes an episode. due is when it ends unless it is written again; a zero time says that
// it has ended.
func (tx *Tx) PutEpisode(ep verdict.Episode, due time.Time) error {
	body, err := json.Marshal(ep)
	if err != nil {
		return fmt.Errorf("write episode %s: %w", ep.ID, err)
	}
	return tx.run(`INSERT INTO episodes (id, policy, account, severity, state, started, due, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, state = excluded.state, started = excluded.started, due = excluded.due, body = excluded.body`,
		ep.ID, string(ep.Policy), ep.AccountID, string(ep.Severity), string(ep.State), micros(ep.StartedAt), micros(due), body)
}

// DeleteEpisode forgets an episode that turned out to be part of another.
func (tx *Tx) DeleteEpisode(id string) error { return tx.run(`DELETE FROM episodes WHERE id = ?`, id) }

// Episode returns an episode, nil where there is none.
func (tx *Tx) Episode(id string) (*verdict.Episode, error) {
	all, err := tx.episodes(`WHERE id = ?`, id)
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
	return tx.episodes(`WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?`, micros(now), limit)
}

// EpisodeFilter chooses episodes. Empty fields match anything; Policy may hold "*" and "?".
type EpisodeFilter struct {
	Active                    bool
	Policy, Severity, Account string
	// Before goes on below a start time and id; nil for the first page.
	Before *verdict.Episode
	Limit  int
}

// Episodes returns matching episodes, newest first.
func (tx *Tx) Episodes(f EpisodeFilter) ([]verdict.Episode, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(clause string, a ...any) { where, args = append(where, clause), append(args, a...) }
	if f.Active {
		add(`state = 'ALARM'`)
	}
	if strings.ContainsAny(f.Policy, "*?") {
		add(`policy LIKE ? ESCAPE '!'`, likePattern(f.Policy))
	} else if f.Policy != "" {
		add(`policy = ?`, f.Policy)
	}
	if f.Severity != "" {
		add(`severity = ?`, f.Severity)
	}
	if f.Account != "" {
		add(`account = ?`, f.Account)
	}
	if f.Before != nil {
		at := micros(f.Before.StartedAt)
		add(`(started < ? OR started = ? AND id < ?)`, at, at, f.Before.ID)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	return tx.episodes(`WHERE `+strings.Join(where, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`, append(args, limit)...)
}

// CountEpisodes returns how many alarms are in ALARM.
func (tx *Tx) CountEpisodes() (active, all int64, err error) {
	if _, err = tx.one(`SELECT count(*) FROM episodes WHERE state = 'ALARM'`, nil, &active); err != nil {
		return 0, 0, err
	}
	_, err = tx.one(`SELECT count(*) FROM episodes`, nil, &all)
	return active, all, err
}

func (tx *Tx) episodes(where string, args ...any) ([]verdict.Episode, error) {
	var out []verdict.Episode
	err := tx.each(`SELECT body FROM episodes `+where, args, func(r *sql.Rows) error {
		var body []byte
		var ep verdict.Episode
		if err := r.Scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &ep); err != nil {
			return fmt.Errorf("read episode: %w", err)
		}
		out = append(out, ep)
		return nil
	})
	return out, err
}
