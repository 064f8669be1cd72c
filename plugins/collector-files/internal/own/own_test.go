package own

import (
	"testing"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
	"github.com/regent-dev/regent/sdk"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, want string
		kind           sdk.Kind
	}{
		{"an item by its type", `{"resourceType":"T","resourceId":"x","n":1.0}`, `{"resourceType":"T","resourceId":"x","n":1.0}`, sdk.KindItem},
		{"an event by its source", `{"source":"s", "id":"1"}`, `{"source":"s", "id":"1"}`, sdk.KindEvent},
		{"an item that says so", `{"kind":"item","resourceType":"T","resourceId":"x"}`, `{"resourceType":"T","resourceId":"x"}`, sdk.KindItem},
		{"an event that says so", `{"source":"s","kind":"event","a":{"kind":"x"}}`, `{"source":"s","a":{"kind":"x"}}`, sdk.KindEvent},
		{"an item within", `{"kind":"item","item":{"resourceType":"T"}}`, `{"resourceType":"T"}`, sdk.KindItem},
		{"an event within", `{"kind":"event","event":{"source":"s"}}`, `{"source":"s"}`, sdk.KindEvent},
		{"an event with a member of that name", `{"kind":"event","source":"s","event":{"x":1}}`, `{"source":"s","event":{"x":1}}`, sdk.KindEvent},
		{"line breaks", "{\n \"source\": \"s\"\n}", `{"source":"s"}`, sdk.KindEvent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, kind, err := Append(nil, []byte(c.in), c.name == "line breaks")
			if err != nil || string(got) != c.want || kind != c.kind {
				t.Errorf("got %s, %v, %v", got, kind, err)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[]`:                  "not a record: not an object",
		`{"a":1}`:             "not a record: it has neither kind nor resourceType nor source",
		`{"kind":"sample"}`:   `kind is "sample", not "item" or "event"`,
		`{"kind":null,"a":1}`: `kind is null, not "item" or "event"`,
	} {
		if _, _, err := Append(nil, []byte(in), false); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", in, err)
		}
	}
	if Guess([]byte(`{"resourceType":"T`)) != sdk.KindItem || Guess([]byte(`{"sou`)) != sdk.KindEvent {
		t.Error("the kind of damaged bytes is guessed wrong")
	}
}

func FuzzAppend(f *testing.F) {
	for _, s := range []string{`{"kind":"item","resourceType":"T"}`, `{"kind":"event","event":{}}`, "{\n\"source\":1}", `{"kind":"event"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, lines, err := jsontext.Scan(in)
		if err != nil {
			return
		}
		got, _, err := Append(nil, in[jsontext.Space(in, 0):n], lines)
		if err != nil {
			return
		}
		if n, _, err := jsontext.Scan(got); err != nil || n != len(got) {
			t.Fatalf("%s became %s, which is no JSON: %v", in, got, err)
		}
	})
}
