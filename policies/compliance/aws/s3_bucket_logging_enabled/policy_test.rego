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

test_another_prefix_is_denied if {
	count(s3_bucket_logging_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": "logs", "logFilePrefix": "b/"}}} with input.parameters as {"targetPrefix": "a/"}
}

test_no_prefix_is_denied if {
	count(s3_bucket_logging_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": "logs", "logFilePrefix": null}}} with input.parameters as {"targetPrefix": "a/"}
}

test_no_logging_is_denied_once if {
	count(s3_bucket_logging_enabled.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": null, "logFilePrefix": null}}} with input.parameters as {"targetPrefix": "a/", "targetBucket": "logs"}
}

test_the_wanted_target_is_clean if {
	count(s3_bucket_logging_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketLoggingConfiguration": {"destinationBucketName": "logs", "logFilePrefix": "a/"}}} with input.parameters as {"targetPrefix": "a/", "targetBucket": "logs"}
}
