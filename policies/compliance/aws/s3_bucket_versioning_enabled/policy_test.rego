package compliance.aws.s3_bucket_versioning_enabled_test

import data.compliance.aws.s3_bucket_versioning_enabled

test_a_suspended_bucket_is_denied if {
	count(s3_bucket_versioning_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketVersioningConfiguration": {"status": "Suspended"}}} with input.parameters as {}
}

test_no_configuration_is_denied if {
	count(s3_bucket_versioning_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_no_second_factor_is_denied if {
	count(s3_bucket_versioning_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketVersioningConfiguration": {"status": "Enabled", "isMfaDeleteEnabled": null}}} with input.parameters as {"isMfaDeleteEnabled": true}
}

test_an_enabled_bucket_is_clean if {
	count(s3_bucket_versioning_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketVersioningConfiguration": {"status": "Enabled"}}} with input.parameters as {}
}
