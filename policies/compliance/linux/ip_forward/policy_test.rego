package compliance.linux.ip_forward_test

import data.compliance.linux.ip_forward

parameters := {"names": ["net.ipv4.ip_forward"]}

test_a_router if {
	parameter := {"name": "net.ipv4.ip_forward", "value": "1", "number": 1}
	ip_forward.deny == {{"msg": "net.ipv4.ip_forward is 1: the machine routes packets", "path": "/configuration/value"}} with input as {"resource": {"configuration": parameter}, "parameters": parameters}
}

test_a_host if {
	parameter := {"name": "net.ipv4.ip_forward", "value": "0", "number": 0}
	count(ip_forward.deny) == 0 with input as {"resource": {"configuration": parameter}, "parameters": parameters}
	not ip_forward.not_applicable with input as {"resource": {"configuration": parameter}, "parameters": parameters}
}

test_other_parameters_are_not_judged if {
	ip_forward.not_applicable with input as {"resource": {"configuration": {"name": "vm.swappiness", "value": "60", "number": 60}}, "parameters": parameters}
}
