package compliance.linux.file_owner_test

import data.compliance.linux.file_owner

test_nobody_owns_it if {
	file_owner.deny == {
		{"msg": "/etc/x belongs to user id 4242, which is no account", "path": "/configuration/uid"},
		{"msg": "/etc/x belongs to group id 4243, which is no group", "path": "/configuration/gid"},
	} with input.resource as {"configuration": {"path": "/etc/x", "uid": 4242, "gid": 4243}}
}

test_an_account_owns_it if {
	count(file_owner.deny) == 0 with input.resource as {"configuration": {"path": "/etc/x", "uid": 1000, "gid": 100, "owner": "alice", "group": "users"}}
}
