package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/verdict"
)

func TestStepOf(t *testing.T) {
	t.Parallel()
	open := func(msg, value string) *verdict.Finding {
		return &verdict.Finding{Status: verdict.Open, Outcome: verdict.NonCompliant, Denials: []verdict.Denial{{Message: msg, Path: "/a", Value: []byte(value), Details: []byte(`{"a":1}`)}}}
	}
	resolved := &verdict.Finding{Status: verdict.Resolved, Outcome: verdict.Compliant}
	failed := open("m", "1")
	failed.Outcome, failed.Reason = verdict.Error, "it took too long"
	spaced := open("m", "1")
	spaced.Denials[0].Details = []byte(`{ "a": 1 }`)
	for _, c := range []struct {
		name      string
		old, next *verdict.Finding
		want      verdict.CauseStep
	}{
		{"first", nil, open("m", "1"), verdict.CauseOpened},
		{"again", resolved, open("m", "1"), verdict.CauseOpened},
		{"the same", open("m", "1"), open("m", "1"), ""},
		{"the same in other words of JSON", open("m", "1"), spaced, ""},
		{"another value", open("m", "1"), open("m", "2"), verdict.CauseChanged},
		{"another message", open("m", "1"), open("n", "1"), verdict.CauseChanged},
		{"it cannot be told any more", open("m", "1"), failed, verdict.CauseChanged},
		{"resolved", open("m", "1"), resolved, verdict.CauseResolved},
		{"still resolved", resolved, resolved, ""},
	} {
		if got := stepOf(c.old, c.next); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestChangedReads finds the look-ups that answered differently, found or not.
func TestChangedReads(t *testing.T) {
	t.Parallel()
	read := func(id, hash string) verdict.Read {
		return verdict.Read{ResourceType: "T", ResourceID: id, Found: hash != "", Hash: hash}
	}
	was := &verdict.Verdict{Evidence: verdict.Evidence{Reads: []verdict.Read{read("same", "1"), read("other", "1"), read("came", ""), read("went", "1"), read("unread", "1")}}}
	now := &verdict.Verdict{Evidence: verdict.Evidence{Reads: []verdict.Read{read("same", "1"), read("other", "2"), read("came", "1"), read("went", ""), read("new", "1")}}}
	want := []verdict.Read{read("other", "2"), read("came", "1"), read("went", "")}
	if diff := cmp.Diff(want, changedReads(was, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := changedReads(nil, now); got != nil {
		t.Errorf("%+v", got)
	}
}
