# METADATA
# title: S3 buckets keep versions
# description: >-
#   Without versions an overwrite or deletion is final. With isMfaDeleteEnabled set, deletion of
#   versions must need a second factor.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-versioning-enabled.html]
# custom:
#   severity: medium
#   resource_types: [AWS::S3::Bucket]
#   parameters: {properties: {isMfaDeleteEnabled: {type: boolean}}}
#   controls: {aws-config: [s3-bucket-versioning-enabled]}
#   remediation: >-
#     Turn on versioning of the bucket.
package compliance.aws.s3_bucket_versioning_enabled

deny contains {"msg": $"versioning of bucket {input.resource.resourceId} is not enabled", "path": "/supplementaryConfiguration/BucketVersioningConfiguration/status"} if {
	object.get(input.resource, ["supplementaryConfiguration", "BucketVersioningConfiguration", "status"], "Off") != "Enabled"
}

deny contains {"msg": $"bucket {input.resource.resourceId} lets versions be deleted without a second factor", "path": "/supplementaryConfiguration/BucketVersioningConfiguration/isMfaDeleteEnabled"} if {
	input.parameters.isMfaDeleteEnabled
	object.get(input.resource, ["supplementaryConfiguration", "BucketVersioningConfiguration", "isMfaDeleteEnabled"], false) != true
}
