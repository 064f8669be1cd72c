package record

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func item(t *testing.T, json string, volatile ...string) Item {
	t.Helper()
	body, err := Canonical([]byte(json))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := NewPaths(volatile...)
	if err != nil {
		t.Fatal(err)
	}
	it, err := ParseItem(body, paths)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func TestParseItem(t *testing.T) {
	t.Parallel()
	got := item(t, `{"accountId":"1","region":"eu","resourceType":"A::B::C","resourceId":"x","resourceName":"n\u0022",
		"arn":"arn:x","configurationItemCaptureTime":"2026-01-02T03:04:05.1234567+01:00",
		"tags":{"env":"prod"},"relationships":[{"resourceType":"A::B::D","resourceId":"y","name":"Is in"},{"name":"nothing"}],
		"configuration":{"a":1}}`)
	got.Body, got.Hash = nil, Digest{}
	want := Item{
		Key:          Key{"1", "eu", "A::B::C", "x"},
		ResourceName: `n"`, ARN: "arn:x", Status: StatusOK,
		CaptureTime:   time.Date(2026, 1, 2, 2, 4, 5, 123456000, time.UTC),
		Tags:          map[string]string{"env": "prod"},
		Relationships: []Relationship{{ResourceType: "A::B::D", ResourceID: "y", Name: "Is in"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestItemHash(t *testing.T) {
	t.Parallel()
	const base = `{"resourceType":"A::B::C","resourceId":"x","configuration":{"a":1,"pid":[{"n":1,"m":2}]}}`
	for _, c := range []struct {
		name, other string
		volatile    []string
		same        bool
	}{
		{"capture time and status do not count", `{"configurationItemCaptureTime":"2026-01-01T00:00:00Z","configurationItemStatus":"ResourceDiscovered","resourceType":"A::B::C","resourceId":"x","configuration":{"a":1,"pid":[{"n":1,"m":2}]}}`, nil, true},
		{"configuration counts", `{"resourceType":"A::B::C","resourceId":"x","configuration":{"a":2,"pid":[{"n":1,"m":2}]}}`, nil, false},
		{"a number's literal counts", `{"resourceType":"A::B::C","resourceId":"x","configuration":{"a":1.0,"pid":[{"n":1,"m":2}]}}`, nil, false},
		{"volatile paths do not count", `{"resourceType":"A::B::C","resourceId":"x","configuration":{"a":1,"pid":[{"n":7,"m":2}]}}`, []string{"/configuration/pid/*/n"}, true},
		{"what is beside a volatile path counts", `{"resourceType":"A::B::C","resourceId":"x","configuration":{"a":1,"pid":[{"n":7,"m":3}]}}`, []string{"/configuration/pid/*/n"}, false},
		{"being gone counts", `{"configurationItemStatus":"ResourceDeleted","resourceType":"A::B::C","resourceId":"x","configuration":{"a":1,"pid":[{"n":1,"m":2}]}}`, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := item(t, base, c.volatile...), item(t, c.other, c.volatile...)
			if same := a.Hash == b.Hash; same != c.same {
				t.Errorf("same hash: %v, want %v", same, c.same)
			}
		})
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	it := item(t, `{"accountId":"1","region":"eu","resourceType":"A::B::C","resourceId":"x","resourceName":"n","configuration":{}}`)
	gone := it.Gone(StatusDeleted, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if canon, err := Canonical(gone.Body); err != nil || string(canon) != string(gone.Body) {
		t.Fatalf("body %s is not canonical (%v)", gone.Body, err)
	}
	again := item(t, string(gone.Body))
	if diff := cmp.Diff(gone, again); diff != "" {
		t.Errorf("a gone item reads back differently:\n%s", diff)
	}
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		pointers []string
		in, want string
	}{
		{"a member", []string{"/a"}, `{"a":1,"b":2}`, `{"a":"#","b":2}`},
		{"through a wildcard", []string{"/a/*/s"}, `{"a":[{"s":1},{"t":2},{"s":{"deep":1}}]}`, `{"a":[{"s":"#"},{"t":2},{"s":"#"}]}`},
		{"an index", []string{"/a/1"}, `{"a":[1,2]}`, `{"a":[1,"#"]}`},
		{"escaped tokens", []string{"/a~1b/c~0d"}, `{"a/b":{"c~d":1}}`, `{"a/b":{"c~d":"#"}}`},
		{"an escaped name", []string{"/secret"}, `{"s\u0065cret":1}`, `{"s\u0065cret":"#"}`},
		{"a wildcard beside a name", []string{"/*/x", "/a/y"}, `{"a":{"x":1,"y":2,"z":3},"b":{"y":4}}`, `{"a":{"x":"#","y":"#","z":3},"b":{"y":4}}`},
		{"nothing there", []string{"/q/r"}, `{"a":1}`, `{"a":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := NewPaths(c.pointers...)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Rewrite(nil, []byte(c.in), func([]byte) []byte { return []byte(`"#"`) })
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseEvent(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"e1","source":"aws.cloudtrail","time":"2026-01-02T03:04:05Z","type":"AwsApiCall","action":"iam:CreateUser","outcome":"failure",` +
		`"error":{"code":"AccessDenied"},"actor":{"type":"IAMUser","id":"i","name":"n","accountId":"1","sessionId":"s"},` +
		`"origin":{"address":"1.2.3.4","userAgent":"ua"},"targets":[{"resourceType":"AWS::IAM::User","name":"bob"}],"accountId":"1","region":"eu","detail":{"deep":{"id":"no"}}}`)
	got, err := ParseEvent(body, Sum(body))
	if err != nil {
		t.Fatal(err)
	}
	want := Event{
		ID: "e1", Source: "aws.cloudtrail", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Type: "AwsApiCall",
		Action: "iam:CreateUser", Outcome: OutcomeFailure, ErrorCode: "AccessDenied",
		Actor:   Actor{"IAMUser", "i", "n", "1", "s"},
		Origin:  Origin{"1.2.3.4", "ua"},
		Targets: []Target{{ResourceType: "AWS::IAM::User", Name: "bob"}}, AccountID: "1", Region: "eu",
		Body: body, Hash: Sum(body),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`[]`, `{}`, `{"source":"s","time":"yesterday"}`, `{"source":"s","outcome":"maybe"}`, `{"source":"s","accountId":12}`} {
		if _, err := ParseEvent([]byte(bad), Digest{}); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func BenchmarkParseEvent(b *testing.B) {
	body := []byte(`{"id":"e1","source":"aws.cloudtrail","time":"2026-01-02T03:04:05Z","type":"AwsApiCall","action":"iam:CreateUser","outcome":"failure",` +
		`"error":{"code":"AccessDenied"},"actor":{"type":"IAMUser","id":"i","name":"n","accountId":"1","sessionId":"s"},` +
		`"origin":{"address":"1.2.3.4","userAgent":"ua"},"targets":[{"resourceType":"AWS::IAM::User","name":"bob"}],"accountId":"1","region":"eu","detail":{"deep":{"id":"no"}}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := ParseEvent(body, Digest{}); err != nil {
			b.Fatal(err)
		}
	}
}
