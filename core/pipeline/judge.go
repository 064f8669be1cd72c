package pipeline

import (
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// quiet says why the changes of a record are not sent one by one.
func quiet(g *Generation, recorded, now time.Time, first bool) string {
	switch {
	case g.NotifyMaxAge > 0 && now.Sub(recorded) > g.NotifyMaxAge:
		return verdict.QuietOld
	case first:
		return verdict.QuietFirst
	}
	return ""
}
