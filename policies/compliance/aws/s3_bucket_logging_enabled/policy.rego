# METADATA
# title: S3 buckets log access
# description: >-
#   Without access logs nobody can say who read an object. The target and the prefix of
#   the logs may be prescribed.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-logging-enabled.html]
# custom:
#   severity: medium
#   resource_types: [AWS::S3::Bucket]
#   parameters: {properties: {targetBucket: {type: string}, targetPrefix: {type: string}}}
#   controls: {aws-config: [s3-bucket-logging-enabled]}
#   remediation: >-
#     Turn on server access logging to a bucket for logs.
package compliance.aws.s3_bucket_logging_enabled

deny contains {"msg": $"bucket {input.resource.resourceId} does not log access", "path": "/supplementaryConfiguration/BucketLoggingConfiguration/destinationBucketName"} if {
	not target
}

deny contains {"msg": $"bucket {input.resource.resourceId} logs to {target}", "path": "/supplementaryConfiguration/BucketLoggingConfiguration/destinationBucketName"} if {
	target != input.parameters.targetBucket
}

deny contains {"msg": $"bucket {input.resource.resourceId} logs under the prefix {input.resource.supplementaryConfiguration.BucketLoggingConfiguration.logFilePrefix}", "path": "/supplementaryConfiguration/BucketLoggingConfiguration/logFilePrefix"} if {
	target
	wanted := input.parameters.targetPrefix
	not input.resource.supplementaryConfiguration.BucketLoggingConfiguration.logFilePrefix == wanted
}

target := name if {
	name := input.resource.supplementaryConfiguration.BucketLoggingConfiguration.destinationBucketName
	not name in {null, ""}
}
