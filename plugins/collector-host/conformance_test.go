package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance collects from the machine it runs on and from the fixture.
func TestConformance(t *testing.T) {
	t.Parallel()
	var options []sdktest.Options
	for _, cfg := range []map[string]any{
		{"watch": []string{"/etc"}},
		{"root": fixture(t), "exclude": []string{"package"}},
	} {
		b, err := json.Marshal(cfg)
		must(t, err)
		options = append(options, sdktest.Options{Config: b, Watch: 2 * time.Second, Interval: time.Second})
	}
	sdktest.VerifyCollector(t, info(), open, options...)
}
