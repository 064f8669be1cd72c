package alarm

import (
	"cmp"
	"slices"
	"time"
)

// maxPoints is how many matches of one key are kept.
const maxPoints = 10_000

// Rule is what of an alarm policy decides about episodes.
type Rule struct {
	// Count and Within are the window; Count 1 means that every match alarms.
	Count  int
	Within time.Duration
	// Distinct counts different values instead of matches.
	Distinct bool
	// Lateness is how much older than the newest of its key a match may be.
	Lateness time.Duration
	// ClearAfter is how long after its last match an episode ends.
	ClearAfter time.Duration
}

// Point is one match as far as the window needs it. Times are microseconds since 1970.
type Point struct {
	At    int64
	Event string
	Value string
}

func (p Point) compare(o Point) int {
	return cmp.Or(cmp.Compare(p.At, o.At), cmp.Compare(p.Event, o.Event), cmp.Compare(p.Value, o.Value))
}

// Span is one episode as the run over the points sees it.
type Span struct {
	// Episode is the id of the stored episode; "" for one that is new.
	Episode string `json:"episode"`
	Start   int64  `json:"start"`
	Last    int64  `json:"last"`
	// Matches counts the matches since the start, those of the window that opened it included.
	Matches int64 `json:"matches"`
}

// Track is the state of one key.
type Track struct {
	// Points are the kept matches, sorted.
	Points []Point `json:"-"`
	// Newest is the time of the newest match.
	Newest int64 `json:"newest"`
	// Through is the time up to which nothing can change any more, and Settled the span in force
	// then, nil where there was none.
	Through int64 `json:"through"`
	Settled *Span `json:"settled,omitempty"`
	// Open are the spans that began after Through or go on past it, oldest first.
	Open []Span `json:"open,omitempty"`
	// Late counts the matches that came too late.
	Late int64 `json:"late,omitempty"`
}

// Result says what adding a match did.
type Result struct {
	// Late is true where the match came too late and nothing else happened.
	Late bool
	// Known is true where the very same match was there already.
	Known bool
	// Spans are the spans after Through, with the id of the stored episode where there is one.
	Spans []Span
	// Merged are the ids of episodes that are no more because they turned out to be part of another.
	Merged []string
	// Trimmed is the time before which kept points were let go, 0 where none were.
	Trimmed int64
}

// Add puts a match into the track.
func (t *Track) Add(r Rule, p Point) Result {
	if t.Newest != 0 && p.At <= t.Through {
		t.Late++
		return Result{Late: true}
	}
	i, known := slices.BinarySearchFunc(t.Points, p, Point.compare)
	if known {
		return Result{Known: true}
	}
	t.Points = slices.Insert(t.Points, i, p)
	t.Newest = max(t.Newest, p.At)

	var merged []string
	if i == len(t.Points)-1 {
		// In order, which is nearly always: the spans so far stand.
		t.Open = t.extend(r, t.Open, i)
	} else {
		spans := t.run(r, t.Settled, t.Through, t.Newest)
		merged = adopt(t.Open, spans)
		t.Open = spans
	}
	spans := slices.Clone(t.Open)
	return Result{Spans: spans, Merged: merged, Trimmed: t.settle(r)}
}

// Name records the id under which the span that starts at start is stored.
func (t *Track) Name(start int64, episode string) {
	for i := range t.Open {
		if t.Open[i].Start == start {
			t.Open[i].Episode = episode
		}
	}
	if t.Settled != nil && t.Settled.Start == start {
		t.Settled.Episode = episode
	}
}

