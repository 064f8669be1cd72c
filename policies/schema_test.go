package policies_test

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/regent-dev/regent/policies"
)

// TestSchemasTakeItems validates items in the shapes that AWS Config has written over the years: with
// null for what is not there, with states as texts and as objects, with members that came later.
func TestSchemasTakeItems(t *testing.T) {
	t.Parallel()
	schemas, err := policies.Schemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, resourceType, item string
		wrong                    bool
	}{
		{"null members", "AWS::EC2::Instance", `{"configuration": {"kernelId": null, "platform": null, "iamInstanceProfile": null, "sriovNetSupport": null, "networkInterfaces": null, "monitoring": {"state": "disabled"}}}`, false},
		{"members that came later", "AWS::EC2::Instance", `{"configuration": {"state": {"code": 16, "name": "running"}, "metadataOptions": {"state": "applied", "httpTokens": "optional", "httpPutResponseHopLimit": 1, "httpProtocolIpv6": "disabled", "instanceMetadataTags": "disabled"}}}`, false},
		{"an unknown member", "AWS::EC2::Instance", `{"configuration": {"metadataOptions": {"httpToken": "optional"}}}`, true},
		{"a text for a flag", "AWS::EC2::Volume", `{"configuration": {"encrypted": "true"}}`, true},
		{"a state as text", "AWS::EC2::Volume", `{"configuration": {"state": "in-use", "encrypted": true, "attachments": [{"instanceId": "i-1", "deleteOnTermination": true}]}}`, false},
		{"a state as object", "AWS::EC2::Subnet", `{"configuration": {"state": {"value": "available"}, "mapPublicIpOnLaunch": true, "tags": []}}`, false},
		{"ports that are null", "AWS::EC2::SecurityGroup", `{"configuration": {"ipPermissionsEgress": [{"fromPort": null, "toPort": null, "ipProtocol": "-1", "ipRanges": ["0.0.0.0/0"], "userIdGroupPairs": [{"groupName": null, "groupId": "sg-1"}]}]}}`, false},
		{"documents as objects", "AWS::IAM::Policy", `{"configuration": {"policyVersionList": [{"document": [{"Version": "2012-10-17", "Statement": []}], "versionId": "v1", "isDefaultVersion": true, "createDate": "April 29, 2016 10:11:26 AM"}]}}`, false},
		{"documents as text", "AWS::IAM::User", `{"configuration": {"userPolicyList": [{"policyName": "p", "policyDocument": "%7B%7D"}], "groupList": ["g"]}}`, false},
		{"a bucket without anything", "AWS::S3::Bucket", `{"configuration": {"name": "b", "owner": {"displayName": null, "id": "1"}}, "supplementaryConfiguration": {"AccessControlList": "{}", "BucketLoggingConfiguration": {"destinationBucketName": null, "logFilePrefix": null}, "BucketPolicy": {"policyText": null}, "BucketVersioningConfiguration": {"status": "Off", "isMfaDeleteEnabled": null}, "IsRequesterPaysEnabled": false}}`, false},
		{"times as numbers", "AWS::RDS::DBClusterSnapshot", `{"configuration": {"snapshotCreateTime": 1645469131883, "availabilityZones": ["us-east-2a"], "storageEncrypted": true}, "supplementaryConfiguration": {"DBClusterSnapshotAttributes": [{"attributeName": "restore", "attributeValues": []}], "Tags": []}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemas[c.resourceType]))
			if err != nil {
				t.Fatal(err)
			}
			compiler := jsonschema.NewCompiler()
			if err := compiler.AddResource("regent:///item", doc); err != nil {
				t.Fatal(err)
			}
			schema, err := compiler.Compile("regent:///item")
			if err != nil {
				t.Fatal(err)
			}
			item, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(c.item)))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(item); (err != nil) != c.wrong {
				t.Errorf("wrong is %t: %v", c.wrong, err)
			}
		})
	}
}
