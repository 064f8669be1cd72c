package compliance.aws.restricted_ssh_test

import data.compliance.aws.restricted_ssh

test_ssh_for_everyone_is_denied if {
	count(restricted_ssh.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": ["0.0.0.0/0"]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_all_protocols_are_denied if {
	count(restricted_ssh.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "-1", "ipv4Ranges": [{"cidrIp": "0.0.0.0/0"}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_ipv6_is_denied if {
	count(restricted_ssh.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 0, "toPort": 65535, "ipv6Ranges": [{"cidrIpv6": "::/0"}]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_private_range_is_clean if {
	count(restricted_ssh.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": ["10.0.0.0/8"]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_another_port_is_clean if {
	count(restricted_ssh.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "ipRanges": ["0.0.0.0/0"]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_tcp_by_its_number_is_denied if {
	count(restricted_ssh.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "6", "fromPort": 22, "toPort": 22, "ipRanges": ["0.0.0.0/0"]}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_no_range if {
	count(restricted_ssh.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "-1", "fromPort": null, "toPort": null, "ipRanges": null, "ipv4Ranges": null, "ipv6Ranges": null}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}
