package intake

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
)

var received = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func types(t testing.TB) *Types {
	t.Helper()
	ts, err := NewTypes([]ItemType{{
		Type: "Test::A::Box",
		Schema: []byte(`{"type":"object","properties":{"configuration":{"type":"object","additionalProperties":false,
			"properties":{"size":{"type":"integer"},"password":{"type":"integer"},"at":{"type":"string"}}}}}`),
		Volatile:  []string{"/configuration/at"},
		Sensitive: []string{"/configuration/password"},
	}}, []EventSource{{Source: "test.app", Sensitive: []string{"/detail/token"}}})
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	in := New([]byte("key"))
	b := in.Check(types(t), []record.Raw{
		{Kind: record.KindItem, JSON: []byte(`{"resourceType":"Test::A::Box","resourceId":"1","configuration":{"size":9007199254740993,"password":1234}}`)},
		{Kind: record.KindItem, JSON: []byte(`{"resourceType":"Other::B::C","resourceId":"1","configuration":{"password":1}}`)},
		{Kind: record.KindEvent, JSON: []byte(`{"source":"test.app","id":"e","detail":{"token":"s3cr3t"}}`)},
	}, received)
	if len(b.Quarantined) != 0 || b.Read != 3 || len(b.Items) != 2 || len(b.Events) != 1 {
		t.Fatalf("batch %+v", b)
	}
	body := string(b.Items[0].Body)
	if strings.Contains(body, "1234") || !strings.Contains(body, `"password":"redacted:`) {
		t.Errorf("password is not redacted: %s", body)
	}
	if !strings.Contains(body, "9007199254740993") {
		t.Errorf("number lost its literal: %s", body)
	}
	if got := b.Items[0].CaptureTime; !got.Equal(received) {
		t.Errorf("capture time %s, want that of receiving", got)
	}
	var ev map[string]any
	if err := json.Unmarshal(b.Events[0].Body, &ev); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b.Events[0].Body), "s3cr3t") {
		t.Errorf("token is not redacted: %s", b.Events[0].Body)
	}
	for _, c := range []string{"error", "actor", "origin", "targets", "outcome", "time"} {
		if ev[c] == nil {
			t.Errorf("event has no %s: %s", c, b.Events[0].Body)
		}
	}
}

// TestRedactionShowsChange checks what the keyed hash is for: the same secret hashes the same,
// another secret or another key differently.
func TestRedactionShowsChange(t *testing.T) {
	t.Parallel()
	hash := func(key, password string) record.Digest {
		b := New([]byte(key)).Check(types(t), []record.Raw{{Kind: record.KindItem, JSON: []byte(`{"resourceType":"Test::A::Box","resourceId":"1","configuration":{"password":` + password + `}}`)}}, received)
		if len(b.Items) != 1 {
			t.Fatalf("refused: %+v", b.Quarantined)
		}
		return b.Items[0].Hash
	}
	if again := hash("k", "1"); again != hash("k", "1") {
		t.Error("the same secret hashes differently")
	}
	if hash("k", "1") == hash("k", "2") {
		t.Error("another secret hashes the same")
	}
	if hash("k", "1") == hash("other", "1") {
		t.Error("another key hashes the same")
	}
}

func TestCheckQuarantines(t *testing.T) {
	t.Parallel()
	big := append(append([]byte(`{"resourceType":"A::B::C","resourceId":"`), bytes.Repeat([]byte("é"), MaxRecord)...), `"}`...)
	for _, c := range []struct {
		name   string
		raw    record.Raw
		reason string
		keeps  string
	}{
		{"damaged", record.Raw{Damaged: "line ends early", JSON: []byte("{"), Origin: "f:3"}, "line ends early", "SHA-256"},
		{"no JSON", record.Raw{Kind: record.KindItem, JSON: []byte(`{"password":1`)}, "not valid JSON: byte 13", "SHA-256"},
		{"no type", record.Raw{Kind: record.KindItem, JSON: []byte(`{"resourceId":"x","configuration":{"password":31337}}`)}, "no resourceType", `"password":"redacted:`},
		{"breaks the schema", record.Raw{Kind: record.KindItem, JSON: []byte(`{"resourceType":"Test::A::Box","resourceId":"1","configuration":{"size":"big","password":31337}}`)}, "/configuration/size: got string, want integer", `"password":"redacted:`},
		{"undeclared member", record.Raw{Kind: record.KindItem, JSON: []byte(`{"resourceType":"Test::A::Box","resourceId":"1","configuration":{"sise":1}}`)}, "/configuration has undeclared members sise", `"sise":1`},
		{"future item", record.Raw{Kind: record.KindItem, JSON: []byte(`{"resourceType":"A::B::C","resourceId":"1","configurationItemCaptureTime":"2026-11-23T12:10:01Z"}`)}, "more than 10m in the future", "12:10:01Z"},
		{"future event", record.Raw{Kind: record.KindEvent, JSON: []byte(`{"source":"x","time":"2027-01-01T00:00:00Z"}`)}, "more than 10m in the future", "2027"},
		{"no source", record.Raw{Kind: record.KindEvent, JSON: []byte(`{"id":"x","detail":{"token":"s3cr3t"}}`)}, "no source", `"token":"redacted:`},
		{"too large", record.Raw{Kind: record.KindItem, JSON: big}, "more than the 1048576 allowed", "SHA-256"},
		{"unknown kind", record.Raw{Kind: record.KindSample, JSON: []byte(`{}`)}, `kind "sample"`, "SHA-256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := New([]byte("key")).Check(types(t), []record.Raw{c.raw, {Kind: record.KindItem, JSON: []byte(`{"resourceType":"A::B::C","resourceId":"good"}`)}}, received)
			if len(b.Quarantined) != 1 || len(b.Items) != 1 {
				t.Fatalf("%d quarantined and %d items, want one of each", len(b.Quarantined), len(b.Items))
			}
			q := b.Quarantined[0]
			if !strings.Contains(q.Reason, c.reason) {
				t.Errorf("reason %q, want one with %q", q.Reason, c.reason)
			}
			if !strings.Contains(string(q.Bytes), c.keeps) || strings.Contains(string(q.Bytes), "31337") || strings.Contains(string(q.Bytes), "s3cr3t") {
				t.Errorf("kept bytes %q", q.Bytes)
			}
			if len(q.Bytes) > keptBytes {
				t.Errorf("kept %d bytes", len(q.Bytes))
			}
			if q.Origin != c.raw.Origin {
				t.Errorf("origin %q", q.Origin)
			}
		})
	}
}

