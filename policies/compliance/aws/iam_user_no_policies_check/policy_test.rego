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

test_null_is_no_policy if {
	count(iam_user_no_policies_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"userName": "u", "userPolicyList": null, "attachedManagedPolicies": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_each_policy_is_denied if {
	count(iam_user_no_policies_check.deny) == 2 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"userName": "u", "userPolicyList": [{"policyName": "a"}], "attachedManagedPolicies": [{"policyName": "b"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}
