package compliance.linux.cleartext_service_test

import data.compliance.linux.cleartext_service

parameters := {"services": {"tcp/23": "telnet", "tcp/514": "rsh"}}

test_telnet_listens if {
	listener := {"protocol": "tcp", "address": "0.0.0.0", "port": 23, "loopback": false}
	cleartext_service.deny == {{"msg": "telnet listens at 0.0.0.0 port 23", "path": "/configuration/port"}} with input as {"resource": {"configuration": listener}, "parameters": parameters}
}

test_ssh_is_clean if {
	listener := {"protocol": "tcp", "address": "0.0.0.0", "port": 22, "loopback": false}
	count(cleartext_service.deny) == 0 with input as {"resource": {"configuration": listener}, "parameters": parameters}
}

test_syslog_is_not_rsh if {
	listener := {"protocol": "udp", "address": "0.0.0.0", "port": 514, "loopback": false}
	count(cleartext_service.deny) == 0 with input as {"resource": {"configuration": listener}, "parameters": parameters}
}

test_loopback_is_not_judged if {
	listener := {"protocol": "tcp", "address": "127.0.0.1", "port": 23, "loopback": true}
	cleartext_service.not_applicable with input as {"resource": {"configuration": listener}, "parameters": parameters}
}
