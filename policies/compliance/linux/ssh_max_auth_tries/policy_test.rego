package compliance.linux.ssh_max_auth_tries_test

import data.compliance.linux.ssh_max_auth_tries

test_too_many_attempts if {
	ssh_max_auth_tries.deny == {{"msg": "SSH allows 6 attempts for each connection; at most 4 are wanted", "path": "/configuration/maxAuthTries"}} with input as {"resource": {"configuration": {"maxAuthTries": 6}}, "parameters": {"maximum": 4}}
}

test_few_attempts if {
	count(ssh_max_auth_tries.deny) == 0 with input as {"resource": {"configuration": {"maxAuthTries": 4}}, "parameters": {"maximum": 4}}
}
