package cause

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// TestRank sets events against one another, two at a time: the first is the likelier.
func TestRank(t *testing.T) {
	t.Parallel()
	at := func(before time.Duration) time.Time { return t0.Add(-before) }
	put := "box:PutSize"
	for _, c := range []struct {
		name          string
		first, second record.Event
	}{
		{"near over far", event(t, "1", "a", put, box("b"), at(time.Second)), event(t, "2", "b", put, box("b"), at(time.Minute))},
		{"before over after", event(t, "1", "a", put, box("b"), at(time.Minute)), event(t, "2", "b", put, box("b"), at(-time.Second))},
		{"a change far over a look near", event(t, "1", "a", put, box("b"), at(14*time.Minute)), event(t, "2", "b", "box:ListBoxes", box("b"), at(0))},
		{"done over refused", event(t, "1", "a", put, box("b"), at(14*time.Minute)), event(t, "2", "b", put, box("b"), at(0), `"outcome":"failure"`)},
		{"known over unknown outcome", event(t, "1", "a", put, box("b"), at(time.Second)), event(t, "2", "b", put, box("b"), at(time.Second), `"outcome":"unknown"`)},
		{"somebody over nobody", event(t, "1", "a", put, box("b"), at(time.Minute)), event(t, "2", "", put, box("b"), at(time.Second))},
		{"a person over a service", event(t, "1", "a", put, box("b"), at(time.Second)), event(t, "2", "config.amazonaws.com", put, box("b"), at(time.Second))},
		{"ARN over a name of no type", event(t, "1", "a", put, `{"resourceId":"arn:test:b"}`, at(time.Minute)), event(t, "2", "b", put, `{"name":"name of b"}`, at(time.Second))},
		{"id over a name of no type", event(t, "1", "a", put, box("b"), at(time.Minute)), event(t, "2", "b", put, `{"name":"name of b"}`, at(time.Second))},
		{"what changed by its word", event(t, "1", "a", put, box("b"), at(2*time.Minute)), event(t, "2", "b", "box:PutColour", box("b"), at(time.Second))},
		{"its region over another", event(t, "1", "a", put, box("b"), at(time.Second), `"region":"eu"`), event(t, "2", "b", put, box("b"), at(time.Second), `"region":"us"`)},
		{"after it was last seen over before", event(t, "1", "a", put, box("b"), at(8*time.Minute)), event(t, "2", "b", put, box("b"), at(11*time.Minute))},
		{"a verb over none", event(t, "1", "a", "box:ModifyThing", box("b"), at(time.Minute)), event(t, "2", "b", "box:Thing", box("b"), at(time.Second))},
	} {
		s := testSubject(t)
		rows := []store.EventRow{{Number: 1, Event: c.second}, {Number: 2, Event: c.first}}
		for range 2 {
			if got := rank(s, rows); len(got) != 2 || got[0].ID != "1" {
				t.Errorf("%s: %+v", c.name, got)
			}
			slices.Reverse(rows)
		}
	}
}

func testSubject(t *testing.T) *subject {
	now := item(t, "b", `{"size":9}`, t0)
	return &subject{
		item: &now, at: t0, since: t0.Add(-10 * time.Minute), from: t0.Add(-15 * time.Minute), to: t0.Add(5 * time.Minute),
		changes: []verdict.FieldChange{{Op: "replace", Path: "/configuration/size"}},
	}
}

// TestFit prefers a delete where the resource is gone and a create where it is new.
func TestFit(t *testing.T) {
	t.Parallel()
	rows := []store.EventRow{
		{Number: 1, Event: event(t, "put", "a", "box:PutSize", box("b"), t0)},
		{Number: 2, Event: event(t, "create", "a", "box:CreateBox", box("b"), t0.Add(-time.Minute))},
		{Number: 3, Event: event(t, "delete", "a", "box:DeleteBox", box("b"), t0.Add(-time.Minute))},
	}
	fresh, gone := testSubject(t), testSubject(t)
	fresh.first, fresh.changes = true, nil
	deleted := gone.item.Gone(record.StatusDeleted, t0)
	gone.item, gone.changes = &deleted, nil
	for want, s := range map[string]*subject{"create": fresh, "delete": gone, "put": testSubject(t)} {
		if got := rank(s, rows); got[0].ID != want {
			t.Errorf("%s: %+v", want, got)
		}
	}
}

