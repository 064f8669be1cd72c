package awsconfig

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// result is what Map made of one item.
type result struct {
	Item map[string]any
	Err  string
}

func mapAll(t testing.TB, rec string) (out []result, err error) {
	t.Helper()
	n, _, err := jsontext.Scan([]byte(rec))
	if err != nil || strings.TrimSpace(rec[n:]) != "" {
		t.Fatalf("the test's record is no JSON: %v", err)
	}
	err = New().Map([]byte(strings.TrimSpace(rec)), func(b, raw []byte, err error) {
		r := result{}
		if err != nil {
			r.Err = err.Error()
			if len(raw) == 0 {
				t.Error("a damaged item without its bytes")
			}
		} else {
			if n, _, err := jsontext.Scan(b); err != nil || n != len(b) {
				t.Fatalf("%s is no JSON: %v", b, err)
			}
			dec := json.NewDecoder(bytes.NewReader(b))
			dec.UseNumber()
			if err := dec.Decode(&r.Item); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, r)
	})
	return out, err
}

// volume is the sample of an item in its first form, with the misspelt zone.
const volume = `{"configurationItemVersion":"1.0","resourceId":"vol-ce676ccc","arn":"arn:aws:us-west-2b:123456789012:volume/vol-ce676ccc","accountId":"12345678910","configurationItemCaptureTime":"2014-03-07T23:47:08.918Z","configurationStateID":"3e660fdf","configurationItemStatus":"OK","relatedEvents":["06c12a39"],"availibilityZone":"us-west-2b","resourceType":"AWS::EC2::VOLUME","resourceCreationTime":"2014-02-27T21:43:53.0885+0000","tags":{},"relationships":[{"resourceId":"i-344c463d","resourceType":"AWS::EC2::INSTANCE","name":"Attached to Instance"}],"configuration":{"volumeId":"vol-ce676ccc","size":1.50,"big":9007199254740993,"state":"in-use","tags":[{"tagName":"environment","tagValue":"PROD"}]}}`

