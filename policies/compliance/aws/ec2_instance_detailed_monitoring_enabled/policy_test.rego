package compliance.aws.ec2_instance_detailed_monitoring_enabled_test

import data.compliance.aws.ec2_instance_detailed_monitoring_enabled

test_it_is_denied if {
	count(ec2_instance_detailed_monitoring_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"monitoring": {"state": "disabled"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(ec2_instance_detailed_monitoring_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"monitoring": {"state": "enabled"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}
