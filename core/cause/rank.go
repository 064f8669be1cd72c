package cause

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// The parts of a score. How surely the event is about the resource counts most, then whether it can have
// changed anything, then how near it is to the capture; the rest decides between equals.
const (
	scoreARN        = 40
	scoreID         = 40
	scoreName       = 36
	scoreUntypedID  = 34
	scoreUntypedOne = 26

	scoreSuccess = 20
	// scoreUnknown is for an outcome that nobody recorded; most such calls succeed.
	scoreUnknown = 12
	scoreChanges = 20
	// scoreMaybe is for an action whose name says neither.
	scoreMaybe = 8
	// scoreFit is for an action that does what became of the resource: a delete where it is gone, a create
	// where it is new, or the words of the fields that changed.
	scoreFit  = 10
	scoreTime = 15
	// scoreLate is for an event after the capture, which clocks that differ can make of one before it.
	scoreLate = 6
	// scoreStale is for an event from before the resource was last seen as it was: somebody did
	// something, and the version before was seen after it.
	scoreStale = -15
	scoreActor = 8
	// scoreService is for services that act by themselves; a person's call has usually set them off.
	scoreService = -4
	scoreRegion  = -5
)

// most is how many candidates a cause keeps.
const most = 5

// subject is what candidates are ranked for.
type subject struct {
	item *record.Item
	// first is true where the version is the resource's first.
	first bool
	// at is the capture; since is until when the version before is known to have been in force.
	at, since, from, to time.Time
	changes             []verdict.FieldChange
}

// rank orders the events that are about a resource, the likeliest first.
func rank(s *subject, events []store.EventRow) []verdict.Candidate {
	var out []verdict.Candidate
	words := changedWords(s.changes)
	for i := range events {
		if c, ok := score(s, &events[i], words); ok {
			out = append(out, c)
		}
	}
	distance := func(c *verdict.Candidate) time.Duration { return s.at.Sub(c.Time).Abs() }
	slices.SortFunc(out, func(a, b verdict.Candidate) int {
		switch {
		case (a.Excluded == "") != (b.Excluded == ""):
			if a.Excluded == "" {
				return -1
			}
			return 1
		case a.Score != b.Score:
			return b.Score - a.Score
		case distance(&a) != distance(&b):
			return int(min(max(distance(&a)-distance(&b), -1), 1))
		}
		return int(min(max(a.Number-b.Number, -1), 1))
	})
	return out[:min(len(out), most)]
}

// score makes a candidate of an event; false where it is not about the resource.
func score(s *subject, row *store.EventRow, words map[string]bool) (verdict.Candidate, bool) {
	ev := &row.Event
	points, why := about(s.item, ev)
	if points == 0 {
		return verdict.Candidate{}, false
	}
	c := verdict.Candidate{
		CauseEvent: verdict.CauseEvent{
			Number: row.Number, Source: ev.Source, ID: ev.ID, Time: ev.Time, Action: ev.Action, Outcome: string(ev.Outcome), ErrorCode: ev.ErrorCode,
		},
		Actor: verdict.Actor(ev.Actor), Origin: verdict.Origin(ev.Origin),
	}
	add := func(n int, text string) {
		c.Score += n
		c.Why = append(c.Why, text)
	}
	add(points, why)
	switch ev.Outcome {
	case record.OutcomeSuccess:
		add(scoreSuccess, "it succeeded")
	case record.OutcomeFailure:
		c.Excluded = "it failed"
	default:
		add(scoreUnknown, "its outcome is not known")
	}
	kind := effectOf(ev)
	switch kind {
	case effectReads:
		if c.Excluded == "" {
			c.Excluded = "it only reads"
		}
	case effectChanges, effectCreates, effectDeletes:
		add(scoreChanges, "it changes something")
	default:
		add(scoreMaybe, "it may change something")
	}
	switch {
	case s.item.Status.Gone() && kind == effectDeletes:
		add(scoreFit, "it deletes, and the resource is gone")
	case s.first && kind == effectCreates:
		add(scoreFit, "it creates, and the resource is new")
	default:
		for _, w := range splitWords(actionName(ev.Action)) {
			if words[w] {
				add(scoreFit, fmt.Sprintf("it names %q, and so does what changed", w))
				break
			}
		}
	}
	switch before := s.at.Sub(ev.Time); {
	case before < 0:
		share := 1 - float64(-before)/float64(max(s.to.Sub(s.at), 1))
		add(int(scoreLate*max(share, 0)), (-before).Round(time.Second).String()+" after the capture")
	case !s.since.IsZero() && ev.Time.Before(s.since):
		add(scoreStale, "before the resource was last seen unchanged")
	default:
		share := 1 - float64(before)/float64(max(s.at.Sub(s.from), 1))
		add(int(scoreTime*max(share, 0)), before.Round(time.Second).String()+" before the capture")
	}
	if ev.Actor.ID != "" || ev.Actor.Name != "" {
		add(scoreActor, "its actor is known")
		if service(ev.Actor) {
			add(scoreService, "a service did it by itself")
		}
	}
	if ev.Region != "" && s.item.Region != "" && ev.Region != s.item.Region {
		add(scoreRegion, "it was recorded in another region")
	}
	return c, true
}

