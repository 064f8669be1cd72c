# METADATA
# title: S3 buckets refuse requests without TLS
# description: >-
#   A bucket policy must deny every action to everyone where aws:SecureTransport is false; otherwise
#   data may cross the network in the clear.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-ssl-requests-only.html]
# custom:
#   severity: medium
#   resource_types: [AWS::S3::Bucket]
#   controls: {aws-config: [s3-bucket-ssl-requests-only]}
#   remediation: >-
#     Add a statement that denies s3:* to everyone where aws:SecureTransport is false.
package compliance.aws.s3_bucket_ssl_requests_only

deny contains {"msg": $"no statement of the policy of bucket {input.resource.resourceId} denies requests without TLS", "path": "/supplementaryConfiguration/BucketPolicy/policyText"} if {
	not refuses_plain
}

refuses_plain if {
	text := input.resource.supplementaryConfiguration.BucketPolicy.policyText
	is_string(text)
	json.is_valid(text)
	some statement in list(json.unmarshal(text).Statement)
	statement.Effect == "Deny"
	everyone(statement.Principal)
	some action in list(statement.Action)
	action in {"s3:*", "*"}
	some key, values in statement.Condition.Bool
	lower(key) == "aws:securetransport"
	some value in list(values)
	value in {"false", false}
}

everyone("*")

everyone(principal) if "*" in list(principal.AWS)

# A policy writes a single element without its list.
list(x) := x if is_array(x)

list(x) := [x] if not is_array(x)
