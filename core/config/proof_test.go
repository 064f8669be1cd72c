package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
)

// TestProof loads the proof block that the README shows, and none.
func TestProof(t *testing.T) {
	t.Parallel()
	path := readmeExample(t, "proof.hcl", "\nproof ")
	c, problems, _ := Load(path, Options{Environ: noEnv})
	if err := relevant(problems).Err(); err != nil {
		t.Fatal(err)
	}
	want := Proof{KeyFile: "/var/lib/regent/proof.key", Made: true, Anchor: []record.Instance{"notifier.file.anchors"}, Every: 24 * time.Hour}
	if diff := cmp.Diff(want, c.Proof); diff != "" {
		t.Error(diff)
	}
	other, _, _ := Load(path, Options{Environ: noEnv, Files: Sources{"a.hcl": []byte("data_dir = \"/var/lib/regent\"\n")}})
	want.Anchor = nil
	if diff := cmp.Diff(want, other.Proof); diff != "" {
		t.Error(diff)
	}
	if got := other.Restart(c); len(got) > 0 {
		t.Errorf("an anchor that changes wants a restart of %v", got)
	}
	other.Proof.Previous = []string{"/x"}
	if diff := cmp.Diff([]string{"proof"}, other.Restart(c)); diff != "" {
		t.Error(diff)
	}
}