func TestVolatilePathsMakeNoVersion(t *testing.T) {
	t.Parallel()
	in := New([]byte("key"))
	var hashes []record.Digest
	for _, at := range []string{"now", "later"} {
		b := in.Check(types(t), []record.Raw{{Kind: record.KindItem, JSON: []byte(`{"resourceType":"Test::A::Box","resourceId":"1","configuration":{"size":1,"at":"` + at + `"}}`)}}, received)
		hashes = append(hashes, b.Items[0].Hash)
	}
	if diff := cmp.Diff(hashes[0], hashes[1]); diff != "" {
		t.Errorf("volatile path changed the hash: %s", diff)
	}
}

func TestNewTypesRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		item ItemType
		want string
	}{
		{"a relative path", ItemType{Type: "T", Volatile: []string{"a"}}, "does not begin with a slash"},
		{"a broken schema", ItemType{Type: "T", Schema: []byte(`{`)}, "not valid JSON"},
		{"a schema that reads files", ItemType{Type: "T", Schema: []byte(`{"$ref":"file:///etc/passwd"}`)}, "only references within the schema"},
	} {
		_, err := NewTypes([]ItemType{c.item}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(uint8(1), []byte(`{"resourceType":"Test::A::Box","resourceId":"1","configuration":{"password":1}}`))
	f.Add(uint8(2), []byte(`{"source":"test.app","detail":{"token":"\u0022"}}`))
	f.Add(uint8(2), []byte(`{ }`))
	in := New([]byte("key"))
	ts := types(f)
	f.Fuzz(func(t *testing.T, kind uint8, raw []byte) {
		b := in.Check(ts, []record.Raw{{Kind: record.Kind(kind), JSON: raw}}, received)
		if len(b.Items)+len(b.Events)+len(b.Quarantined) != 1 {
			t.Fatalf("record came out %d times", len(b.Items)+len(b.Events)+len(b.Quarantined))
		}
		for _, it := range b.Items {
			if c, err := record.Canonical(it.Body); err != nil || !bytes.Equal(c, it.Body) {
				t.Fatalf("item body is not canonical: %s", it.Body)
			}
		}
		for _, ev := range b.Events {
			if !json.Valid(ev.Body) || ev.Hash.IsZero() {
				t.Fatalf("event body %s", ev.Body)
			}
		}
	})
}

func BenchmarkCheckEvents(b *testing.B) {
	detail := strings.Repeat(`"requestParameters":{"bucketName":"x","Host":"example"},`, 1) + `"eventVersion":"1.08","pad":"` + strings.Repeat("x", 500) + `"`
	body := []byte(`{"id":"e1","source":"aws.cloudtrail","time":"2026-01-02T03:04:05Z","type":"AwsApiCall","action":"iam:CreateUser","outcome":"success","error":{},"actor":{"type":"IAMUser","id":"i"},"origin":{"address":"1.2.3.4"},"targets":[],"accountId":"1","region":"eu","detail":{` + detail + `}}`)
	raw := make([]record.Raw, 1000)
	for i := range raw {
		raw[i] = record.Raw{Kind: record.KindEvent, JSON: body}
	}
	in, ts := New([]byte("key")), types(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body) * len(raw)))
	for b.Loop() {
		in.Check(ts, raw, received)
	}
}
