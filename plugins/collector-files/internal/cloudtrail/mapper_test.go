package cloudtrail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// event is what a test looks at.
type event struct {
	ID      *string        `json:"id"`
	Time    string         `json:"time"`
	Source  string         `json:"source"`
	Type    *string        `json:"type"`
	Action  string         `json:"action"`
	Outcome string         `json:"outcome"`
	Error   map[string]any `json:"error"`
	Actor   struct {
		Type      string `json:"type,omitempty"`
		ID        string `json:"id,omitempty"`
		Name      string `json:"name,omitempty"`
		AccountID string `json:"accountId,omitempty"`
		SessionID string `json:"sessionId,omitempty"`
	} `json:"actor"`
	Origin    map[string]any  `json:"origin"`
	Targets   []target        `json:"targets"`
	AccountID string          `json:"accountId"`
	Region    string          `json:"region"`
	Detail    json.RawMessage `json:"detail"`
}

type target struct {
	Type    string `json:"resourceType,omitempty"`
	ID      string `json:"resourceId,omitempty"`
	Name    string `json:"name,omitempty"`
	Account string `json:"accountId,omitempty"`
	Region  string `json:"region,omitempty"`
}

func mapped(t *testing.T, rec string) event {
	t.Helper()
	var m Mapper
	b, err := m.Append(nil, []byte(rec), strings.ContainsAny(rec, "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	var ev event
	if err := json.Unmarshal(b, &ev); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return ev
}

// TestGolden maps the fixtures of testdata and compares the events with what is beside them.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			t.Parallel()
			rec, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			rec = bytes.TrimSpace(rec)
			var m Mapper
			got, err := m.Append(nil, rec, true)
			if err != nil {
				got = []byte("error: " + err.Error())
			} else {
				var doc map[string]json.RawMessage
				if err := json.Unmarshal(got, &doc); err != nil {
					t.Fatalf("%s: %v", got, err)
				}
				var compact bytes.Buffer
				if err := json.Compact(&compact, rec); err != nil {
					t.Fatal(err)
				}
				if inner := doc["detail"]; !bytes.Contains(compact.Bytes(), inner) {
					t.Errorf("the detail is not the record: %s", inner)
				}
				// The detail is the fixture again.
				got = append(got[:len(got)-len(doc["detail"])-len(`,"detail":}`)], '}')
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, got, "", "  "); err != nil {
					t.Fatal(err)
				}
				got = pretty.Bytes()
			}
			golden := strings.TrimSuffix(f, ".json") + ".event"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestActor(t *testing.T) {
	t.Parallel()
	type actor struct{ Type, ID, Name, AccountID, SessionID string }
	for _, c := range []struct {
		name, identity string
		want           actor
	}{
		{"a user", `{"type":"IAMUser","principalId":"AIDAX","arn":"arn:aws:iam::1:user/path/eve","accountId":"1","userName":"eve"}`, actor{"IAMUser", "arn:aws:iam::1:user/path/eve", "eve", "1", ""}},
		{"a user without a name", `{"type":"IAMUser","arn":"arn:aws:iam::1:user/path/eve"}`, actor{"IAMUser", "arn:aws:iam::1:user/path/eve", "eve", "1", ""}},
		{
			"a role", `{"type":"AssumedRole","principalId":"AROAX:s","arn":"arn:aws:sts::1:assumed-role/r/s","accountId":"1","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAX","arn":"arn:aws:iam::1:role/path/r","accountId":"1","userName":"r"}}}`,
			actor{"AssumedRole", "arn:aws:iam::1:role/path/r", "r", "1", "s"},
		},
		{"a role without an issuer", `{"type":"AssumedRole","principalId":"AROAX:s","arn":"arn:aws:sts::1:assumed-role/r/s@x"}`, actor{"AssumedRole", "arn:aws:sts::1:assumed-role/r", "r", "1", "s@x"}},
		{"a role with an empty issuer", `{"type":"AssumedRole","principalId":"AROAX:s","sessionContext":{"sessionIssuer":{},"attributes":{}}}`, actor{"AssumedRole", "AROAX:s", "", "", "s"}},
		{
			"a federated user", `{"type":"FederatedUser","principalId":"1:fed","arn":"arn:aws:sts::1:federated-user/fed","accountId":"1","sessionContext":{"sessionIssuer":{"type":"IAMUser","principalId":"AIDAX","arn":"arn:aws:iam::1:user/eve","accountId":"1","userName":"eve"}}}`,
			actor{"FederatedUser", "arn:aws:iam::1:user/eve", "eve", "1", "fed"},
		},
		{"root", `{"type":"Root","principalId":"1","arn":"arn:aws:iam::1:root","accountId":"1","userName":"alias"}`, actor{"Root", "arn:aws:iam::1:root", "root", "1", ""}},
		{"a service", `{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`, actor{"AWSService", "ec2.amazonaws.com", "ec2.amazonaws.com", "", ""}},
		{"another account's user", `{"type":"AWSAccount","principalId":"AIDAX","accountId":"2"}`, actor{"AWSAccount", "AIDAX", "", "2", ""}},
		{"another account's role", `{"type":"AWSAccount","principalId":"AROAX:s","accountId":"2"}`, actor{"AWSAccount", "AROAX", "", "2", "s"}},
		{"another account", `{"type":"AWSAccount","accountId":"ANONYMOUS_PRINCIPAL"}`, actor{"AWSAccount", "ANONYMOUS_PRINCIPAL", "", "ANONYMOUS_PRINCIPAL", ""}},
		{"a user by SAML", `{"type":"SAMLUser","principalId":"qualifier:eve@example.com","userName":"eve@example.com","identityProvider":"qualifier"}`, actor{"SAMLUser", "qualifier:eve@example.com", "eve@example.com", "", ""}},
		{"a user by OIDC", `{"type":"WebIdentityUser","principalId":"accounts.google.com:app:42","userName":"42","identityProvider":"accounts.google.com"}`, actor{"WebIdentityUser", "accounts.google.com:app:42", "42", "", ""}},
		{"a user of the identity center", `{"type":"IdentityCenterUser","accountId":"1","onBehalfOf":{"userId":"u-1","identityStoreArn":"arn:aws:identitystore::1:identitystore/d-1"},"credentialId":"c"}`, actor{"IdentityCenterUser", "u-1", "", "1", ""}},
		{"an unknown one", `{"type":"Unknown","userName":"eve"}`, actor{"Unknown", "eve", "eve", "", ""}},
		{"a type to come", `{"type":"Robot","principalId":"x","accountId":"1"}`, actor{"Robot", "x", "", "1", ""}},
		{"escapes", `{"type":"IAMUser","arn":"arn:aws:iam::1:user\/e\u0076e","userName":"e\"ve"}`, actor{"IAMUser", "arn:aws:iam::1:user/eve", `e"ve`, "1", ""}},
		{"empty leaves", `{"type":"","principalId":"","arn":"","accountId":"","userName":""}`, actor{}},
		{"null", `null`, actor{}},
		{"no object", `"x"`, actor{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ev := mapped(t, `{"eventTime":"2024-01-02T03:04:05Z","eventSource":"x.amazonaws.com","eventName":"N","userIdentity":`+c.identity+`}`)
			if diff := cmp.Diff(c.want, actor(ev.Actor)); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(fmt.Sprint(ev), `:""`) {
				t.Error("an unknown leaf is written")
			}
		})
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	const account = "111122223333"
	for _, c := range []struct {
		name, source, event, members string
		want                         []target
	}{
		{"nothing", "ec2", "DescribeRegions", `"requestParameters":null,"responseElements":null`, []target{}},
		{
			"the record's own list", "s3", "GetObject", `"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::b/k"},{"accountId":"` + account + `","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::b"},{"type":"AWS::KMS::Key"},{"ARN":"arn:aws:kms:r:9:key/k"}],"requestParameters":{"bucketName":"b","key":"k"}`,
			[]target{{Type: "AWS::S3::Object", ID: "b/k"}, {Type: "AWS::S3::Bucket", ID: "b"}, {Type: "AWS::KMS::Key", ID: "k", Account: "9", Region: "r"}},
		},
		{
			"a list of instances", "ec2", "StopInstances", `"requestParameters":{"instancesSet":{"items":[{"instanceId":"i-0123456789abcdef0"},{"instanceId":"i-0123456789abcdef1"}]}},"responseElements":{"instancesSet":{"items":[{"instanceId":"i-0123456789abcdef0","currentState":{"name":"stopping"}}]}}`,
			[]target{{Type: "AWS::EC2::Instance", ID: "i-0123456789abcdef0"}, {Type: "AWS::EC2::Instance", ID: "i-0123456789abcdef1"}},
		},
		{
			"a user's name and unique id", "iam", "CreateUser", `"requestParameters":{"userName":"eve"},"responseElements":{"user":{"arn":"arn:aws:iam::` + account + `:user/eve","userId":"AIDAXXXXXXXXXXXXXXXX","userName":"eve"}}`,
			[]target{{Type: "AWS::IAM::User", ID: "AIDAXXXXXXXXXXXXXXXX", Name: "eve"}},
		},
		{
			"two users", "iam", "UpdateUser", `"requestParameters":{"userName":"eve","newUserName":"mallory","x":{"userName":"bob"}}`,
			[]target{{Type: "AWS::IAM::User", Name: "eve"}, {Type: "AWS::IAM::User", Name: "bob"}},
		},
		{
			"the role that is assumed", "sts", "AssumeRole", `"requestParameters":{"roleArn":"arn:aws:iam::999988887777:role/p/r","roleSessionName":"s"},"responseElements":{"credentials":{"accessKeyId":"ASIAX","sessionToken":"…"},"assumedRoleUser":{"assumedRoleId":"AROAXXXXXXXXXXXXXXXX:s","arn":"arn:aws:sts::999988887777:assumed-role/r/s"}}`,
			[]target{{Type: "AWS::IAM::Role", ID: "AROAXXXXXXXXXXXXXXXX", Name: "r", Account: "999988887777"}, {Type: "AWS::IAM::AccessKey", ID: "ASIAX"}},
		},
		{
			"a policy and its receiver", "iam", "AttachRolePolicy", `"requestParameters":{"roleName":"r","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`,
			[]target{{Type: "AWS::IAM::Role", Name: "r"}, {Type: "AWS::IAM::Policy", Name: "AdministratorAccess", Account: "aws"}},
		},
		{
			"a database", "rds", "CreateDBInstance", `"requestParameters":{"dBInstanceIdentifier":"main","vpcSecurityGroupIds":["sg-0123456789abcdef0"]},"responseElements":{"dBInstanceIdentifier":"main","dbiResourceId":"db-ABCDEF","dBSubnetGroup":{"dBSubnetGroupName":"sub","vpcId":"vpc-8334cce6"}}`,
			[]target{{Type: "AWS::RDS::DBInstance", ID: "db-ABCDEF", Name: "main"}, {Type: "AWS::EC2::SecurityGroup", ID: "sg-0123456789abcdef0"}, {Type: "AWS::RDS::DBSubnetGroup", ID: "sub"}, {Type: "AWS::EC2::VPC", ID: "vpc-8334cce6"}},
		},
		{
			"a group's id and name", "ec2", "RunInstances", `"requestParameters":{"groupSet":{"items":[{"groupId":"sg-0123456789abcdef0"}]}},"responseElements":{"groupSet":{"items":[{"groupId":"sg-0123456789abcdef0","groupName":"web"},{"groupId":"sg-0123456789abcdef1","groupName":"db"}]}}`,
			[]target{{Type: "AWS::EC2::SecurityGroup", ID: "sg-0123456789abcdef0", Name: "web"}, {Type: "AWS::EC2::SecurityGroup", ID: "sg-0123456789abcdef1", Name: "db"}},
		},
		{
			"XML as JSON", "ec2", "DeleteFlowLogs", `"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-0123456789abcdef0"}}}`,
			[]target{{Type: "AWS::EC2::FlowLog", ID: "fl-0123456789abcdef0"}},
		},
		{
			"filters are no targets", "ec2", "DescribeVolumes", `"requestParameters":{"filterSet":{"items":[{"name":"attachment.instance-id","valueSet":{"items":[{"value":"i-0123456789abcdef0"}]}}]},"volumeSet":{"items":[{"volumeId":"vol-0a1fae7e8b4c52148"}]}}`,
			[]target{{Type: "AWS::EC2::Volume", ID: "vol-0a1fae7e8b4c52148"}},
		},
		{
			"a trail by name or ARN", "cloudtrail", "StopLogging", `"requestParameters":{"name":"t"},"responseElements":{"trailARN":"arn:aws:cloudtrail:eu-west-1:` + account + `:trail/t"}`,
			[]target{{Type: "AWS::CloudTrail::Trail", ID: "t"}},
		},
		{
			"parameters of a store", "ssm", "GetParameters", `"requestParameters":{"names":["/a","/b"],"withDecryption":true}`,
			[]target{{Type: "AWS::SSM::Parameter", ID: "/a"}, {Type: "AWS::SSM::Parameter", ID: "/b"}},
		},
		{"a policy's text is none", "iam", "PutRolePolicy", `"requestParameters":{"policyDocument":"{\"Resource\":\"arn:aws:s3:::b\"}","roleName":"r"}`, []target{{Type: "AWS::IAM::Role", Name: "r"}}},
		{"an ARN of a kind that is not known", "new", "Do", `"requestParameters":{"thing":"arn:aws:new:eu-west-1:` + account + `:thing/x"}`, []target{{ID: "arn:aws:new:eu-west-1:" + account + ":thing/x"}}},
		{"request and response of other kinds", "x", "Do", `"requestParameters":"arn:aws:s3:::b","responseElements":[{"bucketName":"c"},1,null]`, []target{{Type: "AWS::S3::Bucket", ID: "b"}, {Type: "AWS::S3::Bucket", ID: "c"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ev := mapped(t, `{"eventTime":"2024-01-02T03:04:05Z","eventSource":"`+c.source+`.amazonaws.com","eventName":"`+c.event+`","awsRegion":"eu-west-1","recipientAccountId":"`+account+`",`+c.members+`}`)
			if diff := cmp.Diff(c.want, ev.Targets); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTargetsAreBounded(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 3 * MaxTargets {
		ids = append(ids, fmt.Sprintf(`{"userName":"u%d","userId":"AIDA%012d"}`, i%250, i))
	}
	ev := mapped(t, `{"eventTime":"2024-01-02T03:04:05Z","eventSource":"iam.amazonaws.com","eventName":"N","responseElements":[`+strings.Join(ids, ",")+`]}`)
	if len(ev.Targets) != MaxTargets {
		t.Errorf("%d targets", len(ev.Targets))
	}
}

func TestOutcomeTimeAndLeaves(t *testing.T) {
	t.Parallel()
	base := func(members string) event {
		return mapped(t, `{"eventTime":"2024-01-02T03:04:05Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin"`+members+`}`)
	}
	for members, want := range map[string]string{
		``:                              "success",
		`,"errorCode":"AccessDenied"`:   "failure",
		`,"errorCode":""`:               "success",
		`,"errorCode":null`:             "success",
		`,"errorMessage":"No such key"`: "failure",
		`,"eventType":"AwsConsoleSignIn","responseElements":{"ConsoleLogin":"Failure"}`: "failure",
		`,"eventType":"AwsConsoleSignIn","responseElements":{"ConsoleLogin":"Success"}`: "success",
		`,"eventType":"AwsConsoleSignIn","responseElements":null`:                       "success",
		`,"eventType":"AwsApiCall","responseElements":{"x":"Failure"}`:                  "success",
		`,"eventType":"AwsCloudTrailInsight"`:                                           "unknown",
	} {
		if got := base(members).Outcome; got != want {
			t.Errorf("%s: %s, want %s", members, got, want)
		}
	}
	ev := base(`,"eventID":"","eventType":"","sourceIPAddress":"","userAgent":null,"awsRegion":"","errorCode":"","recipientAccountId":""`)
	if ev.ID != nil || ev.Type != nil || len(ev.Origin) != 0 || len(ev.Error) != 0 || len(ev.Targets) != 0 || ev.Targets == nil {
		t.Errorf("got %+v", ev)
	}
	for in, want := range map[string]string{
		"2024-01-02T03:04:05Z": "2024-01-02T03:04:05.000000Z", "2024-02-29T03:04:05Z": "2024-02-29T03:04:05.000000Z",
		"2024-01-02T03:04:05.1234567Z": "2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05+02:00": "2024-01-02T01:04:05.000000Z",
	} {
		ev := mapped(t, `{"eventTime":"`+in+`","eventSource":"x","eventName":"N"}`)
		if ev.Time != want || ev.Action != "x:N" {
			t.Errorf("%s became %s", in, ev.Time)
		}
	}
}

func TestWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rec, want string
		none            bool
	}{
		{"an array", `[]`, "not a CloudTrail record: not an object", false},
		{"another object", `{"a":1}`, "not a CloudTrail record: it has neither eventSource nor eventName", false},
		{"no source", `{"eventName":"N","eventTime":"2024-01-02T03:04:05Z"}`, "not a CloudTrail record: it has no eventSource", false},
		{"no name", `{"eventSource":"x","eventTime":"2024-01-02T03:04:05Z","eventName":1}`, "not a CloudTrail record: it has no eventName", false},
		{"no time", `{"eventSource":"x","eventName":"N"}`, "not a CloudTrail record: it has no eventTime", false},
		{"a bad time", `{"eventSource":"x","eventName":"N","eventTime":"yesterday"}`, `eventTime "yesterday" is not a time in RFC 3339`, false},
		{"a month that is not", `{"eventSource":"x","eventName":"N","eventTime":"2024-13-02T03:04:05Z"}`, `eventTime "2024-13-02T03:04:05Z" is not a time in RFC 3339`, false},
		{"a day that is not", `{"eventSource":"x","eventName":"N","eventTime":"2024-02-30T03:04:05Z"}`, `eventTime "2024-02-30T03:04:05Z" is not a time in RFC 3339`, false},
		{"another EventBridge event", `{"detail-type":"Scheduled Event","detail":{}}`, "not a CloudTrail record: it has neither eventSource nor eventName", false},
		{"a broken look-up", `{"EventId":"x","CloudTrailEvent":"{"}`, "not a CloudTrail record: its CloudTrailEvent is not JSON", false},
		{"a digest", `{"awsAccountId":"1","digestStartTime":"2024-01-02T03:04:05Z","logFiles":[]}`, "a digest of log files", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var m Mapper
			dst, err := m.Append([]byte("x"), []byte(c.rec), false)
			if err == nil || err.Error() != c.want && !strings.HasPrefix(c.name, "another Event") || IsNoRecord(err) != c.none {
				t.Errorf("got %v", err)
			}
			if string(dst) != "x" {
				t.Errorf("dst became %s", dst)
			}
		})
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	const rec = `{"eventTime":"2024-01-02T03:04:05Z","eventSource":"x.amazonaws.com","eventName":"N","eventID":"e"}`
	quoted, _ := json.Marshal(rec)
	for name, envelope := range map[string]string{
		"EventBridge":  `{"version":"0","id":"other","detail-type":"AWS API Call via CloudTrail","source":"aws.x","time":"2024-01-02T03:04:09Z","detail":` + rec + `}`,
		"LookupEvents": `{"EventId":"e","EventTime":1.7,"CloudTrailEvent":` + string(quoted) + `}`,
		"bare":         rec,
	} {
		ev := mapped(t, envelope)
		if string(ev.Detail) != rec || *ev.ID != "e" || ev.Time != "2024-01-02T03:04:05.000000Z" {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}

// realRecords returns the real records that are beside the repository.
func realRecords(t testing.TB) [][]byte {
	t.Helper()
	dir := os.Getenv("REGENT_TESTDATA")
	if dir == "" {
		dir = "../../../../../shared/data"
	}
	files, _ := filepath.Glob(filepath.Join(dir, "cloudtrail/*.ndjson"))
	if len(files) == 0 {
		t.Skip("the real records are not beside the repository; set REGENT_TESTDATA to where they are")
	}
	var out [][]byte
	for _, f := range files {
		r, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if len(s.Bytes()) > 0 {
				out = append(out, bytes.Clone(s.Bytes()))
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestRealRecords compares what can be told by other means: every field against encoding/json.
func TestRealRecords(t *testing.T) {
	t.Parallel()
	recs := realRecords(t)
	if len(recs) != 688 {
		t.Fatalf("%d records, want 688", len(recs))
	}
	var m Mapper
	withID, withTarget := 0, 0
	for _, rec := range recs {
		b, err := m.Append(nil, rec, false)
		if err != nil {
			t.Fatalf("%v: %s", err, rec)
		}
		check(t, rec, b)
		var ev event
		if err := json.Unmarshal(b, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.ID != nil {
			withID++
		}
		if len(ev.Targets) > 0 {
			withTarget++
		}
		if !bytes.Equal(ev.Detail, rec) {
			t.Fatalf("the record changed: %s", rec)
		}
		if ev.Actor.ID == "" || ev.Actor.Type == "" {
			t.Errorf("no actor: %s", rec)
		}
	}
	if withID != 687 || withTarget < 250 {
		t.Errorf("%d have an id, %d have targets", withID, withTarget)
	}
}

// check says what holds for every event: valid JSON with the containers, no empty leaf, and the plain
// fields as encoding/json reads them.
func check(t *testing.T, rec, got []byte) {
	t.Helper()
	if n, _, err := jsontext.Scan(got); err != nil || n != len(got) {
		t.Fatalf("%s became %s, which is no JSON: %v", rec, got, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"error", "actor", "origin"} {
		if _, ok := doc[name].(map[string]any); !ok {
			t.Fatalf("no %s in %s", name, got)
		}
	}
	if _, ok := doc["targets"].([]any); !ok {
		t.Fatalf("no targets in %s", got)
	}
	detail := doc["detail"]
	delete(doc, "detail")
	noEmpty(t, doc, got)
	in, ok := detail.(map[string]any)
	if !ok {
		t.Fatalf("no detail in %s", got)
	}
	for from, to := range map[string]string{"eventID": "id", "eventType": "type", "awsRegion": "region", "recipientAccountId": "accountId"} {
		if s, _ := in[from].(string); s != "" && doc[to] != s {
			t.Fatalf("%s is %v, not %q, in %s", to, doc[to], s, got)
		}
	}
	if e := doc["error"].(map[string]any); in["errorCode"] != nil && in["errorCode"] != "" && !reflect.DeepEqual(e["code"], in["errorCode"]) {
		if _, ok := in["errorCode"].(string); ok {
			t.Fatalf("error is %v in %s", e, got)
		}
	}
}

func noEmpty(t *testing.T, v any, got []byte) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			noEmpty(t, e, got)
		}
	case []any:
		for _, e := range v {
			noEmpty(t, e, got)
		}
	case string:
		if v == "" {
			t.Fatalf("an empty leaf in %s", got)
		}
	}
}

func FuzzAppend(f *testing.F) {
	const head = `{"eventTime":"2024-01-02T03:04:05Z","eventSource":"iam.amazonaws.com","eventName":"N",`
	for _, s := range []string{
		head + `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/r/s","sessionContext":{"sessionIssuer":{"arn":"x"}}}}`,
		head + `"requestParameters":{"userName":"e\"ve","userId":"AIDAXXXXXXXXXXXXXXXX","arn":"arn:aws:iam::1:user/x"}}`,
		head + `"responseElements":{"assumedRoleUser":{"assumedRoleId":"AROAXXXXXXXXXXXXXXXX:s","arn":"arn:aws:sts::1:assumed-role/r/s"},"x":[{"instanceId":"i-ebeaf9e2"}]}}`,
		head + `"resources":[{"ARN":"arn:aws:s3:::b","type":"\u00e9"},{"ARN":"x"},1]}`,
		`{"detail-type":"x","detail":` + head + `"a":1}}`, `{"CloudTrailEvent":"{}"}`, `{}`, "[\n]", `{"eventTime":"2024-01-02T03:04:05.1Z","eventSource":"\\","eventName":"\u0000"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, lines, err := jsontext.Scan(in)
		if err != nil {
			return
		}
		rec := in[jsontext.Space(in, 0):n]
		var m Mapper
		got, err := m.Append(nil, rec, lines)
		if err != nil {
			return
		}
		check(t, rec, got)
		// What is kept between records does not show.
		again, err := m.Append(nil, rec, lines)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%s became %s, then %s (%v)", rec, got, again, err)
		}
	})
}

// BenchmarkAppend maps the real records, which are 1.1 KB long on average.
func BenchmarkAppend(b *testing.B) {
	recs := realRecords(b)
	size := 0
	for _, r := range recs {
		size += len(r)
	}
	var m Mapper
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, r := range recs {
			buf, _ = m.Append(buf[:0], r, false)
		}
	}
	b.ReportMetric(float64(len(recs))*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
