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

test_a_document_as_in_a_url_is_denied if {
	count(iam_policy_no_statements_with_admin_access.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_document_as_text_is_denied if {
	count(iam_policy_no_statements_with_admin_access.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*:*\", \"Resource\": \"*\"}}"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_text_that_is_no_document_is_clean if {
	count(iam_policy_no_statements_with_admin_access.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": "%7"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_boundary_is_not_judged_where_said if {
	iam_policy_no_statements_with_admin_access.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": []}], "permissionsBoundaryUsageCount": 1}, "supplementaryConfiguration": {}} with input.parameters as {"excludePermissionBoundaryPolicy": true}
}

test_a_boundary_is_judged if {
	not iam_policy_no_statements_with_admin_access.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": []}], "permissionsBoundaryUsageCount": 1, "arn": "arn:aws:iam::1:policy/p"}, "supplementaryConfiguration": {}} with input.parameters as {"excludePermissionBoundaryPolicy": false}
}

test_a_policy_of_aws_is_not_judged if {
	iam_policy_no_statements_with_admin_access.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"policyName": "p", "policyVersionList": [{"isDefaultVersion": true, "document": []}], "arn": "arn:aws:iam::aws:policy/AdministratorAccess"}, "supplementaryConfiguration": {}} with input.parameters as {}
}
