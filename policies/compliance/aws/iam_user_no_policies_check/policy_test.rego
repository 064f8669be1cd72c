package compliance.aws.iam_user_no_policies_check_test

import data.compliance.aws.iam_user_no_policies_check

test_an_inline_policy_is_denied if {
	count(iam_user_no_policies_check.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"userName": "u", "userPolicyList": [{"policyName": "p"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_attached_policy_is_denied if {
	count(iam_user_no_policies_check.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"userName": "u", "attachedManagedPolicies": [{"policyName": "p"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_groups_are_clean if {
	count(iam_user_no_policies_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"userName": "u", "userPolicyList": [], "attachedManagedPolicies": [], "groupList": ["g"]}, "supplementaryConfiguration": {}} with input.parameters as {}
}
