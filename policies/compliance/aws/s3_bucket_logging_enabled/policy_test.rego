package compliance.aws.s3_bucket_logging_enabled_test

import data.compliance.aws.s3_bucket_logging_enabled

test_no_logging_is_denied if {
	count(s3_bucket_logging_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": null}}} with input.parameters as {}
}

test_another_target_is_denied if {
	count(s3_bucket_logging_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": "logs"}}} with input.parameters as {"targetBucket": "other"}
}

test_logging_is_clean if {
	count(s3_bucket_logging_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": "logs"}}} with input.parameters as {}
}
