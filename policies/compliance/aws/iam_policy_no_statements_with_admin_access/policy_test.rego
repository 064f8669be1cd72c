package compliance.aws.iam_policy_no_statements_with_admin_access_test

import data.compliance.aws.iam_policy_no_statements_with_admin_access

test_everything_is_denied if {
	count(iam_policy_no_statements_with_admin_access.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": [{"Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_one_service_is_clean if {
	count(iam_policy_no_statements_with_admin_access.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": [{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_old_version_is_clean if {
	count(iam_policy_no_statements_with_admin_access.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": false, "document": [{"Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}
