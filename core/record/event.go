package record

import (
	"errors"
	"fmt"
)

// ParseEvent reads the event in body, which Canonical must have accepted and which is kept; the
// event's strings share its memory. hash is the digest of its canonical form.
func ParseEvent(body []byte, hash Digest) (Event, error) {
	ev := Event{Body: body, Hash: hash, Outcome: OutcomeUnknown}
	var problem error
	seen := false
	members(body, func(name, value []byte) bool {
		seen = true
		switch string(name) {
		case `"id"`:
			ev.ID = text(value)
		case `"source"`:
			ev.Source = text(value)
		case `"time"`:
			ev.Time, problem = ParseTime(text(value))
		case `"type"`:
			ev.Type = text(value)
		case `"action"`:
			ev.Action = text(value)
		case `"outcome"`:
			ev.Outcome = Outcome(text(value))
		case `"accountId"`:
			problem = want(&ev.AccountID, "accountId", value)
		case `"region"`:
			ev.Region = text(value)
		case `"error"`:
			members(value, func(name, value []byte) bool {
				if string(name) == `"code"` {
					ev.ErrorCode = text(value)
				}
				return true
			})
		case `"actor"`:
			members(value, func(name, value []byte) bool {
				switch string(name) {
				case `"type"`:
					ev.Actor.Type = text(value)
				case `"id"`:
					ev.Actor.ID = text(value)
				case `"name"`:
					ev.Actor.Name = text(value)
				case `"accountId"`:
					ev.Actor.AccountID = text(value)
				case `"sessionId"`:
					ev.Actor.SessionID = text(value)
				}
				return true
			})
		case `"origin"`:
			members(value, func(name, value []byte) bool {
				switch string(name) {
				case `"address"`:
					ev.Origin.Address = text(value)
				case `"userAgent"`:
					ev.Origin.UserAgent = text(value)
				}
				return true
			})
		case `"targets"`:
			elements(value, func(v []byte) {
				var t Target
				members(v, func(name, value []byte) bool {
					switch string(name) {
					case `"resourceType"`:
						t.ResourceType = text(value)
					case `"resourceId"`:
						t.ResourceID = text(value)
					case `"name"`:
						t.Name = text(value)
					case `"accountId"`:
						t.AccountID = text(value)
					case `"region"`:
						t.Region = text(value)
					}
					return true
				})
				ev.Targets = append(ev.Targets, t)
			})
		}
		return problem == nil
	})
	switch {
	case problem != nil:
		return Event{}, problem
	case !seen:
		return Event{}, errors.New("event is not a JSON object")
	case ev.Source == "":
		return Event{}, errors.New("event has no source")
	}
	switch ev.Outcome {
	case OutcomeSuccess, OutcomeFailure, OutcomeUnknown:
	default:
		return Event{}, fmt.Errorf("event has an unknown outcome %q", ev.Outcome)
	}
	return ev, nil
}

// MissingContainers returns, as JSON members joined by commas, the containers that an event must
// have and that body lacks. Policies read input.event.actor.id without asking whether there is an
// actor at all, so the objects are always there and only their leaves may be absent.
func MissingContainers(body []byte) string {
	const (
		hasError = 1 << iota
		hasActor
		hasOrigin
		hasTargets
		hasOutcome
	)
	var seen int
	members(body, func(name, _ []byte) bool {
		switch string(name) {
		case `"error"`:
			seen |= hasError
		case `"actor"`:
			seen |= hasActor
		case `"origin"`:
			seen |= hasOrigin
		case `"targets"`:
			seen |= hasTargets
		case `"outcome"`:
			seen |= hasOutcome
		}
		return true
	})
	if seen == hasError|hasActor|hasOrigin|hasTargets|hasOutcome {
		return ""
	}
	missing := ""
	for _, c := range [...]struct {
		bit    int
		member string
	}{
		{hasError, `"error":{}`},
		{hasActor, `"actor":{}`},
		{hasOrigin, `"origin":{}`},
		{hasTargets, `"targets":[]`},
		{hasOutcome, `"outcome":"unknown"`},
	} {
		if seen&c.bit == 0 {
			if missing != "" {
				missing += ","
			}
			missing += c.member
		}
	}
	return missing
}
