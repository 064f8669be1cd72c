package alarm

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

const (
	// maxKeys is how many keys of one alarm policy are followed at once.
	maxKeys = 10_000
	// maxEpisodeEvents is how many events an episode names.
	maxEpisodeEvents = 20
	// pruneIdle is how long nothing must have come for a key that is let go. Event time alone does not
	// do: a log of last year that is read now has windows that span its batches.
	pruneIdle = 15 * time.Minute
	// overflowStay is how long an overflow episode stays after the last match that found no room.
	overflowStay = time.Hour
)

// PrunePeriod is how often Prune is worth calling.
const PrunePeriod = time.Minute

// Key names one key of an alarm policy.
type Key struct {
	Policy  verdict.PolicyID
	Account string
	Key     string
}

// State is where a Book keeps what it follows. Whatever it answers belongs to the Book.
type State interface {
	// Track returns the state of a key, nil where the key is new.
	Track(k Key) (*Track, error)
	// PutTrack writes the state of a key at the time now. added is the point that was added, nil where
	// none was, and trimmed the time up to which points were let go, 0 where none were.
	PutTrack(k Key, t *Track, now time.Time, added *Point, trimmed int64) error
	// CountTracks returns how many keys of a policy there are.
	CountTracks(policy verdict.PolicyID) (int, error)
	// PruneTracks lets go of the keys of a policy whose newest match is older than newest, in
	// microseconds, and for which nothing came since idle. It returns how many.
	PruneTracks(policy verdict.PolicyID, newest int64, idle time.Time) (int64, error)
	// Episode returns an episode, nil where there is none with this id.
	Episode(id string) (*verdict.Episode, error)
	// PutEpisode writes an episode that ends at due unless something matches before.
	PutEpisode(ep verdict.Episode, due time.Time) error
	// DeleteEpisode removes an episode that turned out to be part of another.
	DeleteEpisode(id string) error
}

// Terms are what of a policy its episodes rest on and carry along.
type Terms struct {
	Rule     Rule
	Policy   verdict.PolicyID
	Title    string
	Severity verdict.Severity
	Controls map[string][]string
	Labels   map[string]string
}

// Occurrence is one match of a policy on one event. Sequence is where the event is recorded.
type Occurrence struct {
	Event    *record.Event
	Match    verdict.Match
	Sequence int64
}

// Beginning is an episode that began, or went on after its end, with the event time of the match.
type Beginning struct {
	Episode verdict.Episode
	At      time.Time
}

// Added says what became of a match.
type Added struct {
	// Late is true for a match that came too late to change anything, Overflow for one of a key that
	// is not followed for want of room.
	Late, Overflow bool
	Begun          []Beginning
}

// Book follows the keys of all alarm policies. It keeps the tracks that it met last in memory; the
// State has them all. It is not safe for concurrent use.
type Book struct {
	cached int
	byKey  map[Key]*Track
	counts map[verdict.PolicyID]int
}

// NewBook returns a book that keeps at most cached tracks in memory.
func NewBook(cached int) *Book {
	b := &Book{cached: cached}
	b.Forget()
	return b
}

// Forget drops everything in memory, so that it is read from the State again.
func (b *Book) Forget() {
	b.byKey = map[Key]*Track{}
	b.counts = map[verdict.PolicyID]int{}
}

// KeyOf returns the key that a match counts under: the policy's own, else the actor, else the address
// it came from.
func KeyOf(policy verdict.PolicyID, ev *record.Event, m verdict.Match) Key {
	k := Key{Policy: policy, Account: ev.AccountID}
	switch {
	case m.HasKey:
		k.Key = m.Key
	case ev.Actor.ID != "":
		k.Key = ev.Actor.ID
	case ev.Actor.Name != "":
		k.Key = ev.Actor.Name
	default:
		k.Key = ev.Origin.Address
	}
	return k
}

// Add adds one match to its key's track and writes what becomes of the episodes. now is when the match
// came, which may be long after the event.
func (b *Book) Add(s State, now time.Time, t *Terms, o Occurrence) (Added, error) {
	key := KeyOf(t.Policy, o.Event, o.Match)
	track, err := b.load(s, key)
	if err != nil {
		return Added{}, err
	}
	if track == nil {
		return b.overflow(s, now, t, o.Event)
	}
	point := Point{At: o.Event.Time.UnixMicro(), Event: o.Event.Ident(), Value: distinctValue(o.Match)}
	res := track.Add(t.Rule, point)
	switch {
	case res.Known:
		return Added{}, nil
	case res.Late:
		return Added{Late: true}, b.save(s, now, key, track, nil, 0)
	}
	for _, id := range res.Merged {
		if err := s.DeleteEpisode(id); err != nil {
			return Added{}, fmt.Errorf("merge episode %s: %w", id, err)
		}
	}
	var out Added
	for _, span := range res.Spans {
		if span.Episode == "" || span.Last == point.At || span.Start == point.At || point.At > span.Start && point.At < span.Last {
			begun, err := b.episode(s, t, o, key, track, span)
			if err != nil {
				return out, err
			}
			out.Begun = append(out.Begun, begun...)
		}
	}
	return out, b.save(s, now, key, track, &point, res.Trimmed)
}

