package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestConformance posts to a receiver that takes notifications and to an address where nobody listens.
func TestConformance(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(srv.Close)
	var options []sdktest.Options
	for _, url := range []string{srv.URL, "http://127.0.0.1:1/"} {
		b, err := json.Marshal(map[string]any{"url": url})
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, sdktest.Options{Config: b})
	}
	sdktest.VerifyNotifier(t, info, open, options...)
}
