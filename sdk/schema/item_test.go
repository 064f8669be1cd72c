package schema_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/sdk/schema"
)

type base struct {
	Owner string `json:"owner"`
}

type node struct {
	Next *node `json:"next,omitempty"`
}

type configuration struct {
	base
	Size    int64             `json:"size" doc:"Bytes."`
	Mode    *string           `json:"mode,omitempty"`
	Tags    map[string]string `json:"tags,omitzero"`
	Names   []string          `json:"names"`
	At      time.Time         `json:"at"`
	Raw     json.RawMessage   `json:"raw"`
	Ratio   float64
	Fixed   [2]bool `json:"fixed"`
	Node    node    `json:"node"`
	Skipped string  `json:"-"`
}

func TestItem(t *testing.T) {
	t.Parallel()
	const want = `{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["configuration"],
		"properties": {"configuration": {
			"type": "object", "additionalProperties": false,
			"required": ["owner", "size", "names", "at", "raw", "Ratio", "fixed", "node"],
			"properties": {
				"owner": {"type": "string"}, "size": {"type": "integer", "description": "Bytes."}, "mode": {"type": ["string", "null"]},
				"tags": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
				"names": {"type": ["array", "null"], "items": {"type": "string"}},
				"at": {"type": "string", "format": "date-time"}, "raw": {}, "Ratio": {"type": "number"},
				"fixed": {"type": "array", "items": {"type": "boolean"}},
				"node": {"type": "object", "additionalProperties": false, "properties": {"next": {"type": ["object", "null"]}}}
			}
		}}
	}`
	var w, got any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(schema.Item(configuration{}), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
