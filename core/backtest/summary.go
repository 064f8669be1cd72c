package backtest

import (
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/verdict"
)

// Summary is what came of one policy.
type Summary struct {
	Policy   verdict.PolicyID `json:"policy"`
	Kind     policy.Kind      `json:"kind"`
	Title    string           `json:"title"`
	Severity verdict.Severity `json:"severity"`
	// Evaluated counts the times that the policy was run on an item or event; Matched those that
	// denied or, for an alarm, the matches.
	Evaluated int64 `json:"evaluated"`
	Matched   int64 `json:"matched"`
	// Opened counts findings that opened and episodes, Resolved findings that were resolved and
	// episodes that ended, Open what was open at the end.
	Opened   int64 `json:"opened"`
	Resolved int64 `json:"resolved"`
	Open     int64 `json:"open"`
	// Waived counts the findings that opened under a waiver.
	Waived           int64 `json:"waived,omitempty"`
	NotApplicable    int64 `json:"notApplicable,omitempty"`
	InsufficientData int64 `json:"insufficientData,omitempty"`
	Errors           int64 `json:"errors"`
	// Late counts matches that came too late to change anything, Overflow those of keys that were not
	// followed for want of room.
	Late     int64 `json:"late,omitempty"`
	Overflow int64 `json:"overflow,omitempty"`
	// First and Last are when it fired first and last.
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
	// Worst is the day on which it fired most often.
	Worst *Day `json:"worstDay,omitempty"`
	// Samples are the first of its errors.
	Samples []Sample `json:"errorSamples,omitempty"`

	days map[int64]int64
}

// Day is how often a policy fired on one day, in UTC.
type Day struct {
	Day   string `json:"day"`
	Count int64  `json:"count"`
}

// Sample is one error of a policy.
type Sample struct {
	// Record is the number of the item or event; Resource or Event says which.
	Record   int64            `json:"record"`
	Resource *verdict.Subject `json:"resource,omitempty"`
	Event    string           `json:"event,omitempty"`
	At       time.Time        `json:"at"`
	Reason   string           `json:"reason"`
}

// ItemTotals count items: those of the state at the start, those read since, and of these the ones that
// came too late to be judged.
type ItemTotals struct {
	State int64 `json:"state"`
	Read  int64 `json:"read"`
	Late  int64 `json:"late"`
}

// failed counts an error.
func (s *Summary) failed(x Sample, most int) {
	s.Errors++
	if len(s.Samples) < most {
		s.Samples = append(s.Samples, x)
	}
}

// judged counts a verdict.
func (s *Summary) judged(v *verdict.Verdict, on subject, most int) {
	s.Evaluated++
	failed := v.Outcome == verdict.Error
	switch v.Outcome {
	case verdict.NonCompliant:
		s.Matched++
		// An error that was met beside denials stands in the reason.
		failed = v.Reason != ""
	case verdict.NotApplicable:
		s.NotApplicable++
	case verdict.InsufficientData:
		s.InsufficientData++
	}
	if failed {
		subject := v.Subject
		s.failed(Sample{Record: on.number, Resource: &subject, At: on.item.CaptureTime, Reason: v.Reason}, most)
	}
}

// fired counts a firing.
func (s *Summary) fired(f *Firing) {
	if f.What == Resolved {
		s.Resolved++
		s.Open--
		return
	}
	if f.What == Opened && f.Finding.Cause == CauseWaiver {
		// It was open already.
		s.Waived--
		return
	}
	s.Opened++
	s.Open++
	if f.What == Opened && f.Finding.Waiver != "" {
		s.Waived++
	}
	at := f.At
	if s.First == nil || at.Before(*s.First) {
		s.First = &at
	}
	if s.Last == nil || at.After(*s.Last) {
		s.Last = &at
	}
	if s.days == nil {
		s.days = map[int64]int64{}
	}
	day := at.UTC().Truncate(24 * time.Hour)
	n := s.days[day.Unix()] + 1
	s.days[day.Unix()] = n
	name := day.Format(time.DateOnly)
	if s.Worst == nil || n > s.Worst.Count || n == s.Worst.Count && name < s.Worst.Day {
		s.Worst = &Day{Day: name, Count: n}
	}
}
