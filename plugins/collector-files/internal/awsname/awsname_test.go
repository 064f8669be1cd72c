package awsname

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// text is a Resource for people.
type text struct{ Type, ID, Name, Account, Region string }

func textOf(r Resource) text {
	return text{r.Type, string(r.ID), string(r.Name), string(r.Account), string(r.Region)}
}

func TestFromARN(t *testing.T) {
	t.Parallel()
	const lb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/"
	for _, c := range []struct {
		arn  string
		want text
	}{
		{"arn:aws:s3:::logs", text{Type: "AWS::S3::Bucket", ID: "logs"}},
		{"arn:aws:s3:::logs/", text{Type: "AWS::S3::Bucket", ID: "logs"}},
		{"arn:aws:s3:::logs/a/b.gz", text{Type: "AWS::S3::Object", ID: "logs/a/b.gz"}},
		{"arn:aws:s3:eu-west-1:111122223333:accesspoint/ap", text{"AWS::S3::AccessPoint", "ap", "", "111122223333", "eu-west-1"}},
		{"arn:aws:ec2:eu-west-1:111122223333:volume/vol-0a1b2c3d", text{"AWS::EC2::Volume", "vol-0a1b2c3d", "", "111122223333", "eu-west-1"}},
		{"arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/fl-1", text{"AWS::EC2::FlowLog", "fl-1", "", "111122223333", "eu-west-1"}},
		{"arn:aws:ec2:eu-west-1:111122223333:fleet/fleet-1", text{"", "arn:aws:ec2:eu-west-1:111122223333:fleet/fleet-1", "", "111122223333", "eu-west-1"}},
		{"arn:aws:iam::111122223333:user/path/eve", text{"AWS::IAM::User", "", "eve", "111122223333", ""}},
		{"arn:aws:iam::111122223333:role/service-role/r", text{"AWS::IAM::Role", "", "r", "111122223333", ""}},
		{"arn:aws:iam::aws:policy/AdministratorAccess", text{"AWS::IAM::Policy", "", "AdministratorAccess", "aws", ""}},
		{"arn:aws:iam::111122223333:root", text{"AWS::::Account", "111122223333", "", "111122223333", ""}},
		{"arn:aws:sts::111122223333:assumed-role/r/session", text{"AWS::IAM::Role", "", "r", "111122223333", ""}},
		{"arn:aws:kms:eu-west-1:111122223333:key/f00d", text{"AWS::KMS::Key", "f00d", "", "111122223333", "eu-west-1"}},
		{"arn:aws:kms:eu-west-1:111122223333:alias/a/b", text{"AWS::KMS::Alias", "alias/a/b", "", "111122223333", "eu-west-1"}},
		{"arn:aws-cn:lambda:cn-north-1:111122223333:function:f:prod", text{"AWS::Lambda::Function", "f", "", "111122223333", "cn-north-1"}},
		{"arn:aws:lambda:eu-west-1:111122223333:layer:l:3", text{"AWS::Lambda::LayerVersion", "arn:aws:lambda:eu-west-1:111122223333:layer:l:3", "l", "111122223333", "eu-west-1"}},
		{"arn:aws:rds:eu-west-1:111122223333:db:main", text{"AWS::RDS::DBInstance", "", "main", "111122223333", "eu-west-1"}},
		{"arn:aws:rds:eu-west-1:111122223333:snapshot:rds:main-2024", text{"AWS::RDS::DBSnapshot", "rds:main-2024", "", "111122223333", "eu-west-1"}},
		{"arn:aws:redshift:eu-west-1:111122223333:snapshot:c/s", text{"AWS::Redshift::ClusterSnapshot", "s", "", "111122223333", "eu-west-1"}},
		{"arn:aws:sns:eu-west-1:111122223333:topic", text{"AWS::SNS::Topic", "arn:aws:sns:eu-west-1:111122223333:topic", "topic", "111122223333", "eu-west-1"}},
		{"arn:aws:sns:eu-west-1:111122223333:topic:d00d-cafe", text{"AWS::SNS::Topic", "arn:aws:sns:eu-west-1:111122223333:topic", "topic", "111122223333", "eu-west-1"}},
		{"arn:aws:sqs:eu-west-1:111122223333:q", text{"AWS::SQS::Queue", "https://sqs.eu-west-1.amazonaws.com/111122223333/q", "q", "111122223333", "eu-west-1"}},
		{"arn:aws-cn:sqs:cn-north-1:111122223333:q", text{"AWS::SQS::Queue", "", "q", "111122223333", "cn-north-1"}},
		{"arn:aws:secretsmanager:eu-west-1:111122223333:secret:db/main-AbCdEf", text{"AWS::SecretsManager::Secret", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db/main-AbCdEf", "db/main", "111122223333", "eu-west-1"}},
		{"arn:aws:ssm:eu-west-1:111122223333:parameter/a/b", text{"AWS::SSM::Parameter", "/a/b", "", "111122223333", "eu-west-1"}},
		{"arn:aws:ssm:eu-west-1:111122223333:parameter/a", text{"AWS::SSM::Parameter", "a", "", "111122223333", "eu-west-1"}},
		{"arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f:*", text{"AWS::Logs::LogGroup", "/aws/lambda/f", "", "111122223333", "eu-west-1"}},
		{"arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i", text{"AWS::DynamoDB::Table", "t", "", "111122223333", "eu-west-1"}},
		{lb + "classic", text{"AWS::ElasticLoadBalancing::LoadBalancer", "classic", "", "111122223333", "eu-west-1"}},
		{lb + "app/web/50dc", text{"AWS::ElasticLoadBalancingV2::LoadBalancer", lb + "app/web/50dc", "web", "111122223333", "eu-west-1"}},
		{"arn:aws:cloudformation:eu-west-1:111122223333:stack/s/d00d", text{"AWS::CloudFormation::Stack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/s/d00d", "s", "111122223333", "eu-west-1"}},
		{"arn:aws:apigateway:eu-west-1::/restapis/a1", text{"AWS::ApiGateway::RestApi", "arn:aws:apigateway:eu-west-1::/restapis/a1", "", "", "eu-west-1"}},
		{"arn:aws:apigateway:eu-west-1::/restapis/a1/resources/r", text{"AWS::ApiGateway::RestApi", "arn:aws:apigateway:eu-west-1::/restapis/a1", "", "", "eu-west-1"}},
		{"arn:aws:apigateway:eu-west-1::/apis/a1/stages/prod", text{"AWS::ApiGatewayV2::Stage", "arn:aws:apigateway:eu-west-1::/apis/a1/stages/prod", "prod", "", "eu-west-1"}},
		{"arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/w/d00d", text{"AWS::WAFv2::WebACL", "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/w/d00d", "w", "111122223333", "eu-west-1"}},
		{"arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:d00d:autoScalingGroupName/asg", text{"AWS::AutoScaling::AutoScalingGroup", "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:d00d:autoScalingGroupName/asg", "asg", "111122223333", "eu-west-1"}},
		{"arn:aws:newservice:eu-west-1:111122223333:thing/x", text{"", "arn:aws:newservice:eu-west-1:111122223333:thing/x", "", "111122223333", "eu-west-1"}},
		{"arn:aws:es:eu-west-1:111122223333:domain/d", text{"AWS::OpenSearch::Domain", "", "d", "111122223333", "eu-west-1"}},
	} {
		t.Run(c.arn, func(t *testing.T) {
			t.Parallel()
			got, ok := FromARN([]byte(c.arn))
			if diff := cmp.Diff(c.want, textOf(got)); diff != "" || !ok {
				t.Errorf("%v %s", ok, diff)
			}
		})
	}
}

func TestNoResource(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{"arn:aws:sts::111122223333:federated-user/eve", "arn:aws:s3:::/", "arn:aws:iam:::root", "arn:::::"} {
		if got, ok := FromARN([]byte(arn)); ok {
			t.Errorf("%s is %+v", arn, textOf(got))
		}
	}
	for _, s := range []string{"", "arn", "arn:aws:s3:::bucket/*", "arn:aws:iam", "an arn:aws:s3:::x", "arn:aws:iam::*:user/x"} {
		if IsARN([]byte(s)) {
			t.Errorf("%q counts as an ARN", s)
		}
	}
}

func TestFromID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"i-ebeaf9e2": "AWS::EC2::Instance", "i-DDd6c7B0e18F0E35f": "AWS::EC2::Instance", "vol-0a1fae7e8b4c52148": "AWS::EC2::Volume",
		"tgw-attach-0814a77755bf02f0e": "AWS::EC2::TransitGatewayAttachment", "eipalloc-b67d33ce": "AWS::EC2::EIP",
		"mi-0123456789abcdef0": "AWS::SSM::ManagedInstanceInventory",
		"i-1":                  "", "i-": "", "-ebeaf9e2": "", "x-ebeaf9e2": "", "vpc-not_an_id": "", "": "", "i-ebeaf9e2ebeaf9e2ebeaf9e2": "", "a long text with a dash - here": "",
	} {
		if got := FromID([]byte(id)); got != want {
			t.Errorf("%q is %q, want %q", id, got, want)
		}
	}
}

