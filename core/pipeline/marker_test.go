package pipeline

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// TestMarker leaves evaluations under way, as a process does that dies, and finds them in the next one: under
// the name that the pipeline blocks by, however long it is.
func TestMarker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "evaluations")
	m, left, err := OpenMarker(path)
	if err != nil || len(left) != 0 {
		t.Fatalf("%v, %v", left, err)
	}
	long := record.Key{ResourceType: "T", ResourceID: strings.Repeat("x", 3000)}.String()
	m.Begin("compliance.over", "short")()
	m.Begin("compliance.short", "short")
	m.Begin("compliance.long", long+"1")
	m.Begin("compliance.long", long+"2")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m, left, err = OpenMarker(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(left) != 3 {
		t.Fatalf("%d evaluations were under way, want 3: %v", len(left), left)
	}
	h := &health{crashed: map[string]bool{}}
	for _, pair := range left {
		h.block(pair.Policy, pair.Record)
	}
	for _, c := range []struct {
		policy verdict.PolicyID
		record string
		want   bool
	}{
		{"compliance.short", "short", true},
		{"compliance.long", long + "1", true},
		{"compliance.long", long + "2", true},
		{"compliance.long", long + "3", false},
		{"compliance.over", "short", false},
	} {
		if got := h.blocked(c.policy, func() string { return c.record }); got != c.want {
			t.Errorf("%s on a record of %d bytes is blocked: %t", c.policy, len(c.record), got)
		}
	}
}
