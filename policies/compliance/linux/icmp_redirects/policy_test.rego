package compliance.linux.icmp_redirects_test

import data.compliance.linux.icmp_redirects

test_redirects_are_followed if {
	icmp_redirects.deny == {{"msg": "net.ipv6.conf.default.accept_redirects is 1: redirects are followed", "path": "/configuration/value"}} with input.resource as {"configuration": {"name": "net.ipv6.conf.default.accept_redirects", "value": "1", "number": 1}}
}

test_redirects_are_ignored if {
	count(icmp_redirects.deny) == 0 with input.resource as {"configuration": {"name": "net.ipv4.conf.all.accept_redirects", "value": "0", "number": 0}}
	not icmp_redirects.not_applicable with input.resource as {"configuration": {"name": "net.ipv4.conf.all.accept_redirects", "value": "0", "number": 0}}
}

test_other_parameters_are_not_judged if {
	icmp_redirects.not_applicable with input.resource as {"configuration": {"name": "net.ipv4.conf.eth0.accept_redirects", "value": "1", "number": 1}}
}