func TestFromParameter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service, event, param, value string
		nested                       bool
		want                         text
	}{
		{"s3", "GetObject", "bucketName", "b", false, text{Type: "AWS::S3::Bucket", ID: "b"}},
		{"cloudfront", "CreateDistribution", "bucket", "b.s3.amazonaws.com", false, text{Type: "AWS::S3::Bucket", ID: "b"}},
		{"iam", "CreateUser", "userName", "eve", false, text{Type: "AWS::IAM::User", Name: "eve"}},
		{"rds", "CreateDBInstance", "dBInstanceIdentifier", "main", false, text{Type: "AWS::RDS::DBInstance", Name: "main"}},
		{"kms", "Decrypt", "keyId", "alias/a", false, text{Type: "AWS::KMS::Alias", ID: "alias/a"}},
		{"lambda", "Invoke", "functionName", "111122223333:function:f:prod", false, text{Type: "AWS::Lambda::Function", ID: "f"}},
		{"lambda", "Invoke", "functionName", "f:1", false, text{Type: "AWS::Lambda::Function", ID: "f"}},
		{"ssm", "GetParameters", "names", "/a/b", false, text{Type: "AWS::SSM::Parameter", ID: "/a/b"}},
		{"ssm", "UpdateDocument", "name", "doc", false, text{Type: "AWS::SSM::Document", ID: "doc"}},
		{"sqs", "SendMessage", "queueUrl", "https://sqs.eu-west-1.amazonaws.com/1/q", false, text{Type: "AWS::SQS::Queue", ID: "https://sqs.eu-west-1.amazonaws.com/1/q", Name: "q"}},
		{"route53", "ChangeResourceRecordSets", "hostedZoneId", "/hostedzone/Z1", false, text{Type: "AWS::Route53::HostedZone", ID: "Z1"}},
		{"cloudtrail", "StopLogging", "name", "trail", false, text{Type: "AWS::CloudTrail::Trail", ID: "trail"}},
		{"cloudtrail", "StopLogging", "name", "trail", true, text{}},
		{"cloudfront", "UpdateDistribution", "id", "origin", true, text{}},
		{"apigateway", "CreateStage", "restApiId", "a1", false, text{Type: "AWS::ApiGateway::RestApi", ID: "arn:aws-cn:apigateway:cn-north-1::/restapis/a1"}},
		{"cognito-idp", "AdminGetUser", "userName", "eve", false, text{}},
		{"s3", "ListBuckets", "bucketName", "", false, text{}},
		{"ec2", "DescribeImages", "keyName", "team-*", false, text{}},
		{"ec2", "x", strings.Repeat("x", 100), "v", false, text{}},
	} {
		t.Run(c.service+" "+c.param, func(t *testing.T) {
			t.Parallel()
			call := Call{Service: []byte(c.service), Event: []byte(c.event), Region: []byte("cn-north-1")}
			got, ok := FromParameter(&call, []byte(c.param), []byte(c.value), c.nested)
			if diff := cmp.Diff(c.want, textOf(got)); diff != "" || ok != (c.want != text{}) {
				t.Errorf("%v %s", ok, diff)
			}
		})
	}
}