// about says how surely an event is about a resource; 0 is not at all. A target of another type, or in
// another account, is another resource that happens to have the same name, unless it bears the ARN.
func about(it *record.Item, ev *record.Event) (best int, why string) {
	for _, t := range ev.Targets {
		if it.ARN != "" && (t.ResourceID == it.ARN || t.Name == it.ARN) {
			return scoreARN, "it names the resource's ARN"
		}
		account := t.AccountID
		if account == "" {
			account = ev.AccountID
		}
		if t.ResourceType != "" && t.ResourceType != it.ResourceType || account != "" && it.AccountID != "" && account != it.AccountID {
			continue
		}
		points, text := 0, ""
		switch {
		case t.ResourceID == it.ResourceID:
			points, text = scoreID, "it names the resource's id"
			if t.ResourceType == "" {
				points, text = scoreUntypedID, "it names the resource's id, of no type"
			}
		case t.Name != "" && (t.Name == it.ResourceName || t.Name == it.ResourceID) || t.ResourceID != "" && t.ResourceID == it.ResourceName:
			points, text = scoreName, "it names the resource's name"
			if t.ResourceType == "" {
				points, text = scoreUntypedOne, "it names the resource's name, of no type"
			}
		}
		if points > best {
			best, why = points, text
		}
	}
	return best, why
}

// effect is what the name of an action says that it does.
type effect int

const (
	effectUnknown effect = iota
	effectReads
	effectChanges
	effectCreates
	effectDeletes
)

// verbs are the first words of actions, in lower case, as clouds and Kubernetes name them.
var verbs = func() map[string]effect {
	m := map[string]effect{}
	for e, text := range map[effect]string{
		effectReads: `get list describe head lookup search view check test validate verify simulate query scan select preview estimate
			read watch poll discover filter count resolve download is has show export print inspect peek explain`,
		effectCreates: `create run launch register import allocate provision issue copy clone restore generate`,
		effectDeletes: `delete remove terminate deregister release revoke destroy purge drop deletecollection unregister`,
		effectChanges: `put update modify set attach detach authorize add enable disable start stop reboot tag untag associate disassociate
			change replace apply patch write rotate reset move rename grant deny accept reject cancel upgrade publish promote assign
			unassign install uninstall edit lock unlock suspend resume scale schedule transfer share unshare upload append merge`,
	} {
		for _, v := range strings.Fields(text) {
			m[v] = e
		}
	}
	return m
}()

// effectOf says what an event did: by its own word where the source gives one, else by the action's name.
func effectOf(ev *record.Event) effect {
	words := splitWords(actionName(ev.Action))
	e := effectUnknown
	for i, w := range words {
		if i == 0 && (w == "batch" || w == "bulk" || w == "admin" || w == "force") {
			continue
		}
		e = verbs[w]
		break
	}
	// CloudTrail says of each call whether it only reads.
	var said struct {
		Detail struct {
			ReadOnly *bool `json:"readOnly"`
		} `json:"detail"`
	}
	// Where detail is of another shape nothing is said.
	if json.Unmarshal(ev.Body, &said) == nil && said.Detail.ReadOnly != nil {
		switch {
		case *said.Detail.ReadOnly:
			return effectReads
		case e == effectReads || e == effectUnknown:
			return effectChanges
		}
	}
	return e
}

// actionName is an action without the service before it: PutBucketAcl of s3:PutBucketAcl.
func actionName(action string) string {
	if i := strings.LastIndexAny(action, ":./"); i >= 0 && i+1 < len(action) {
		return action[i+1:]
	}
	return action
}

// splitWords parts what is written inCamelCase or with_other marks, in lower case.
func splitWords(s string) []string {
	var out []string
	var word []rune
	runes := []rune(s)
	end := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		word = append(word, r)
	}
	end()
	return out
}

// changedWords are the words of the fields that changed, but for those too short or too common to mean
// anything.
func changedWords(changes []verdict.FieldChange) map[string]bool {
	out := map[string]bool{}
	for _, c := range changes {
		for _, w := range splitWords(c.Path) {
			if _, verb := verbs[w]; len(w) >= 3 && !verb && w != "configuration" && w != "supplementary" && w != "resource" {
				out[w] = true
			}
		}
	}
	return out
}

func service(a record.Actor) bool {
	return a.Type == "AWSService" || strings.HasSuffix(a.ID, ".amazonaws.com") || strings.HasPrefix(a.ID, "system:")
}
