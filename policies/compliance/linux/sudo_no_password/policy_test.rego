package compliance.linux.sudo_no_password_test

import data.compliance.linux.sudo_no_password

alice := {"kind": "user", "name": "alice", "negated": false}

wheel := {"kind": "group", "name": "wheel", "negated": false}

test_nobody_is_asked if {
	rule := {"users": [alice, wheel], "commands": [
		{"command": "/usr/bin/id", "negated": false, "noPassword": false},
		{"command": "ALL", "negated": false, "noPassword": true},
	]}
	sudo_no_password.deny == {{"msg": "alice, group wheel may run ALL without a password", "path": "/configuration/commands/1/noPassword"}} with input as {"resource": {"configuration": rule}, "parameters": {"exempt": []}}
}

test_everybody if {
	rule := {"users": [{"kind": "all", "name": "ALL", "negated": false}], "commands": [{"command": "ALL", "negated": false, "noPassword": true}]}
	some denial in sudo_no_password.deny with input as {"resource": {"configuration": rule}, "parameters": {"exempt": []}}
	denial.msg == "everybody may run ALL without a password"
}

test_exempt_accounts_are_clean if {
	rule := {"users": [alice], "commands": [{"command": "ALL", "negated": false, "noPassword": true}]}
	count(sudo_no_password.deny) == 0 with input as {"resource": {"configuration": rule}, "parameters": {"exempt": ["alice"]}}
}

test_a_password_is_asked_for if {
	rule := {"users": [wheel], "commands": [{"command": "ALL", "negated": false, "noPassword": false}]}
	count(sudo_no_password.deny) == 0 with input as {"resource": {"configuration": rule}, "parameters": {"exempt": []}}
}

test_an_excepted_command_is_clean if {
	rule := {"users": [alice], "commands": [{"command": "/bin/sh", "negated": true, "noPassword": true}]}
	count(sudo_no_password.deny) == 0 with input as {"resource": {"configuration": rule}, "parameters": {"exempt": []}}
}
