package main

import (
	"testing"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance runs a program that takes notifications and one that does not.
func TestConformance(t *testing.T) {
	t.Parallel()
	sdktest.VerifyNotifier(t, info, open,
		sdktest.Options{Config: []byte(`{"command":["/bin/cat"]}`)},
		sdktest.Options{Config: []byte(`{"command":["/bin/false"]}`)},
	)
}
