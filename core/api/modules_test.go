package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModules gives the policies in force as they are, to whoever may read.
func TestModules(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	a := ask(t, "GET", "http://"+insecure(t, d)+"/v1/policies/generation", "")
	if a.code != http.StatusOK {
		t.Fatalf("%d: %s", a.code, a.body)
	}
	var got Modules
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Modules(), got); diff != "" {
		t.Error(diff)
	}
}
