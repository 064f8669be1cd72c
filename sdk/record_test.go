package sdk

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// written is v's JSON as values.
func written(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	var out any
	must(t, json.Unmarshal(b, &out))
	return out
}

func values(t *testing.T, text string) any {
	t.Helper()
	var out any
	must(t, json.Unmarshal([]byte(text), &out))
	return out
}

var when = time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 2*3600))

// utc is when as it comes back: in UTC, with microseconds.
var utc = when.UTC().Truncate(time.Microsecond)

func TestItemJSON(t *testing.T) {
	t.Parallel()
	full := Item{
		AccountID: "1", Region: "r", ResourceType: "A::B::C", ResourceID: "i", ResourceName: "n", ARN: "arn:x", AvailabilityZone: "z",
		CaptureTime: when, CreationTime: when, Status: StatusDiscovered, Configuration: map[string]any{"size": 1},
		SupplementaryConfiguration: []int{1}, Tags: map[string]string{"k": "v"},
		Relationships: []Relationship{{ResourceType: "A::B::D", ResourceID: "j", Name: "Is in D"}}, RelatedEvents: []string{"e"},
	}
	for name, c := range map[string]struct {
		in   Item
		want string
		back func(*Item)
	}{
		"least": {
			Item{ResourceType: "A::B::C", ResourceID: "i"},
			`{"resourceType":"A::B::C","resourceId":"i","configurationItemStatus":"OK"}`,
			func(it *Item) { it.Status = StatusOK },
		},
		"full": {
			full,
			`{"accountId":"1","region":"r","resourceType":"A::B::C","resourceId":"i","resourceName":"n","arn":"arn:x","availabilityZone":"z",
			"configurationItemCaptureTime":"2026-01-02T01:04:05.000006Z","resourceCreationTime":"2026-01-02T01:04:05.000006Z",
			"configurationItemStatus":"ResourceDiscovered","configuration":{"size":1},"supplementaryConfiguration":[1],"tags":{"k":"v"},
			"relationships":[{"resourceType":"A::B::D","resourceId":"j","name":"Is in D"}],"relatedEvents":["e"]}`,
			func(it *Item) {
				it.CaptureTime, it.CreationTime = utc, utc
				it.Configuration, it.SupplementaryConfiguration = json.RawMessage(`{"size":1}`), json.RawMessage(`[1]`)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(values(t, c.want), written(t, c.in)); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			b, err := json.Marshal(c.in)
			must(t, err)
			var got Item
			must(t, json.Unmarshal(b, &got))
			c.back(&c.in)
			if diff := cmp.Diff(c.in, got); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
	var it Item
	if err := json.Unmarshal([]byte(`{"configurationItemCaptureTime":"yesterday"}`), &it); err == nil {
		t.Error("a time that is none is read")
	}
}

func TestEventJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   Event
		want string
		back func(*Event)
	}{
		"least": {
			Event{Source: "s", Time: when},
			`{"source":"s","time":"2026-01-02T01:04:05.000006Z","outcome":"unknown","error":{},"actor":{},"origin":{},"targets":[]}`,
			func(ev *Event) { ev.Time, ev.Outcome = utc, OutcomeUnknown },
		},
		"full": {
			Event{
				ID: "1", Time: when, Source: "s", Type: "t", Action: "a", Outcome: OutcomeFailure, Error: &Failure{"c", "m"},
				Actor:  Actor{"user", "u", "name", "1", "session"},
				Origin: Origin{"127.0.0.1", "curl"}, Targets: []Target{{"A::B::C", "i", "n", "1", "r"}}, AccountID: "1", Region: "r", Detail: map[string]int{"x": 1},
			},
			`{"id":"1","time":"2026-01-02T01:04:05.000006Z","source":"s","type":"t","action":"a","outcome":"failure","error":{"code":"c","message":"m"},
			"actor":{"type":"user","id":"u","name":"name","accountId":"1","sessionId":"session"},"origin":{"address":"127.0.0.1","userAgent":"curl"},
			"targets":[{"resourceType":"A::B::C","resourceId":"i","name":"n","accountId":"1","region":"r"}],"accountId":"1","region":"r","detail":{"x":1}}`,
			func(ev *Event) { ev.Time, ev.Detail = utc, json.RawMessage(`{"x":1}`) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(values(t, c.want), written(t, c.in)); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			b, err := json.Marshal(c.in)
			must(t, err)
			var got Event
			must(t, json.Unmarshal(b, &got))
			c.back(&c.in)
			if diff := cmp.Diff(c.in, got); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}
