package main

import (
	"fmt"

	"github.com/regent-dev/regent/core/verdict"
)

// causeRows show what changed a finding: the step, who did it, the fields, and what else may have been it.
func causeRows(c *verdict.Cause, row func(...any)) {
	text := c.Text
	if text == "" {
		text = "events are being looked for"
	}
	row(string(c.Step), fmt.Sprintf("%s: %s", short(c.At), text))
	switch {
	case c.Kind == verdict.CauseVersion && c.Before > 0:
		row("  version", fmt.Sprintf("%d, after %d", c.Version, c.Before))
	case c.Kind == verdict.CauseVersion:
		row("  version", fmt.Sprintf("%d, the first", c.Version))
	case c.Other != nil:
		row("  other", fmt.Sprintf("%s, version %d", c.Other.Subject, c.Other.Version))
	}
	for _, f := range c.Changes {
		row("  changed", fieldText(f))
	}
	if c.MoreChanges > 0 {
		row("  changed", fmt.Sprintf("and %d fields more", c.MoreChanges))
	}
	for i, e := range c.Candidates {
		name := "  or"
		if i == 0 && e.Excluded == "" {
			name = "  by"
		}
		row(name, candidateText(&e))
	}
}

func fieldText(f verdict.FieldChange) string {
	before, after := string(f.Old), string(f.Value)
	if f.Cut {
		before, after = "(long)", "(long)"
	}
	switch f.Op {
	case "add":
		return fmt.Sprintf("%s: set to %s", f.Path, cut(after, 80))
	case "remove":
		return fmt.Sprintf("%s: %s removed", f.Path, cut(before, 80))
	}
	return fmt.Sprintf("%s: %s → %s", f.Path, cut(before, 60), cut(after, 60))
}

func candidateText(e *verdict.Candidate) string {
	who := e.Actor.ID
	if who == "" {
		who = e.Actor.Name
	}
	if who == "" {
		who = "nobody that it names"
	}
	text := fmt.Sprintf("%s %s by %s", short(e.Time), e.Action, who)
	if e.Origin.Address != "" {
		text += " from " + e.Origin.Address
	}
	text += fmt.Sprintf(" (%s, event %s)", e.Outcome, e.ID)
	if e.Excluded != "" {
		text += ", but " + e.Excluded
	}
	return text
}
