package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/verdict"
)

// maxCause bounds how far from a change its cause is looked for, and how long a route waits for it.
const maxCause = day

// cause reads how far from a version's capture events are looked for.
func (l *loader) cause(b *hcl.Block) {
	var raw struct {
		Before hcl.Expression `hcl:"before,optional"`
		After  hcl.Expression `hcl:"after,optional"`
	}
	if !l.decode(b, &raw) {
		return
	}
	l.bounded(raw.Before, "before", &l.c.Cause.Before)
	l.bounded(raw.After, "after", &l.c.Cause.After)
}

// actor reads how long a route holds findings back for their actor.
func (l *loader) actor(e hcl.Expression, r *Route) {
	l.bounded(e, "wait_for_actor", &r.WaitForActor)
	if r.WaitForActor > 0 && !slices.Contains(r.On, verdict.ClassCompliance) {
		l.errorf(e.Range(), "Nothing to wait for", "wait_for_actor holds findings back, and this route has none: add \"compliance\" to on, or leave it out.")
	}
}

// bounded reads a duration of a day at most.
func (l *loader) bounded(e hcl.Expression, name string, to *time.Duration) {
	d := *to
	l.duration(e, name, &d)
	if d > maxCause {
		l.errorf(e.Range(), "Invalid duration", "%s is 24h at most: no event is waited for longer than that.", name)
		return
	}
	*to = d
}
