package compliance.aws.eip_attached_test

import data.compliance.aws.eip_attached

test_a_loose_address_is_denied if {
	count(eip_attached.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "198.51.100.1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_attached_address_is_clean if {
	count(eip_attached.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "198.51.100.1", "networkInterfaceId": "eni-1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_no_instance if {
	count(eip_attached.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "1.2.3.4", "instanceId": null, "networkInterfaceId": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_empty_is_no_instance if {
	count(eip_attached.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "1.2.3.4", "instanceId": "", "networkInterfaceId": ""}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_unused_interface_is_denied if {
	count(eip_attached.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "1.2.3.4", "networkInterfaceId": "eni-1"}, "supplementaryConfiguration": {}} with input.parameters as {} with data.resources as {"AWS::EC2::NetworkInterface": {"eni-1": {"configuration": {"status": "available"}}}}
}

test_a_used_interface_is_clean if {
	count(eip_attached.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "1.2.3.4", "networkInterfaceId": "eni-1"}, "supplementaryConfiguration": {}} with input.parameters as {} with data.resources as {"AWS::EC2::NetworkInterface": {"eni-1": {"configuration": {"status": "in-use"}}}}
}

test_an_unknown_interface_is_clean if {
	count(eip_attached.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "1.2.3.4", "networkInterfaceId": "eni-2"}, "supplementaryConfiguration": {}} with input.parameters as {} with data.resources as {"AWS::EC2::NetworkInterface": {"eni-1": {"configuration": {"status": "available"}}}}
}
