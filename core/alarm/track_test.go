package alarm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const second = int64(time.Second / time.Microsecond)

// reference is the definition: the spans over all points, sorted.
func reference(r Rule, points []Point) []Span {
	points = slices.Clone(points)
	slices.SortFunc(points, Point.compare)
	points = slices.Compact(points)
	t := Track{Points: points}
	if len(points) == 0 {
		return nil
	}
	return t.run(r, nil, 0, points[len(points)-1].At)
}

// follow adds points in the order given and keeps the episodes as a store would.
func follow(r Rule, points []Point) (map[string]Span, *Track) {
	t := &Track{}
	episodes := map[string]Span{}
	for _, p := range points {
		res := t.Add(r, p)
		for _, id := range res.Merged {
			delete(episodes, id)
		}
		for _, s := range res.Spans {
			if s.Episode == "" {
				s.Episode = fmt.Sprint("e", len(episodes), "-", s.Start, "-", p.At)
				t.Name(s.Start, s.Episode)
			}
			episodes[s.Episode] = s
		}
	}
	return episodes, t
}

func spansOf(episodes map[string]Span) []Span {
	var out []Span
	for _, s := range episodes {
		s.Episode = ""
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Span) int { return int(a.Start - b.Start) })
	return out
}

func TestWindow(t *testing.T) {
	t.Parallel()
	at := func(seconds ...int64) (ps []Point) {
		for i, s := range seconds {
			ps = append(ps, Point{At: s * second, Event: fmt.Sprint(i)})
		}
		return ps
	}
	three := Rule{Count: 3, Within: 10 * time.Second, Lateness: time.Minute, ClearAfter: 10 * time.Second}
	for _, c := range []struct {
		name   string
		rule   Rule
		points []Point
		want   []Span
	}{
		{
			"each match alarms without a window",
			Rule{Count: 1, ClearAfter: 5 * time.Second, Lateness: time.Minute},
			at(100, 102, 110),
			[]Span{{Start: 100 * second, Last: 102 * second, Matches: 2}, {Start: 110 * second, Last: 110 * second, Matches: 1}},
		},
		{"two of three is nothing", three, at(100, 101), nil},
		{"the third completes", three, at(100, 101, 109), []Span{{Start: 109 * second, Last: 109 * second, Matches: 3}}},
		{"the window is half open", three, at(100, 101, 110), nil},
		{"a late match completes", three, at(100, 109, 101), []Span{{Start: 109 * second, Last: 109 * second, Matches: 3}}},
		{"a late match starts it earlier", three, at(100, 101, 105, 102), []Span{{Start: 102 * second, Last: 105 * second, Matches: 4}}},
		{"any match prolongs", three, at(100, 101, 102, 111), []Span{{Start: 102 * second, Last: 111 * second, Matches: 4}}},
		{"it ends clear_after the last", three, at(100, 101, 102, 112), []Span{{Start: 102 * second, Last: 102 * second, Matches: 3}}},
		{"a late match merges two", Rule{Count: 1, ClearAfter: 5 * time.Second, Lateness: time.Minute}, at(100, 108, 104), []Span{{Start: 100 * second, Last: 108 * second, Matches: 3}}},
		{"the same match twice counts once", three, append(at(100, 101), at(100, 101)...), nil},
		{
			"distinct counts values",
			Rule{Count: 2, Within: 10 * time.Second, Distinct: true, Lateness: time.Minute, ClearAfter: 10 * time.Second},
			[]Point{{At: 100 * second, Event: "a", Value: "x"}, {At: 101 * second, Event: "b", Value: "x"}, {At: 102 * second, Event: "c", Value: "y"}},
			[]Span{{Start: 102 * second, Last: 102 * second, Matches: 3}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			episodes, _ := follow(c.rule, c.points)
			if diff := cmp.Diff(c.want, spansOf(episodes)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnyOrder holds live following of shuffled matches against the sorted run, whatever the order
// in which they come, as long as it stays within the lateness.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := Rule{
			Count: 1 + rnd.IntN(5), Within: time.Duration(1+rnd.IntN(30)) * time.Second, Distinct: rnd.IntN(2) == 0,
			Lateness: time.Duration(rnd.IntN(40)) * time.Second, ClearAfter: time.Duration(1+rnd.IntN(40)) * time.Second,
		}
		points := make([]Point, 1+rnd.IntN(60))
		for i := range points {
			points[i] = Point{At: 1000*second + rnd.Int64N(200)*second, Event: fmt.Sprint(rnd.IntN(40)), Value: fmt.Sprint(rnd.IntN(4))}
		}
		// Arrival: event time plus a delay of less than the lateness.
		delay := make(map[Point]int64)
		for _, p := range points {
			delay[p] = p.At
			if l := r.Lateness.Microseconds(); l > 0 {
				delay[p] += rnd.Int64N(l)
			}
		}
		slices.SortStableFunc(points, func(a, b Point) int { return int(delay[a] - delay[b]) })
		episodes, track := follow(r, points)
		if track.Late != 0 {
			// A tie at the edge of lateness zero: the later id of one instant may have settled it.
			if r.Lateness > 0 {
				t.Fatalf("seed %d: %d matches counted as late", seed, track.Late)
			}
			continue
		}
		if diff := cmp.Diff(reference(r, points), spansOf(episodes)); diff != "" {
			t.Fatalf("seed %d, rule %+v: %s", seed, r, diff)
		}
	}
}

func TestLateMatchesAreCounted(t *testing.T) {
	t.Parallel()
	r := Rule{Count: 1, Lateness: time.Minute, ClearAfter: time.Second}
	tr := &Track{}
	tr.Add(r, Point{At: 1000 * second, Event: "a"})
	if res := tr.Add(r, Point{At: 939 * second, Event: "b"}); !res.Late {
		t.Errorf("a match 61 s older is not late: %+v", res)
	}
	if res := tr.Add(r, Point{At: 940 * second, Event: "c"}); res.Late {
		t.Error("a match 60 s older is late")
	}
	if tr.Late != 1 {
		t.Errorf("counted %d late", tr.Late)
	}
}

func TestPointsAreBounded(t *testing.T) {
	t.Parallel()
	r := Rule{Count: 20, Within: time.Hour, Lateness: time.Hour, ClearAfter: time.Hour}
	tr := &Track{}
	var spans []Span
	for i := range int64(3 * maxPoints) {
		res := tr.Add(r, Point{At: 1000*second + i*1000, Event: fmt.Sprint(i)})
		spans = res.Spans
		if len(tr.Points) > maxPoints {
			t.Fatalf("%d points kept", len(tr.Points))
		}
		for _, s := range res.Spans {
			tr.Name(s.Start, "e")
		}
	}
	if len(spans) != 1 || spans[0].Matches != 3*maxPoints {
		t.Errorf("spans %+v, want one with every match", spans)
	}
}

func BenchmarkAddInOrder(b *testing.B) {
	r := Rule{Count: 20, Within: 5 * time.Minute, Lateness: 15 * time.Minute, ClearAfter: 5 * time.Minute}
	tr := &Track{}
	i := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		tr.Add(r, Point{At: i * second, Event: "id"})
	}
}
