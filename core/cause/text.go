package cause

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// By says who did it in a line, "" where nobody was seen.
func By(c *verdict.Cause) string {
	if c.Actor == nil || c.Event == nil {
		return ""
	}
	who := c.Actor.ID
	if who == "" {
		who = c.Actor.Name
	}
	text := "by " + who
	if c.Origin != nil && c.Origin.Address != "" {
		text += " from " + c.Origin.Address
	}
	if c.Event.Action != "" {
		text += " via " + c.Event.Action
	}
	return text + " at " + moment(c.Event.Time)
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// settledText says what changed a finding where nobody is looked for.
func settledText(c *verdict.Cause) string {
	switch c.Kind {
	case verdict.CauseWaiver:
		if c.Outcome == "WAIVED" {
			return fmt.Sprintf("the waiver %q covers it now", c.Waiver)
		}
		return fmt.Sprintf("the waiver %q covers it no more", c.Waiver)
	case verdict.CauseTime:
		return "the policy was run again, and neither the resource nor what else it reads had changed: it depends on the time"
	}
	r := c.Rules
	switch {
	case r == nil || r.PolicyAfter == "":
		return "the policy was removed or disabled; the resource did not change"
	case r.PolicyBefore == "":
		return "the policy is new to this resource; the resource did not change"
	case r.PolicyBefore == r.PolicyAfter:
		return "the policy's parameters changed; the resource did not"
	}
	return "the policy changed; the resource did not"
}

// seen is what is known of the events around a change beside those that were found.
type seen struct {
	// sources are the instances that ever sent events, gaps those in which some of them were.
	sources []record.Instance
	gaps    []store.GapRow
	// cut is true where there were more events than were looked at.
	cut bool
}

// linkedText says what changed a finding and who did it.
func linkedText(c *verdict.Cause, s *seen) string {
	var head string
	switch {
	case c.Kind == verdict.CauseDependency && c.Other == nil:
		head = "another resource changed that the policy reads, and is not known any more"
	case c.Kind == verdict.CauseDependency:
		head = fmt.Sprintf("%s %s changed, which the policy reads", c.Other.Subject.ResourceType, c.Other.Subject.ResourceID)
	case c.Before == 0:
		head = "the resource was first recorded like this"
	}
	if c.Rules != nil {
		// The policy changed while the resource did, and cannot be told apart from it.
		head = strings.TrimPrefix(head+"; the policy changed as well", "; ")
	}
	by := By(c)
	switch {
	case by != "" && c.Before == 0 && c.Kind == verdict.CauseVersion:
		by = "made " + by
	case by != "":
		by = "changed " + by
	default:
		by = unknown(c, s)
	}
	if head == "" {
		return by
	}
	return head + "; " + by
}

// unknown says that nobody was seen, and why that may be.
func unknown(c *verdict.Cause, s *seen) string {
	between := fmt.Sprintf("between %s and %s", moment(c.From), moment(c.To))
	if c.Kind == verdict.CauseDependency && c.Other == nil {
		return "actor unknown"
	}
	if c.Event != nil {
		return fmt.Sprintf("actor unknown: %s at %s names none", c.Event.Action, moment(c.Event.Time))
	}
	if n := len(c.Candidates); n > 0 {
		return fmt.Sprintf("actor unknown: what was seen on this resource %s only read or failed", between)
	}
	text := "actor unknown: no collector saw an event on this resource " + between
	if len(s.sources) == 0 {
		return text + "; no collector here records events"
	}
	var in []string
	for _, g := range s.gaps {
		if !slices.Contains(s.sources, g.Instance) || !g.To.IsZero() && g.To.Before(c.From) || g.From.After(c.To) {
			continue
		}
		span := "since " + moment(g.From)
		if !g.To.IsZero() {
			span = fmt.Sprintf("from %s to %s", moment(g.From), moment(g.To))
		}
		in = append(in, fmt.Sprintf("%s was in a gap %s", g.Instance, span))
	}
	slices.Sort(in)
	if in = slices.Compact(in); len(in) > 0 {
		text += "; " + strings.Join(in[:min(3, len(in))], ", ")
	}
	if s.cut {
		text += "; there were more events than are looked at"
	}
	return text
}
