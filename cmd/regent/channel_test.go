package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// oddItems are items that a reader of AWS Config's files would change where they are not marked, and one
// resource with late, confirmed and equal versions.
const oddItems = `{"accountId":"123456789012","region":"eu-west-1","resourceType":"AWS::EC2::Volume","resourceId":"vol-0a1b2c3d","arn":"arn:aws:ec2:eu-west-1:123456789012:volume/vol-0a1b2c3d","configurationItemCaptureTime":"2026-01-01T00:00:00Z","configuration":{"size":123456789012345678901234567890,"ratio":1.10,"none":null,"list":[],"text":"{\"a\":1}"},"supplementaryConfiguration":{"Policy":"{\"Version\":\"2012-10-17\"}","Empty":""},"tags":{"Name":"x","empty":"","ünï":"\u0000"},"relationships":[{"resourceType":"AWS::EC2::Instance","resourceId":"i-0a1b2c3d","name":"Is attached to Instance"}],"configurationItemVersion":"1.3","availabilityZone":"eu-west-1a"}
{"accountId":"0f0e0d0c0b0a09080706050403020100","region":"","resourceType":"Linux::System::File","resourceId":"/etc/passwd","configurationItemCaptureTime":"2026-01-01T00:00:00.123456Z","configuration":"{\"looks\":\"like JSON\"}","relationships":[{"resourceType":"linux::x","resourceId":"","resourceName":"n","direction":"out"},{"nonsense":true},"i-0a1b2c3d"],"tags":{"n":5,"o":{"p":null}}}
{"accountId":"../../etc","region":"a/b","resourceType":"Odd::Type::../x","resourceId":"../../../tmp/evil\u0000\n","configurationItemCaptureTime":"2026-01-01T00:00:00Z","configuration":null,"arn":"","resourceName":null}
{"accountId":".","region":"..","resourceType":"aws::ec2::volume","resourceId":"vol-9","awsAccountId":"other","awsRegion":7,"ARN":["x"],"regentItem":{"a":"b"},"regentItem-1":"c","configurationItem":{"resourceType":"A","resourceId":"b"},"Message":"{\"configurationItem\":{}}","detail":{"x":1},"configurationItemDiff":{"y":2},"configurationItemMD5Hash":"h","configurationStateMd5Hash":"i","messageType":"M"}
{"resourceType":"No::Account::Here","resourceId":"x","configuration":{}}
{"accountId":"-","region":"-","resourceType":"No::Account::Here","resourceId":"x","configuration":{}}
{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"late","configurationItemCaptureTime":"2026-01-01T00:00:01Z","configuration":{"v":"A"}}
{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"late","configurationItemCaptureTime":"2026-01-01T00:00:05Z","configuration":{"v":"A"}}
{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"late","configurationItemCaptureTime":"2026-01-01T00:00:03Z","configuration":{"v":"B"}}
{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"same-moment","configurationItemCaptureTime":"2026-01-01T00:00:01Z","configuration":{"v":"A"}}
{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"same-moment","configurationItemCaptureTime":"2026-01-01T00:00:01Z","configuration":{"v":"B"}}
{"accountId":"1","region":"eu","resourceType":"Test::Box::Box","resourceId":"same-moment","configurationItemCaptureTime":"2026-01-01T00:00:01Z","configuration":{"v":"A"}}
{"accountId":"2","region":"eu","resourceType":"Test::Box::Box","resourceId":"gone","configurationItemCaptureTime":"2026-01-01T00:00:01Z","configuration":{"v":"A"}}
{"accountId":"2","region":"eu","resourceType":"Test::Box::Box","resourceId":"gone","configurationItemCaptureTime":"2026-01-01T00:00:02Z","configurationItemStatus":"ResourceDeleted"}
{"accountId":"3","region":"eu","resourceType":"Test::Box::Box","resourceId":"back","configurationItemCaptureTime":"2026-01-01T00:00:01Z","configurationItemStatus":"ResourceDiscovered","configuration":{"v":"A"}}
{"accountId":"3","region":"eu","resourceType":"Test::Box::Box","resourceId":"back","configurationItemCaptureTime":"2026-01-01T00:00:02Z","configurationItemStatus":"ResourceNotRecorded"}
{"accountId":"3","region":"eu","resourceType":"Test::Box::Box","resourceId":"back","configurationItemCaptureTime":"2026-01-01T00:00:03Z","configurationItemStatus":"OK","configuration":{"v":"A"}}
`

