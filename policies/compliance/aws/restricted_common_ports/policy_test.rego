package compliance.aws.restricted_common_ports_test

import data.compliance.aws.restricted_common_ports

test_a_database_port_is_denied if {
	count(restricted_common_ports.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 3306, "toPort": 3306, "ipRanges": ["0.0.0.0/0"]}]}, "supplementaryConfiguration": {}} with input.parameters as {"blockedPort1": 20, "blockedPort2": 21, "blockedPort3": 3389, "blockedPort4": 3306, "blockedPort5": 4333}
}

test_a_chosen_port_is_denied if {
	count(restricted_common_ports.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 1, "toPort": 10000, "ipv4Ranges": [{"cidrIp": "0.0.0.0/0"}]}]}, "supplementaryConfiguration": {}} with input.parameters as {"blockedPort1": 9200}
}

test_https_is_clean if {
	count(restricted_common_ports.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "ipRanges": ["0.0.0.0/0"]}]}, "supplementaryConfiguration": {}} with input.parameters as {"blockedPort1": 20, "blockedPort2": 21, "blockedPort3": 3389, "blockedPort4": 3306, "blockedPort5": 4333}
}

test_tcp_by_its_number_is_denied if {
	count(restricted_common_ports.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"ipPermissions": [{"ipProtocol": "6", "fromPort": 21, "toPort": 21, "ipRanges": ["0.0.0.0/0"]}]}, "supplementaryConfiguration": {}} with input.parameters as {"blockedPort2": 21}
}
