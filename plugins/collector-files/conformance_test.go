package main

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance follows files in each of the formats.
func TestConformance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "own"), `{"source":"s","id":"1"}`+"\n"+`{"resourceType":"A::B::C","resourceId":"1"}`+"\n")
	cloudtrail, err := filepath.Abs(filepath.Join("internal", "cloudtrail", "testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var options []sdktest.Options
	for _, c := range []struct{ path, format string }{{filepath.Join(dir, "own"), "regent"}, {cloudtrail, "cloudtrail"}} {
		b, err := json.Marshal(map[string]any{"paths": []string{c.path}, "format": c.format, "settle": "100ms"})
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, sdktest.Options{Config: b, Watch: time.Second})
	}
	sdktest.VerifyCollector(t, info, open, options...)
}