// oddEvents are events that are no CloudTrail record, or say that they are one and are not.
const oddEvents = `{"id":"e1","source":"kubernetes.audit","time":"2026-01-01T00:00:00.000001Z","action":"pods:delete","outcome":"failure","error":{"code":"Forbidden","message":["no","text"]},"actor":{"type":"User","id":"alice","name":"Alice <a&b>"},"origin":{"address":"192.0.2.1"},"targets":[{"resourceType":"K8s::Core::Pod","resourceId":"p"}],"accountId":"cluster","region":"","detail":{"n":123456789012345678901234567890,"nested":{"a":[1.0,1e3,null]}}}
{"source":"no.id","time":"2026-01-01T00:00:00Z","action":"x","detail":{}}
{"id":"e1","source":"kubernetes.audit","time":"2026-01-01T00:00:00Z","action":"the same id with other content"}
{"id":"m1","source":"aws.cloudtrail","time":"2026-01-01T00:00:00Z","action":"iam:CreateUser","extra":"made by another mapper","detail":{"eventID":"m1","eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser"}}
{"id":"m2","source":"aws.cloudtrail","time":"2026-01-01T00:00:01Z","action":"iam:CreateUser","detail":{"eventID":"m2","eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser"}}
{"id":"m3","source":"aws.cloudtrail","time":"2026-01-01T00:00:00Z","action":"renamed","detail":"no object"}
{"id":"m4","source":"forged","time":"2026-01-01T00:00:00Z","action":"a","regentEvent":{"id":"other","source":"s"},"detail":{"regentEvent":{"id":"another","source":"s"}}}
`