// TestTablesAreLookedUp finds entries that could never be found.
func TestTablesAreLookedUp(t *testing.T) {
	t.Parallel()
	for key := range parameters {
		_, param, ok := strings.Cut(key, "/")
		if !ok {
			param = key
		}
		if param != strings.ToLower(param) || len(key) > longest {
			t.Errorf("parameter %q is never found", key)
		}
	}
	for key := range kinds {
		if len(key) > 64 {
			t.Errorf("kind %q is looked up with an allocation", key)
		}
	}
}

func TestKnownTypes(t *testing.T) {
	t.Parallel()
	types := KnownTypes()
	for in, want := range map[string]string{"AWS::EC2::VOLUME": "AWS::EC2::Volume", "AWS::EC2::Volume": "AWS::EC2::Volume", "Other::Type": "Other::Type"} {
		if got := types.Correct([]byte(in)); string(got) != want {
			t.Errorf("%s became %s", in, got)
		}
	}
	seen := map[string]string{}
	for _, typ := range types {
		if other, ok := seen[strings.ToLower(typ)]; ok && other != typ {
			t.Errorf("%s is also written %s", typ, other)
		}
		seen[strings.ToLower(typ)] = typ
	}
}

// TestRealItems takes the ARN of each real item and expects the type, and the id or the name, that AWS
// Config gave it.
func TestRealItems(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(testData(), "awsconfig/rdk-example-ci/*.json"))
	if len(files) == 0 {
		t.Skip("the real items are not beside the repository; set REGENT_TESTDATA to where they are")
	}
	// What these ARNs look like in the samples is not what AWS makes.
	odd := map[string]string{
		"AWS_Cloudtrail_Trail.json":  "",
		"AWS_CodeBuild_Project.json": "the id is a UUID that is nowhere else",
		"AWS_EC2_FlowLog.json":       "the ids differ", "AWS_ECS_TaskDefinition.json": "the id lacks the revision",
		"AWS_ElasticSearch_Domain.json": "the ARN does not tell it from OpenSearch", "AWS_ShieldRegional_Protection.json": "as those of Shield",
		"AWS_AutoScaling_LaunchConfiguration.json": "the id is another ARN", "AWS_SNS_Topic.json": "the name is not the topic's",
	}
	types := KnownTypes()
	checked := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var it struct {
			ARN          string `json:"ARN"`
			ResourceType string `json:"resourceType"`
			ResourceID   string `json:"resourceId"`
			ResourceName string `json:"resourceName"`
		}
		if json.Unmarshal(b, &it) != nil || it.ARN == "" || odd[filepath.Base(f)] != "" {
			continue
		}
		got, ok := FromARN([]byte(it.ARN))
		known := types[strings.ToLower(it.ResourceType)] != ""
		switch {
		case !ok:
			t.Errorf("%s tells nothing", it.ARN)
		case got.Type == "" && known:
			t.Errorf("%s does not tell %s", it.ARN, it.ResourceType)
		case got.Type == "":
			t.Logf("%s: %s is not in the tables", it.ARN, it.ResourceType)
		case got.Type != it.ResourceType:
			t.Errorf("%s is %s, not %s", it.ARN, it.ResourceType, got.Type)
		case len(got.ID) > 0 && string(got.ID) != it.ResourceID:
			t.Errorf("%s has the id %s, not %s", it.ARN, it.ResourceID, got.ID)
		case len(got.Name) > 0 && it.ResourceName != "" && string(got.Name) != it.ResourceName:
			t.Errorf("%s has the name %s, not %s", it.ARN, it.ResourceName, got.Name)
		}
		checked++
	}
	if checked < 50 {
		t.Errorf("only %d items were compared", checked)
	}
}

