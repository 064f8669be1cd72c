package compliance.linux.system_account_shell_test

import data.compliance.linux.system_account_shell

test_a_service_with_a_shell if {
	account := {"userName": "backup", "system": true, "interactive": true, "shell": "/bin/bash"}
	system_account_shell.deny == {{"msg": "the system account backup has the login shell /bin/bash", "path": "/configuration/shell"}} with input as {"resource": {"configuration": account}, "parameters": {"exempt": ["root"]}}
}

test_no_shell_means_sh if {
	account := {"userName": "backup", "system": true, "interactive": true}
	system_account_shell.deny == {{"msg": "the system account backup has the login shell /bin/sh", "path": "/configuration/shell"}} with input as {"resource": {"configuration": account}, "parameters": {"exempt": ["root"]}}
}

test_a_service_without_a_shell if {
	account := {"userName": "backup", "system": true, "interactive": false, "shell": "/usr/sbin/nologin"}
	count(system_account_shell.deny) == 0 with input as {"resource": {"configuration": account}, "parameters": {"exempt": ["root"]}}
}

test_root_is_exempt if {
	account := {"userName": "root", "system": true, "interactive": true, "shell": "/bin/bash"}
	count(system_account_shell.deny) == 0 with input as {"resource": {"configuration": account}, "parameters": {"exempt": ["root"]}}
}

test_a_person_is_not_judged if {
	system_account_shell.not_applicable with input as {"resource": {"configuration": {"userName": "alice", "system": false}}, "parameters": {"exempt": []}}
}