// oddRecords are CloudTrail records; one has line breaks, one stands in an envelope.
const oddRecords = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLEEXAMPLE01","arn":"arn:aws:iam::123456789012:user/alice","accountId":"123456789012","userName":"alice"},"eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"cli","requestParameters":{"userName":"bob","n":123456789012345678901234567890},"responseElements":null,"eventID":"c1","eventType":"AwsApiCall","recipientAccountId":"123456789012"}
{
  "eventVersion": "1.08", "userIdentity": {"type": "Root", "accountId": "123456789012"},
  "eventTime": "2026-01-01T00:00:01Z", "eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging",
  "awsRegion": "eu-west-1", "errorCode": "AccessDenied", "errorMessage": "a \"quoted\" \u00e9 \u2028 text", "eventID": "c2", "recipientAccountId": "123456789012"
}
{"detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","detail":{"eventTime":"2026-01-01T00:00:02.5Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"eu-west-1","eventID":"c3","recipientAccountId":"210987654321","resources":[{"ARN":"arn:aws:ec2:eu-west-1:210987654321:instance/i-0a1b2c3d","accountId":"210987654321","type":"AWS::EC2::Instance"}]}}
`

// knownVersion is what two stores must agree on of a version. The capture time stands apart, because the body of
// a version that was in force again keeps that of the first time.
type knownVersion struct {
	Captured time.Time
	Status   record.Status
	Hash     string
	Body     string
}

type recorded struct {
	Versions map[string][]knownVersion
	Current  map[string]knownVersion
	Events   []string
}

// readStore reads what a daemon that has ended recorded.
func readStore(t *testing.T, dir string) recorded {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := recorded{Versions: map[string][]knownVersion{}, Current: map[string]knownVersion{}}
	of := func(c *store.Current) knownVersion {
		var body map[string]json.RawMessage
		if err := json.Unmarshal(c.Item.Body, &body); err != nil {
			t.Fatal(err)
		}
		delete(body, "configurationItemCaptureTime")
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return knownVersion{c.Item.CaptureTime, c.Item.Status, c.Item.Hash.String(), string(b)}
	}
	err = s.View(t.Context(), func(tx *store.Tx) error {
		last, err := tx.LastVersion()
		if err != nil {
			return err
		}
		all, err := tx.VersionsAfter(0, 1_000_000)
		if err != nil {
			return err
		}
		for _, c := range all {
			out.Versions[c.Item.Key.String()] = append(out.Versions[c.Item.Key.String()], of(c))
		}
		state, err := tx.StateAt(last, 0, 1_000_000)
		for _, c := range state {
			out.Current[c.Item.Key.String()] = of(c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, vs := range out.Versions {
		slices.SortStableFunc(vs, func(a, b knownVersion) int { return a.Captured.Compare(b.Captured) })
		out.Versions[key] = vs
	}
	bucket, err := blob.Folder(filepath.Join(dir, "lake"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := blob.Cache(bucket, filepath.Join(dir, "cache"), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(lake.Options{Store: s, Bucket: bucket, Cache: cache, Scratch: filepath.Join(dir, "scratch"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var events []store.EventRow
	for number := int64(0); ; number = events[len(events)-1].Number {
		more, err := l.EventsAfter(t.Context(), number, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if events = append(events, more...); len(more) == 0 {
			break
		}
	}
	for _, e := range events {
		canonical, err := record.Canonical(e.Event.Body)
		if err != nil {
			t.Fatal(err)
		}
		out.Events = append(out.Events, string(canonical))
	}
	slices.Sort(out.Events)
	return out
}

// TestReadBack writes snapshots, history and a trail of records of every kind, real ones too where they lie
// beside the repository, and lets other daemons read the files: they must know the same.
func TestReadBack(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "rb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("own/items.log", oddItems)
	put("own/events.log", oddEvents)
	put("trail/a.json", oddRecords)
	put("config/a.json", `{"fileVersion":"1.0","configurationItems":[{"awsAccountId":"123456789012","awsRegion":"eu-west-1","ARN":"arn:aws:s3:::b","resourceType":"AWS::S3::Bucket","resourceId":"b","resourceName":"b","configurationItemCaptureTime":"2026-01-01T00:00:00.500Z","configurationItemStatus":"OK","configurationItemVersion":1.3,"configurationStateId":1,"configuration":{"name":"b"},"tags":[{"key":"k","value":"v"}],"relationships":[],"supplementaryConfiguration":{"BucketPolicy":{"policyText":null}}}]}`)
	var paths [3]string
	for i, name := range []string{"own", "trail", "config"} {
		paths[i] = fmt.Sprintf("%q", filepath.Join(dir, name))
	}
	data := realDataPath(t)
	least := 28
	if _, err := os.Stat(filepath.Join(data, "cloudtrail", "files")); err == nil {
		paths[1] += fmt.Sprintf(", %q", filepath.Join(data, "cloudtrail", "files"))
		paths[2] += fmt.Sprintf(", %q", filepath.Join(data, "awsconfig", "rdk-example-ci"))
		least += 523 + 78
	}
	collectors := func(own, trail, config string) string {
		text := ""
		for format, paths := range map[string]string{"regent": own, "cloudtrail": trail, "aws-config": config} {
			if paths != "" {
				text += fmt.Sprintf("collector \"files\" %q {\n  config {\n    paths = [%s]\n    format = %q\n    settle = \"1s\"\n    poll = \"200ms\"\n  }\n}\n", format, paths, format)
			}
		}
		return text
	}

	bucket := filepath.Join(dir, "bucket")
	one := runDaemon(t, filepath.Join(mkdir(t, dir, "1")), collectors(paths[0], paths[1], paths[2])+fmt.Sprintf(`
notifier "file" "out" {
  config {
    path = %q
  }
}
snapshot "x" {
  to            = %q
  every         = "1h"
  history_every = "300ms"
  notify        = [notifier.file.out]
}
trail "y" {
  to     = %[2]q
  every  = "300ms"
  notify = [notifier.file.out]
}
`, filepath.Join(dir, "out.ndjson"), bucket))
	s, _ := one.until("all records", time.Minute, func(s api.Status) bool { return int(s.Sum.Read) >= least })
	if n := s.Records["collector.files.regent"]; n.Quarantined > 0 {
		t.Fatalf("records of the test are refused: %+v", n)
	}
	var files []api.ChannelFile
	if err := one.call(t.Context(), "POST", "/v1/snapshots/x", nil, nil, &files); err != nil {
		t.Fatal(err)
	}
	if len(files) < 8 {
		t.Errorf("the snapshot has %d files, want one for each account and region", len(files))
	}
	var before [2]int64
	var since time.Time
	one.until("that all is delivered", time.Minute, func(s api.Status) bool {
		var now [2]int64
		waiting := 0
		for _, c := range s.Channels {
			switch c.Kind {
			case "history":
				now[0] = c.Records
			case "trail":
				now[1] = c.Records
			}
			waiting += c.Waiting
		}
		if now != before || waiting > 0 || s.Deliveries["notifier.file.out"]["pending"] > 0 {
			before, since = now, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
	one.stop()
	want := readStore(t, filepath.Join(dir, "1", "d"))
	t.Logf("%d resources, %d versions and %d events were recorded", len(want.Current), before[0], before[1])
	if int(before[1]) != len(want.Events) {
		t.Errorf("the trail delivered %d events of %d", before[1], len(want.Events))
	}
	told := deliveredFiles(t, filepath.Join(dir, "out.ndjson"))
	lying := 0
	err = filepath.WalkDir(bucket, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		lying++
		key, err := filepath.Rel(bucket, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if sum := record.Sum(text).String(); told[key] != sum {
			t.Errorf("%s: the notification says digest %q, it has %s", key, told[key], sum)
		}
		in, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return err
		}
		if text, err = io.ReadAll(in); err != nil {
			return err
		}
		if !json.Valid(text) || bytes.Count(text, []byte{'\n'}) != 1 {
			t.Errorf("%s is not JSON in one line", key)
		}
		return nil
	})
	if err != nil || lying != len(told) {
		t.Errorf("%d files in the bucket, %d notifications; %v", lying, len(told), err)
	}

	// A second daemon reads all files, a third the snapshots alone.
	two := runDaemon(t, mkdir(t, dir, "2"), collectors("", fmt.Sprintf("%q", bucket+"/AWSLogs/*/CloudTrail"), fmt.Sprintf("%q", bucket+"/AWSLogs/*/Config")))
	three := runDaemon(t, mkdir(t, dir, "3"), collectors("", "", fmt.Sprintf("%q", bucket+"/AWSLogs/*/Config/*/*/*/*/ConfigSnapshot")))
	living := 0
	for _, f := range files {
		living += f.Count
	}
	s, _ = two.until("all files", time.Minute, func(s api.Status) bool { return s.Sum.Read == before[0]+before[1]+int64(living) })
	if s.Sum.Quarantined > 0 {
		t.Errorf("the second daemon refuses records: %+v", s.Sum)
	}
	three.until("all snapshots", time.Minute, func(s api.Status) bool { return s.Sum.Read == int64(living) })
	two.stop()
	three.stop()
	got := readStore(t, filepath.Join(dir, "2", "d"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the second daemon knows something else: %s", cutText(diff, 6000))
	}
	for key, v := range want.Current {
		if !v.Status.Recorded() {
			delete(want.Current, key)
		}
	}
	if diff := cmp.Diff(want.Current, readStore(t, filepath.Join(dir, "3", "d")).Current); diff != "" {
		t.Errorf("the snapshots say something else: %s", cutText(diff, 6000))
	}
}

func cutText(s string, n int) string { return s[:min(n, len(s))] }

func mkdir(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// deliveredFiles returns the digests of the files that notifications tell of, by their keys. A file that is
// told of twice fails the test.
func deliveredFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		var e struct {
			Type string
			Data struct {
				Changes []struct {
					Data struct {
						Key, SHA256 string
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.Type, ".delivered") {
			continue
		}
		f := e.Data.Changes[0].Data
		if _, twice := out[f.Key]; twice {
			t.Errorf("%s is told of twice", f.Key)
		}
		out[f.Key] = f.SHA256
	}
	return out
}