// settle moves Through up to what lateness allows and lets go of points that no window reaches.
func (t *Track) settle(r Rule) (trimmed int64) {
	through := max(t.Through, t.Newest-r.Lateness.Microseconds()-1)
	if len(t.Points) > maxPoints {
		// What stays must hold a whole window's count, or the next match could not complete it.
		drop := len(t.Points) - max(maxPoints/2, 2*r.Count)
		through = max(through, t.Points[drop].At)
		trimmed = t.Points[drop].At
	}
	if through > t.Through {
		spans := t.run(r, t.Settled, t.Through, through)
		adopt(t.Open, spans)
		t.Settled = nil
		if n := len(spans); n > 0 {
			last := spans[n-1]
			t.Settled = &last
		}
		t.Through = through
		// Spans that ended for good are of no further use here.
		t.Open = slices.DeleteFunc(slices.Clone(t.Open), func(s Span) bool {
			return s.Last <= through && (t.Settled == nil || s.Start != t.Settled.Start)
		})
	}
	trimmed = max(trimmed, t.Through-r.Within.Microseconds())
	n := 0
	for n < len(t.Points) && t.Points[n].At <= trimmed {
		n++
	}
	if n == 0 {
		return 0
	}
	t.Points = slices.Delete(t.Points, 0, n)
	return trimmed
}

// run walks the points after `from` up to `to`, starting in the state at `from`, and returns the
// spans: the one in force at the beginning, if any, and those that began since.
func (t *Track) run(r Rule, at *Span, from, to int64) []Span {
	var spans []Span
	if at != nil {
		spans = append(spans, *at)
	}
	i, _ := slices.BinarySearchFunc(t.Points, from+1, func(p Point, at int64) int { return cmp.Compare(p.At, at) })
	for ; i < len(t.Points) && t.Points[i].At <= to; i++ {
		spans = t.extend(r, spans, i)
	}
	return spans
}

// extend adds point i to the spans of the points before it.
func (t *Track) extend(r Rule, spans []Span, i int) []Span {
	p := t.Points[i]
	if n := len(spans); n > 0 && p.At < spans[n-1].Last+r.ClearAfter.Microseconds() {
		spans[n-1].Last = p.At
		spans[n-1].Matches++
		return spans
	}
	if n := t.completes(r, i); n > 0 {
		spans = append(spans, Span{Start: p.At, Last: p.At, Matches: int64(n)})
	}
	return spans
}

// completes returns how many matches the window that ends with point i holds, or 0 where they are
// too few.
func (t *Track) completes(r Rule, i int) int {
	if r.Count <= 1 {
		return 1
	}
	if !r.Distinct {
		first := i - r.Count + 1
		if first < 0 || t.Points[i].At-t.Points[first].At >= r.Within.Microseconds() {
			return 0
		}
		for first > 0 && t.Points[i].At-t.Points[first-1].At < r.Within.Microseconds() {
			first--
		}
		return i - first + 1
	}
	values := map[string]bool{}
	n := 0
	for j := i; j >= 0 && t.Points[i].At-t.Points[j].At < r.Within.Microseconds(); j-- {
		values[t.Points[j].Value] = true
		n++
	}
	if len(values) < r.Count {
		return 0
	}
	return n
}

// adopt gives the spans the episode ids of the old spans that they overlap, and returns the ids that
// are left over.
func adopt(old, spans []Span) (left []string) {
	taken := map[string]bool{}
	for i := range spans {
		s := &spans[i]
		if s.Episode != "" {
			taken[s.Episode] = true
			continue
		}
		for _, o := range old {
			if o.Episode != "" && !taken[o.Episode] && o.Start <= s.Last && s.Start <= o.Last {
				s.Episode = o.Episode
				taken[o.Episode] = true
				break
			}
		}
	}
	for _, o := range old {
		if o.Episode != "" && !taken[o.Episode] {
			left = append(left, o.Episode)
		}
	}
	return left
}

// Window returns the points of the window that ends at time at, newest last, at most n of them.
func (t *Track) Window(r Rule, at int64, n int) []Point {
	end, _ := slices.BinarySearchFunc(t.Points, at+1, func(p Point, at int64) int { return cmp.Compare(p.At, at) })
	first := end
	for first > 0 && end-first < n && (r.Count <= 1 && t.Points[first-1].At == at || at-t.Points[first-1].At < r.Within.Microseconds()) {
		first--
	}
	return t.Points[first:end]
}
