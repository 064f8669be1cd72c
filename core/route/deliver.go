package route

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

// deliver makes one delivery for each notifier of the route.
func (s *session) deliver(rt *Route, name string, g *held) error {
	changes := g.Waiting
	repeated := len(changes) == 0
	if repeated {
		for _, c := range g.Active {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	for _, inst := range rt.Notify {
		mine := make([]verdict.Change, 0, len(changes))
		for _, c := range changes {
			if c.Class == verdict.ClassHealth && c.Instance == string(inst) {
				continue
			}
			mine = append(mine, c)
		}
		if len(mine) == 0 {
			continue
		}
		n, err := s.notification(rt, name, g, mine, inst, repeated)
		if err != nil {
			return err
		}
		doc, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("write notification of route %s: %w", rt.Name, err)
		}
		_, err = s.tx.AddDelivery(store.Delivery{
			ID: n.ID, Route: rt.Name, Instance: inst, GroupKey: rt.Name + " " + name, Class: verdict.Class(n.Class),
			Created: s.now, Next: s.now, State: store.Pending, Document: doc,
		})
		if err != nil {
			return fmt.Errorf("write delivery of route %s: %w", rt.Name, err)
		}
		s.made++
	}
	return nil
}

func (s *session) notification(rt *Route, name string, g *held, changes []verdict.Change, inst record.Instance, repeated bool) (sdk.Notification, error) {
	n := sdk.Notification{
		ID: "D" + rand.Text(), Time: s.now, Source: s.r.o.Source, Route: rt.Name, Instance: string(inst),
		GroupKey: rt.Name + " " + name, Group: g.Values, Truncated: g.Truncated, Summary: g.Summary, Changes: []sdk.Change{},
	}
	worst := verdict.Severity("")
	active, ended := 0, 0
	for i, c := range changes {
		if n.Generation < c.Generation {
			n.Generation = c.Generation
		}
		if worst == "" || c.Severity.Rank() < worst.Rank() {
			worst = c.Severity
		}
		switch {
		case c.Active:
			active++
		case c.Class != verdict.ClassConfiguration && c.Class != verdict.ClassActivity:
			ended++
		}
		if i >= listed {
			n.Truncated++
			continue
		}
		told := shown(c)
		if err := s.tellCause(rt, name, &n, &c, &told); err != nil {
			return n, err
		}
		n.Changes = append(n.Changes, told)
	}
	n.Class, n.Severity = string(changes[0].Class), string(worst)
	switch {
	case active > 0:
		n.Status = sdk.StatusFiring
	case ended > 0:
		n.Status = sdk.StatusResolved
	default:
		n.Status = sdk.StatusChanged
	}
	n.Title, n.Text = words(&n, changes, repeated)
	return n, nil
}

func shown(c verdict.Change) sdk.Change {
	out := sdk.Change{
		Seq: c.Seq, Class: string(c.Class), At: c.At, RecordedAt: c.RecordedAt, Key: c.Key, Policy: string(c.Policy),
		Severity: string(c.Severity), Title: c.Title, Message: c.Message, AccountID: c.Account, Labels: c.Labels,
		Old: c.Old, New: c.New, Active: c.Active, Instance: c.Instance, Generation: c.Generation, Data: c.Data,
	}
	if c.Resource != nil {
		r := sdk.Resource(*c.Resource)
		out.Resource = &r
	}
	return out
}

// errNoWords cannot happen: deliver is called with changes only.
var errNoWords = errors.New("no changes")

// words writes the title and the text that a person reads.
func words(n *sdk.Notification, changes []verdict.Change, repeated bool) (title, text string) {
	if len(changes) == 0 {
		panic(errNoWords)
	}
	if n.Summary != nil {
		return fmt.Sprintf("First judgement: %d findings", n.Summary.Total),
			fmt.Sprintf("%d findings by %d policies were found when their policies or their collector were new. From now on each change is told by itself.", n.Summary.Total, len(n.Summary.ByPolicy))
	}
	first := changes[len(changes)-1]
	title = first.Title
	if first.Severity != "" {
		title = fmt.Sprintf("[%s] %s", first.Severity, title)
	}
	if repeated {
		title += " (still)"
	}
	if n.Status == sdk.StatusResolved {
		title += " (resolved)"
	}
	if extra := len(changes) - 1; extra > 0 {
		title += fmt.Sprintf(" and %d more", extra)
	}
	for i, c := range changes[:min(10, len(changes))] {
		if i > 0 {
			text += "\n"
		}
		if c.Resource != nil {
			text += c.Resource.ResourceID + ": "
		}
		text += c.New
		if c.Message != "" {
			text += ": " + c.Message
		}
		// The first changes are listed in this order.
		if i < len(n.Changes) && n.Changes[i].Cause != nil && n.Changes[i].Cause.Actor != nil {
			text += " (" + n.Changes[i].Cause.Text + ")"
		}
	}
	return title, text
}
