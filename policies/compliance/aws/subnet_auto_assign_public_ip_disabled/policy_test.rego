package compliance.aws.subnet_auto_assign_public_ip_disabled_test

import data.compliance.aws.subnet_auto_assign_public_ip_disabled

test_it_is_denied if {
	count(subnet_auto_assign_public_ip_disabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"mapPublicIpOnLaunch": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(subnet_auto_assign_public_ip_disabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"mapPublicIpOnLaunch": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}
