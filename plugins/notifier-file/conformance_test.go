package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance writes a file.
func TestConformance(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(map[string]any{"path": filepath.Join(t.TempDir(), "out")})
	if err != nil {
		t.Fatal(err)
	}
	sdktest.VerifyNotifier(t, info, open, sdktest.Options{Config: b})
}