func wantVolume() map[string]any {
	return map[string]any{
		"configurationItemVersion": "1.0", "resourceId": "vol-ce676ccc", "arn": "arn:aws:us-west-2b:123456789012:volume/vol-ce676ccc",
		"accountId": "12345678910", "configurationItemCaptureTime": "2014-03-07T23:47:08.918000Z", "configurationStateId": "3e660fdf",
		"configurationItemStatus": "OK", "relatedEvents": []any{"06c12a39"}, "availabilityZone": "us-west-2b", "resourceType": "AWS::EC2::Volume",
		"resourceCreationTime": "2014-02-27T21:43:53.088500Z", "tags": map[string]any{},
		"relationships": []any{map[string]any{"resourceId": "i-344c463d", "resourceType": "AWS::EC2::Instance", "name": "Attached to Instance"}},
		"configuration": map[string]any{
			"volumeId": "vol-ce676ccc", "size": json.Number("1.50"), "big": json.Number("9007199254740993"), "state": "in-use",
			"tags": []any{map[string]any{"tagName": "environment", "tagValue": "PROD"}},
		},
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// TestOneItemInEveryEnvelope finds the same item wherever AWS Config puts it.
func TestOneItemInEveryEnvelope(t *testing.T) {
	t.Parallel()
	notification := `{"configurationItemDiff":{"changeType":"UPDATE"},"configurationItem":` + volume + `,"messageType":"ConfigurationItemChangeNotification","recordVersion":"1.2"}`
	for name, rec := range map[string]string{
		"bare":                          volume,
		"a list":                        `[` + volume + `]`,
		"a snapshot":                    `{"fileVersion":"1.0","requestId":"x","configurationItems":[` + volume + `]}`,
		"the API's current items":       `{"baseConfigurationItems":[` + volume + `],"unprocessedResourceKeys":[]}`,
		"a notification's message":      notification,
		"SNS with an object":            `{"Type":"Notification","Message":` + notification + `}`,
		"SNS with a text":               `{"Type":"Notification","Message":` + quote(notification) + `}`,
		"an old notification's list":    `{"Type":"Notification","Message":{"messageType":"ConfigurationItemChangeNotification","configurationItem":[` + volume + `]}}`,
		"EventBridge":                   `{"version":"0","detail-type":"Config Configuration Item Change","source":"aws.config","account":"9","detail":` + notification + `}`,
		"a rule's event":                `{"invokingEvent":` + quote(notification) + `,"accountId":"9","configRuleName":"x"}`,
		"a rule's event in SNS in SQS":  `{"Message":` + quote(`{"Message":`+quote(notification)+`}`) + `}`,
		"line breaks between its parts": strings.ReplaceAll(volume, `,"`, ",\n \""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := mapAll(t, rec)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]result{{Item: wantVolume()}}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestItem(t *testing.T) {
	t.Parallel()
	const id = `"resourceType":"AWS::S3::Bucket","resourceId":"b"`
	for _, c := range []struct {
		name, members, member string
		want                  any
	}{
		{"the account by another name", `"awsAccountId":"1"`, "accountId", "1"},
		{"an account that is a number", `"accountId":123456789012`, "accountId", "123456789012"},
		{"the region by another name", `"awsRegion":"eu-west-1"`, "region", "eu-west-1"},
		{"the ARN in capitals", `"ARN":"arn:aws:s3:::b"`, "arn", "arn:aws:s3:::b"},
		{"both spellings of the ARN", `"arn":"","ARN":"arn:aws:s3:::b","arn":"x"`, "arn", "arn:aws:s3:::b"},
		{"a state id that is a number", `"configurationStateId":1549956556288`, "configurationStateId", "1549956556288"},
		{"the version by another name", `"version":"1.3"`, "configurationItemVersion", "1.3"},
		{"no name", `"resourceName":null`, "resourceName", nil},
		{"an empty name", `"resourceName":""`, "resourceName", nil},
		{"an old status", `"configurationItemStatus":"Discovered"`, "configurationItemStatus", "ResourceDiscovered"},
		{"an old deletion", `"configurationItemStatus":"Deleted"`, "configurationItemStatus", "ResourceDeleted"},
		{"not recorded", `"configurationItemStatus":"ResourceDeletedNotRecorded"`, "configurationItemStatus", "ResourceDeletedNotRecorded"},
		{"a configuration in a string", `"configuration":"{\"a\": [1.0, \"\\\"\"]}"`, "configuration", map[string]any{"a": []any{json.Number("1.0"), `"`}}},
		{"a configuration that is another string", `"configuration":"{x"`, "configuration", "{x"},
		{"no configuration", `"configuration":null`, "configuration", nil},
		{"an empty configuration", `"configuration":""`, "configuration", nil},
		{"strings in the supplementary configuration", `"supplementaryConfiguration":{"Policy":"{\"a\":1}"}`, "supplementaryConfiguration", map[string]any{"Policy": `{"a":1}`}},
		{
			"strings in the supplementary configuration of an answer",
			`"supplementaryConfiguration":{"BucketPolicy":"{\"policyText\":null}","Paid":"false","Policy":"\"{}\"","Name":"x y"},"configuration":"{}"`, "supplementaryConfiguration",
			map[string]any{"BucketPolicy": map[string]any{"policyText": nil}, "Paid": false, "Policy": "{}", "Name": "x y"},
		},
		{"seconds", `"configurationItemCaptureTime":1587561197.718`, "configurationItemCaptureTime", "2020-04-22T13:13:17.718000Z"},
		{"milliseconds", `"configurationItemCaptureTime":1587561197718`, "configurationItemCaptureTime", "2020-04-22T13:13:17.718000Z"},
		{"a time with an offset", `"configurationItemCaptureTime":"2020-04-22T15:13:17.5+02:00"`, "configurationItemCaptureTime", "2020-04-22T13:13:17.500000Z"},
		{"a time as Python prints it", `"configurationItemCaptureTime":"2020-04-22 13:13:17.718000+00:00"`, "configurationItemCaptureTime", "2020-04-22T13:13:17.718000Z"},
		{"a time as Python represents it", `"configurationItemCaptureTime":"datetime.datetime(2020, 4, 22, 13, 13, 17, 718000, tzinfo=tzlocal())"`, "configurationItemCaptureTime", "2020-04-22T13:13:17.718000Z"},
		{"a creation time that is none", `"resourceCreationTime":"long ago"`, "resourceCreationTime", "long ago"},
		{"tags as a list", `"tags":[{"key":"a","value":"1"},{"Key":"b","Value":null},{"tagName":"c","tagValue":2},{"x":1},{"key":"a","value":"3"}]`, "tags", map[string]any{"a": "1", "b": "", "c": "2"}},
		{"tags that are no texts", `"tags":{"a":null,"b":true,"c":"x"}`, "tags", map[string]any{"a": "", "b": "true", "c": "x"}},
		{"relationships by id", `"relationships":[{"resourceType":"AWS::EC2::VPC","resourceId":"vpc-1","resourceName":null,"relationshipName":"Is contained in Vpc "}]`, "relationships", []any{map[string]any{"resourceType": "AWS::EC2::VPC", "resourceId": "vpc-1", "name": "Is contained in Vpc"}}},
		{"relationships by name", `"relationships":[{"resourceType":"AWS::IAM::Policy","resourceName":"p","relationshipName":"x"}]`, "relationships", []any{map[string]any{"resourceType": "AWS::IAM::Policy", "resourceName": "p", "name": "x"}}},
		{"relationships by both", `"relationships":[{"resourceType":"AWS::IAM::Group","resourceId":"AGPAX","resourceName":"g"}]`, "relationships", []any{map[string]any{"resourceType": "AWS::IAM::Group", "resourceId": "AGPAX", "resourceName": "g"}}},
		{"relationships with lists", `"relationships":[{"resourceType":"AWS::EC2::Subnet","resourceId":["a","b"]},{"resourceType":"T","resourceName":["n"]}]`, "relationships", []any{
			map[string]any{"resourceType": "AWS::EC2::Subnet", "resourceId": "a"}, map[string]any{"resourceType": "AWS::EC2::Subnet", "resourceId": "b"}, map[string]any{"resourceType": "T", "resourceName": "n"},
		}},
		{"relationships that are plain ids", `"relationships":["i-344c463d","arn:aws:s3:::b","what?",1,null,{}]`, "relationships", []any{
			map[string]any{"resourceType": "AWS::EC2::Instance", "resourceId": "i-344c463d"}, map[string]any{"resourceType": "AWS::S3::Bucket", "resourceId": "b"},
		}},
		{"no relationships", `"relationships":null`, "relationships", nil},
		{"members that are not known", `"recordingFrequency":"DAILY","x":{"y":[1]}`, "x", map[string]any{"y": []any{json.Number("1")}}},
		{"a difference", `"configurationItemDiff":{"a":1}`, "configurationItemDiff", nil},
		{"an escaped name", `"awsR\u0065gion":"r"`, "region", "r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapAll(t, `{`+c.members+`,`+id+`}`)
			if err != nil || len(got) != 1 || got[0].Err != "" {
				t.Fatalf("got %+v, %v", got, err)
			}
			if diff := cmp.Diff(c.want, got[0].Item[c.member]); diff != "" {
				t.Error(diff)
			}
			if got[0].Item["resourceId"] != "b" {
				t.Error("the identity is lost")
			}
		})
	}
}

func TestWhatIsNoItem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rec, want string
		none            bool
	}{
		{"another object", `{"Version":"2012-10-17","Statement":[]}`, "not a configuration item: it has neither resourceType nor resourceId", false},
		{"a text", `"x"`, "not a configuration item: not an object", false},
		{"an empty list", `{"configurationItems":[]}`, "an empty list of items", true},
		{"a delivery", `{"Message":{"s3ObjectKey":"k","messageType":"ConfigurationHistoryDeliveryCompleted"}}`, "a notification without an item (ConfigurationHistoryDeliveryCompleted)", true},
		{"a rule's result", `{"Message":{"resourceType":"AWS::::Account","resourceId":"1","messageType":"ComplianceChangeNotification"}}`, "a notification without an item (ComplianceChangeNotification)", true},
		{"a schedule", `{"invokingEvent":"{\"messageType\":\"ScheduledNotification\"}"}`, "a notification without an item (ScheduledNotification)", true},
		{"envelopes without end", strings.Repeat(`{"Message":`, 8) + `{}` + strings.Repeat(`}`, 8), "not a configuration item: too many envelopes", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapAll(t, c.rec)
			if len(got) != 0 || err == nil || err.Error() != c.want || IsNoRecord(err) != c.none {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestDamagedItems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, rec, want string }{
		{"no id", `{"resourceType":"T"}`, "not a configuration item: it has no resourceId"},
		{"an empty id", `{"resourceType":"T","resourceId":""}`, "not a configuration item: it has no resourceId"},
		{"no type", `{"resourceId":"x","resourceType":{}}`, "not a configuration item: it has no resourceType"},
		{"a bad time", `{"resourceType":"T","resourceId":"x","configurationItemCaptureTime":"soon"}`, `configurationItemCaptureTime "soon" is not a time`},
		{"a bad Python time", `{"resourceType":"T","resourceId":"x","configurationItemCaptureTime":"datetime.datetime(2020, 13, 1, 0, 0)"}`, `configurationItemCaptureTime "datetime.datetime(2020, 13, 1, 0, 0)" is not a time`},
		{"a failure", `{"resourceType":"T","resourceId":"x","configurationItemStatus":"Failed"}`, `configurationItemStatus "Failed" is none that AWS Config records resources with`},
		{"too large for a notification", `{"configurationItemSummary":{"resourceType":"T","resourceId":"x","configurationItemStatus":"OK"},"s3DeliverySummary":{"s3BucketLocation":"bucket/key"}}`, "the item was too large for its notification; read it from bucket/key"},
		{"too large, and not delivered", `{"configurationItemSummary":{"resourceType":"T","resourceId":"x"},"s3DeliverySummary":{"s3BucketLocation":null}}`, "the item was too large for its notification; read it from the delivery bucket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapAll(t, c.rec)
			if err != nil || len(got) != 1 || got[0].Err != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	// Items beside a damaged one are taken, and of a summary the deletion.
	got, err := mapAll(t, `[{"resourceType":"T","resourceId":"x"},{"resourceType":"T"},7,{"configurationItemSummary":{"resourceType":"T","resourceId":"y","configurationItemStatus":"ResourceDeleted"}}]`)
	if err != nil || len(got) != 4 || got[0].Err != "" || got[1].Err == "" || got[2].Err == "" || got[3].Item["configurationItemStatus"] != "ResourceDeleted" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRealFiles counts what is in the real samples.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("REGENT_TESTDATA")
	if dir == "" {
		dir = "../../../../../shared/data"
	}
	items, _ := filepath.Glob(filepath.Join(dir, "awsconfig/rdk-example-ci/*.json"))
	if len(items) == 0 {
		t.Skip("the real items are not beside the repository; set REGENT_TESTDATA to where they are")
	}
	good, damaged, types := 0, 0, map[string]bool{}
	for _, f := range items {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n, _, err := jsontext.Scan(b); err != nil || len(bytes.TrimSpace(b[n:])) > 0 {
			damaged++
			continue
		}
		got, err := mapAll(t, string(b))
		if err != nil || len(got) != 1 || got[0].Err != "" {
			t.Errorf("%s: %+v, %v", filepath.Base(f), got, err)
			continue
		}
		good++
		it := got[0].Item
		types[it["resourceType"].(string)] = true
		for _, name := range []string{"accountId", "region", "resourceType", "resourceId", "configurationItemStatus", "configurationItemCaptureTime"} {
			if s, _ := it[name].(string); s == "" {
				t.Errorf("%s has no %s", filepath.Base(f), name)
			}
		}
		for _, name := range []string{"awsRegion", "awsAccountId", "ARN"} {
			if it[name] != nil {
				t.Errorf("%s keeps %s", filepath.Base(f), name)
			}
		}
	}
	if good != 78 || damaged != 2 || len(types) < 75 {
		t.Errorf("%d good items of %d types, %d damaged files", good, len(types), damaged)
	}
	for name, want := range map[string]int{"example-sns-notification-0": 1, "example-sns-notification-1": 1, "example-sns-notification-2": 1, "evaluate-config_develop-rules_example-events-0": 1} {
		b, err := os.ReadFile(filepath.Join(dir, "awsconfig/doc-samples", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := mapAll(t, string(b))
		if err != nil || len(got) != want || got[0].Err != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzMap(f *testing.F) {
	for _, s := range []string{
		volume, `[` + volume + `,1]`, `{"Message":` + quote(`{"configurationItem":`+volume+`}`) + `}`, `{"resourceType":"T","resourceId":"x","tags":[{"key":"\u0000"}]}`,
		`{"resourceType":"T","resourceId":"x","relationships":["a",{"resourceId":["b",1]}],"configuration":"[1,\"x\"]"}`, `{"configurationItemSummary":{}}`,
		`{"resourceType":"T","resourceId":1,"configurationItemCaptureTime":1e3,"resourceCreationTime":"datetime.datetime(1,"}`,
	} {
		f.Add([]byte(s))
	}
	m := New()
	f.Fuzz(func(t *testing.T, in []byte) {
		n, _, err := jsontext.Scan(in)
		if err != nil {
			return
		}
		_ = m.Map(in[jsontext.Space(in, 0):n], func(b, raw []byte, err error) {
			if err != nil {
				return
			}
			if n, _, err := jsontext.Scan(b); err != nil || n != len(b) {
				t.Fatalf("%s became %s, which is no JSON: %v", raw, b, err)
			}
			// An item in our form is not changed again.
			again, err := m.item(b)
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%s became %s (%v)", b, again, err)
			}
		})
	})
}

func BenchmarkMap(b *testing.B) {
	m := New()
	rec := []byte(volume)
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Map(rec, func(_, _ []byte, err error) {
			if err != nil {
				b.Fatal(err)
			}
		}); err != nil {
			b.Fatal(err)
		}
	}
}
