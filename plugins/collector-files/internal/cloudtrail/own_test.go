package cloudtrail

import (
	"strings"
	"testing"
)

// TestOwn gives back the events that Regent wrote beside CloudTrail's names, as they were.
func TestOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{
			"another source", `{"eventVersion":"1.08","eventTime":"2026-01-01T00:00:00Z","eventSource":"k8s","eventName":"pods:delete","regentEvent":{"source":"k8s","n":1.0, "x":null}}`,
			`{"source":"k8s","n":1.0, "x":null}`,
		},
		{"without CloudTrail's names", `{"eventSource":"","regentEvent":{"source":"s"}}`, `{"source":"s"}`},
		{"line breaks", "{\"eventSource\":\"s\",\"regentEvent\":{\n\"source\": \"s\"}}", `{"source":"s"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var m Mapper
			got, err := m.Append(nil, []byte(c.in), strings.Contains(c.in, "\n"))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
	// Only an object is an event.
	var m Mapper
	if got, err := m.Append(nil, []byte(`{"eventTime":"2026-01-01T00:00:00Z","eventSource":"s.amazonaws.com","eventName":"N","regentEvent":"x"}`), false); err != nil || !strings.Contains(string(got), `"action":"s:N"`) {
		t.Errorf("got %s, %v", got, err)
	}
}