func testData() string {
	if dir := os.Getenv("REGENT_TESTDATA"); dir != "" {
		return dir
	}
	return "../../../../../shared/data"
}

func FuzzFromARN(f *testing.F) {
	for _, s := range []string{
		"arn:aws:s3:::b/k", "arn:aws:iam::1:user/x", "arn:aws:apigateway:r::/restapis/a/stages/", "arn:aws:wafv2:r:1:a/b/", "arn:aws:sns:r:1:t:",
		"arn:aws:secretsmanager:r:1:secret:-AbCdEf", "arn:aws:apigateway:r:://x", "arn:aws:es:r:1:domain/", "arn:aws:lambda:r:1:function::",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !IsARN(b) {
			return
		}
		if r, ok := FromARN(b); ok && len(r.ID) == 0 && len(r.Name) == 0 {
			t.Fatalf("%q is %+v, with neither id nor name", b, textOf(r))
		}
	})
}

func BenchmarkFromARN(b *testing.B) {
	arns := [][]byte{
		[]byte("arn:aws:iam::111122223333:user/path/eve"), []byte("arn:aws:ec2:eu-west-1:111122223333:volume/vol-0a1b2c3d"),
		[]byte("arn:aws:secretsmanager:eu-west-1:111122223333:secret:db/main-AbCdEf"), []byte("arn:aws:s3:::logs/a/b.gz"),
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, a := range arns {
			if !IsARN(a) {
				b.Fatal(string(a))
			}
			_, _ = FromARN(a)
		}
	}
}
