package backtest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/verdict"
)

// The kinds of firing.
const (
	Opened   = "opened"
	Resolved = "resolved"
	Alarm    = "alarm"
)

// Firing is one time that a policy would have said something: a finding that opened or was resolved, or
// an episode of an alarm.
type Firing struct {
	// At is the capture time that opened or resolved the finding, or the event time of the match that
	// completed the alarm's window.
	At       time.Time        `json:"at"`
	What     string           `json:"what"`
	Policy   verdict.PolicyID `json:"policy"`
	Severity verdict.Severity `json:"severity"`
	Title    string           `json:"title"`
	Message  string           `json:"msg,omitempty"`

	Finding *Finding `json:"finding,omitempty"`
	// Episode has no end where it was still open when the records ended.
	Episode *verdict.Episode `json:"episode,omitempty"`
	// Open says that the episode was still open when the records ended.
	Open bool `json:"open,omitempty"`
}

// Finding is what a firing says of a finding.
type Finding struct {
	ID       string           `json:"id"`
	Resource verdict.Subject  `json:"resource"`
	Outcome  verdict.Outcome  `json:"outcome"`
	Denials  []verdict.Denial `json:"denials,omitempty"`
	Reason   string           `json:"reason,omitempty"`
	// Version is the number of the item version that was judged, as recorded.
	Version int64 `json:"version"`
	// Cause says what made it: a new version, the state at the start, another resource, or the end of
	// a waiver.
	Cause       string `json:"cause"`
	Waiver      string `json:"waiver,omitempty"`
	Resolution  string `json:"resolution,omitempty"`
	Regressions int    `json:"regressions,omitempty"`
}

// The causes of a finding's firing.
const (
	CauseVersion = "version"
	CauseStart   = "start"
	CauseOther   = "dependency"
	CauseWaiver  = "waiver"
)

// Counts reports whether the firing makes the exit code 1: an episode, or a finding that opened and that
// no waiver covers.
func (f *Firing) Counts() bool {
	return f.What == Alarm || f.What == Opened && f.Finding.Waiver == ""
}

// spool keeps firings on disk, and in memory where they stand.
type spool struct {
	file  *os.File
	w     *bufio.Writer
	size  int64
	index []spooled
}

// spooled is where a firing stands; end is when an episode of the policy ends, 0 for findings.
type spooled struct {
	at, offset, end int64
	policy          *Summary
}

func newSpool(dir string) (*spool, error) {
	f, err := os.Create(filepath.Join(dir, "firings.ndjson"))
	if err != nil {
		return nil, fmt.Errorf("keep firings: %w", err)
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

func (s *spool) add(f *Firing, of *Summary, end time.Time) error {
	b, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("keep firing of %s: %w", f.Policy, err)
	}
	x := spooled{at: f.At.UnixMicro(), offset: s.size, policy: of}
	if !end.IsZero() {
		x.end = end.UnixMicro()
	}
	s.index = append(s.index, x)
	s.size += int64(len(b)) + 1
	if _, err := s.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("keep firing of %s: %w", f.Policy, err)
	}
	return nil
}

// all gives the firings by time; those of one time in the order in which they were found.
func (s *spool) all() iter.Seq2[Firing, error] {
	return func(yield func(Firing, error) bool) {
		if err := s.w.Flush(); err != nil {
			yield(Firing{}, fmt.Errorf("read firings back: %w", err))
			return
		}
		order := slices.Clone(s.index)
		slices.SortStableFunc(order, func(a, b spooled) int { return cmp.Compare(a.at, b.at) })
		r := bufio.NewReaderSize(nil, 16<<10)
		for _, x := range order {
			r.Reset(io.NewSectionReader(s.file, x.offset, s.size-x.offset))
			var f Firing
			text, err := r.ReadBytes('\n')
			if err == nil {
				err = json.Unmarshal(text, &f)
			}
			if err != nil {
				yield(f, fmt.Errorf("read firings back: %w", err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (s *spool) close() error { return s.file.Close() }
