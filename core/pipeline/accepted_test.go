package pipeline

import (
	"strings"
	"testing"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
)

// FuzzAccepted holds that policies can be given whatever intake lets through: a record that is stored and
// cannot be judged would be one that nobody watches.
func FuzzAccepted(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,1.5,-0,1e8192,1E-8192,0.1e+1]}`, `{"a":1e70000}`, `{"a":1` + strings.Repeat("0", 8000) + `}`, "{\"\\u0000\":\"\\ud83d\\ude00\x7f\"}",
		strings.Repeat(`{"a":`, record.MaxDepth) + "1" + strings.Repeat("}", record.MaxDepth), strings.Repeat("[", record.MaxDepth) + strings.Repeat("]", record.MaxDepth),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		body, err := record.Canonical(in)
		if err != nil {
			return
		}
		if _, err := policy.Parse(body); err != nil {
			t.Fatalf("intake accepts %.200q, policies do not: %v", body, err)
		}
	})
}