// load returns the track of a key, nil where the policy follows as many keys as it may.
func (b *Book) load(s State, key Key) (*Track, error) {
	if tr := b.byKey[key]; tr != nil {
		return tr, nil
	}
	if len(b.byKey) >= b.cached {
		b.byKey = map[Key]*Track{}
	}
	tr, err := s.Track(key)
	if err != nil {
		return nil, fmt.Errorf("read alarm key of %s: %w", key.Policy, err)
	}
	if tr == nil {
		n, known := b.counts[key.Policy]
		if !known {
			if n, err = s.CountTracks(key.Policy); err != nil {
				return nil, fmt.Errorf("count keys of %s: %w", key.Policy, err)
			}
		}
		if n >= maxKeys {
			b.counts[key.Policy] = n
			return nil, nil
		}
		b.counts[key.Policy] = n + 1
		tr = &Track{}
	}
	b.byKey[key] = tr
	return tr, nil
}

func (b *Book) save(s State, now time.Time, key Key, tr *Track, added *Point, trimmed int64) error {
	if err := s.PutTrack(key, tr, now, added, trimmed); err != nil {
		return fmt.Errorf("write alarm key of %s: %w", key.Policy, err)
	}
	return nil
}

// Prune lets go of keys of a policy that no match can matter to any more.
func (b *Book) Prune(s State, now time.Time, policy verdict.PolicyID, r Rule) error {
	reach := r.Within + r.Lateness + r.ClearAfter
	n, err := s.PruneTracks(policy, now.Add(-reach).UnixMicro(), now.Add(-pruneIdle))
	if err != nil {
		return fmt.Errorf("let go of keys of %s: %w", policy, err)
	}
	if n > 0 {
		b.Forget()
	}
	return nil
}

// episode writes one span as its episode, and returns it where it began with this match.
func (b *Book) episode(s State, t *Terms, o Occurrence, key Key, track *Track, span Span) ([]Beginning, error) {
	ev := o.Event
	var ep *verdict.Episode
	if span.Episode != "" {
		var err error
		if ep, err = s.Episode(span.Episode); err != nil {
			return nil, fmt.Errorf("read episode %s: %w", span.Episode, err)
		}
	}
	opened := ep == nil
	if opened {
		ep = newEpisode(t, o, key, span)
		for _, p := range track.Window(t.Rule, span.Start, maxEpisodeEvents) {
			if p.Event != ev.Ident() {
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
		ep.Events = append(ep.Events, verdict.EventRef{Source: ev.Source, ID: ev.Ident(), Time: ev.Time, Action: ev.Action, Sequence: o.Sequence})
	}
	if err := s.PutEpisode(*ep, ep.LastMatch.Add(t.Rule.ClearAfter)); err != nil {
		return nil, fmt.Errorf("write episode %s: %w", ep.ID, err)
	}
	if opened || reopened {
		return []Beginning{{*ep, ev.Time}}, nil
	}
	return nil, nil
}

func newEpisode(t *Terms, o Occurrence, key Key, span Span) *verdict.Episode {
	ep := &verdict.Episode{
		ID: episodeID(key, span.Start, o.Event.Ident()), Policy: key.Policy, AccountID: key.Account, Key: key.Key,
		Title: t.Title, Severity: t.Severity, State: verdict.AlarmFiring, Message: o.Match.Message,
		Value: o.Match.Value, Details: o.Match.Details, Controls: t.Controls, Labels: t.Labels,
		Events: []verdict.EventRef{},
	}
	if o.Event.Actor != (record.Actor{}) {
		// A struct of strings always marshals.
		ep.Actor, _ = json.Marshal(o.Event.Actor)
	}
	return ep
}

// overflow opens the episode that says that a policy has more live keys than are followed.
func (b *Book) overflow(s State, now time.Time, t *Terms, ev *record.Event) (Added, error) {
	out := Added{Overflow: true}
	own := Key{Policy: t.Policy, Key: "(more keys than are followed)"}
	id := episodeID(own, 0, "overflow "+now.Format("2006-01-02"))
	ep, err := s.Episode(id)
	if err != nil {
		return out, fmt.Errorf("read episode %s: %w", id, err)
	}
	opened := ep == nil || ep.State != verdict.AlarmFiring
	if ep == nil {
		ep = &verdict.Episode{
			ID: id, Policy: t.Policy, Key: own.Key, Title: t.Title, Severity: t.Severity, Events: []verdict.EventRef{},
			Message:   fmt.Sprintf("More than %d keys of this alarm are live; matches of further keys are counted here and not followed one by one.", maxKeys),
			StartedAt: ev.Time, Controls: t.Controls, Labels: t.Labels,
		}
	}
	ep.State, ep.EndedAt = verdict.AlarmFiring, nil
	ep.LastMatch = ev.Time
	ep.Matches++
	if err := s.PutEpisode(*ep, now.Add(overflowStay)); err != nil {
		return out, fmt.Errorf("write episode %s: %w", id, err)
	}
	if opened {
		out.Begun = []Beginning{{*ep, now}}
	}
	return out, nil
}

// episodeID names an episode after what opened it, so that judging the same records again names it
// the same.
func episodeID(key Key, start int64, event string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d\x00%s", key.Policy, key.Account, key.Key, start, event))
	return "A" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10])
}

// distinctValue shortens a value to what telling it from others needs.
func distinctValue(m verdict.Match) string {
	if len(m.Value) <= 64 {
		return string(m.Value)
	}
	return record.Sum(m.Value).String()
}