// TestAbout tells an event on the resource from one on another that is called the same.
func TestAbout(t *testing.T) {
	t.Parallel()
	it := item(t, "b", `{}`, t0)
	for _, c := range []struct {
		target string
		want   int
	}{
		{box("b"), scoreID},
		{`{"resourceType":"Test::Lid::Lid","resourceId":"b"}`, 0},
		{`{"resourceType":"Test::Box::Box","resourceId":"b","accountId":"2"}`, 0},
		{`{"resourceType":"Test::Lid::Lid","resourceId":"arn:test:b","accountId":"2"}`, scoreARN},
		{`{"name":"arn:test:b"}`, scoreARN},
		{`{"resourceId":"b"}`, scoreUntypedID},
		{`{"name":"name of b"}`, scoreUntypedOne},
		{`{"resourceId":"name of b"}`, scoreUntypedOne},
		{`{"resourceType":"Test::Box::Box","name":"name of b"}`, scoreName},
		{`{"resourceType":"Test::Box::Box","name":"b"}`, scoreName},
		{`{"resourceType":"Test::Box::Box"}`, 0},
		{`{}`, 0},
		{`{"name":"other"},{"resourceId":"b"},{"resourceType":"Test::Box::Box","resourceId":"b"}`, scoreID},
	} {
		ev := event(t, "e", "a", "act", c.target, t0)
		if got, why := about(&it, &ev); got != c.want || (got > 0) == (why == "") {
			t.Errorf("%s: %d (%s), want %d", c.target, got, why, c.want)
		}
	}
}

func TestEffect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action, detail string
		want           effect
	}{
		{"s3:GetBucketAcl", "", effectReads},
		{"s3:PutBucketAcl", "", effectChanges},
		{"ec2:RunInstances", "", effectCreates},
		{"dynamodb:BatchGetItem", "", effectReads},
		{"dynamodb:BatchWriteItem", "", effectChanges},
		{"ec2:TerminateInstances", "", effectDeletes},
		{"k8s:patch", "", effectChanges},
		{"delete", "", effectDeletes},
		{"watch", "", effectReads},
		{"ssm:SendCommand", "", effectUnknown},
		{"ssm:SendCommand", `{"readOnly":false}`, effectChanges},
		{"sts:AssumeRole", `{"readOnly":true}`, effectReads},
		{"x:GetAndForget", `{"readOnly":false}`, effectChanges},
		{"ec2:DeleteVolume", `{"readOnly":false}`, effectDeletes},
		{"issue_card", `"text"`, effectCreates},
		{"issuer", `[1]`, effectUnknown},
		{"", "", effectUnknown},
		{":", "", effectUnknown},
	} {
		ev := event(t, "e", "a", c.action, "", t0)
		if c.detail != "" {
			ev = event(t, "e", "a", c.action, "", t0, `"detail":`+c.detail)
		}
		if got := effectOf(&ev); got != c.want {
			t.Errorf("%q %s: %d, want %d", c.action, c.detail, got, c.want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"PutBucketAcl":                    {"put", "bucket", "acl"},
		"/configuration/sseAlgorithm/KMS": {"configuration", "sse", "algorithm", "kms"},
		"DescribeDBInstances":             {"describe", "db", "instances"},
		"delete_volume-2":                 {"delete", "volume", "2"},
		"ÄndereÖl":                        {"ändere", "öl"},
		"":                                nil,
	} {
		if diff := cmp.Diff(want, splitWords(in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

// TestChanges leaves out what is no change of the resource, cuts what is long, and puts what the policy
// names first.
func TestChanges(t *testing.T) {
	t.Parallel()
	long := `"` + string(make([]byte, 0)) + string([]byte("x"))
	for range 3000 {
		long += "x"
	}
	long += `"`
	before := item(t, "b", `{"a":1,"rules":[{"port":22}],"text":""}`, t0.Add(-time.Hour))
	now := item(t, "b", `{"a":2,"rules":[{"port":23}],"text":`+long+`}`, t0)
	got, more, err := changes(&before, &now, []string{"/configuration/rules"})
	if err != nil || more != 0 {
		t.Fatal(more, err)
	}
	want := []verdict.FieldChange{
		{Op: "replace", Path: "/configuration/rules/0/port", Old: []byte("22"), Value: []byte("23")},
		{Op: "replace", Path: "/configuration/a", Old: []byte("1"), Value: []byte("2")},
		{Op: "replace", Path: "/configuration/text", Old: []byte(`""`), Cut: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	gone := now.Gone(record.StatusDeleted, t0)
	got, _, err = changes(&now, &gone, nil)
	want = []verdict.FieldChange{{Op: "replace", Path: "/configurationItemStatus", Old: []byte(`"OK"`), Value: []byte(`"ResourceDeleted"`)}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	many := `{"a":[0`
	for range 200 {
		many += ",1"
	}
	wide := item(t, "b", many+`]}`, t0)
	if got, more, err = changes(&before, &wide, nil); err != nil || len(got) > maxChanges || more > 0 && len(got) != maxChanges {
		t.Errorf("%d and %d more, %v", len(got), more, err)
	}
}
