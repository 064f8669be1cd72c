package compliance.aws.eip_attached_test

import data.compliance.aws.eip_attached

test_a_loose_address_is_denied if {
	count(eip_attached.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "198.51.100.1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_attached_address_is_clean if {
	count(eip_attached.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publicIp": "198.51.100.1", "networkInterfaceId": "eni-1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}
