package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance runs the program as the daemon does, over the machine it runs on and over the
// fixture.
func TestConformance(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "collector-host")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, cfg := range map[string]map[string]any{
		"machine": {"watch": []string{"/etc"}},
		"fixture": {"root": fixture(t), "exclude": []string{"package"}},
	} {
		b, err := json.Marshal(cfg)
		must(t, err)
		for _, c := range sdktest.Check(t.Context(), binary, sdktest.Options{Config: b, Watch: 2 * time.Second, Interval: time.Second}) {
			t.Logf("%s %s: %v %s", name, c.Name, c.OK, c.Detail)
			if !c.OK {
				t.Errorf("%s %s: %s", name, c.Name, c.Detail)
			}
		}
	}
}
