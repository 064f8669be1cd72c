package compliance.linux.ssh_root_login_test

import data.compliance.linux.ssh_root_login

test_root_may_log_in if {
	resource := {"configuration": {"permitRootLogin": "yes", "matches": []}}
	ssh_root_login.deny == {{"msg": "root may log in over SSH: PermitRootLogin is yes", "path": "/configuration/permitRootLogin"}} with input as {"resource": resource, "parameters": {"allow_keys": false}}
}

test_keys_are_not_enough_by_default if {
	resource := {"configuration": {"permitRootLogin": "prohibit-password", "matches": []}}
	count(ssh_root_login.deny) == 1 with input as {"resource": resource, "parameters": {"allow_keys": false}}
}

test_keys_are_enough_where_allowed if {
	resource := {"configuration": {"permitRootLogin": "prohibit-password", "matches": []}}
	count(ssh_root_login.deny) == 0 with input as {"resource": resource, "parameters": {"allow_keys": true}}
}

test_a_match_block_lets_root_in if {
	resource := {"configuration": {
		"permitRootLogin": "no",
		"matches": [{"criteria": "Address 10.0.0.0/8", "settings": [{"keyword": "permitrootlogin", "values": ["Yes"]}]}],
	}}
	ssh_root_login.deny == {{"msg": "root may log in over SSH where Address 10.0.0.0/8", "path": "/configuration/matches"}} with input as {"resource": resource, "parameters": {"allow_keys": false}}
}

test_root_may_not_log_in if {
	resource := {"configuration": {"permitRootLogin": "no", "matches": [{"criteria": "User a", "settings": [{"keyword": "banner", "values": ["none"]}]}]}}
	count(ssh_root_login.deny) == 0 with input as {"resource": resource, "parameters": {"allow_keys": false}}
}
