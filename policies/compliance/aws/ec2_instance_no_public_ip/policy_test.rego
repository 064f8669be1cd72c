package compliance.aws.ec2_instance_no_public_ip_test

import data.compliance.aws.ec2_instance_no_public_ip

test_it_is_denied if {
	count(ec2_instance_no_public_ip.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIpAddress": "198.51.100.1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(ec2_instance_no_public_ip.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"privateIpAddress": "10.0.0.1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_no_address if {
	count(ec2_instance_no_public_ip.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIpAddress": null, "networkInterfaces": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_second_interface_is_denied if {
	count(ec2_instance_no_public_ip.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"networkInterfaces": [{"privateIpAddresses": [{"association": {"publicIp": "34.205.29.138"}}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_one_address_is_denied_once if {
	count(ec2_instance_no_public_ip.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIpAddress": "34.205.29.138", "networkInterfaces": [{"privateIpAddresses": [{"association": {"publicIp": "34.205.29.138"}}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_interface_without_one_is_clean if {
	count(ec2_instance_no_public_ip.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"networkInterfaces": [{"privateIpAddresses": [{"privateIpAddress": "10.0.0.1", "association": null}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}
