package compliance.aws.vpc_default_security_group_closed_test

import data.compliance.aws.vpc_default_security_group_closed

test_a_rule_is_denied if {
	count(vpc_default_security_group_closed.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"groupName": "default", "ipPermissions": [{"ipProtocol": "-1"}], "ipPermissionsEgress": []}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_no_rules_are_clean if {
	count(vpc_default_security_group_closed.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"groupName": "default", "ipPermissions": [], "ipPermissionsEgress": []}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_another_group_is_not_judged if {
	vpc_default_security_group_closed.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"groupName": "web", "ipPermissions": [{"ipProtocol": "-1"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_no_rules_are_clean if {
	count(vpc_default_security_group_closed.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"groupName": "default", "ipPermissions": [], "ipPermissionsEgress": []}, "supplementaryConfiguration": {}} with input.parameters as {}
}
