package compliance.aws.s3_bucket_ssl_requests_only_test

import data.compliance.aws.s3_bucket_ssl_requests_only

test_no_policy_is_denied if {
	count(s3_bucket_ssl_requests_only.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": null}}} with input.parameters as {}
}

test_another_policy_is_denied if {
	count(s3_bucket_ssl_requests_only.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\"}]}"}}} with input.parameters as {}
}

test_a_deny_is_clean if {
	count(s3_bucket_ssl_requests_only.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": "{\"Statement\": [{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Condition\": {\"Bool\": {\"aws:SecureTransport\": \"false\"}}}]}"}}} with input.parameters as {}
}

test_null_is_no_policy if {
	count(s3_bucket_ssl_requests_only.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": null}}} with input.parameters as {}
}

test_keys_of_conditions_have_no_case if {
	count(s3_bucket_ssl_requests_only.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": "{\"Statement\": [{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"aws:securetransport\": \"false\"}}}]}"}}} with input.parameters as {}
}

test_everyone_in_a_list_is_clean if {
	count(s3_bucket_ssl_requests_only.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": "{\"Statement\": [{\"Effect\": \"Deny\", \"Principal\": {\"AWS\": [\"*\"]}, \"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"aws:SecureTransport\": \"false\"}}}]}"}}} with input.parameters as {}
}

test_another_condition_is_denied if {
	count(s3_bucket_ssl_requests_only.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": "{\"Statement\": [{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"Bool\": {\"aws:ViaAWSService\": \"false\"}}}]}"}}} with input.parameters as {}
}
