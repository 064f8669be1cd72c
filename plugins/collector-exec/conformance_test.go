package main

import (
	"testing"
	"time"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance runs a stream and a scheduled listing.
func TestConformance(t *testing.T) {
	t.Parallel()
	const stream = `{"command":["/bin/sh","-c","echo '{\"source\":\"s\",\"id\":\"1\"}'; echo '{\"kind\":\"checkpoint\",\"cursor\":\"1\"}'"],"kind":"event"}`
	const listing = `{"command":["/bin/echo","{\"resourceType\":\"A::B::C\",\"resourceId\":\"1\"}"],"sweep":["A::B::C"]}`
	sdktest.VerifyCollector(t, info, open,
		sdktest.Options{Config: []byte(stream), Watch: 500 * time.Millisecond},
		sdktest.Options{Config: []byte(listing), Watch: 500 * time.Millisecond, Interval: time.Minute},
	)
}
