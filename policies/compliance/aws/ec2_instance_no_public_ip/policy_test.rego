package compliance.aws.ec2_instance_no_public_ip_test

import data.compliance.aws.ec2_instance_no_public_ip

test_it_is_denied if {
	count(ec2_instance_no_public_ip.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIpAddress": "198.51.100.1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(ec2_instance_no_public_ip.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"privateIpAddress": "10.0.0.1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}
