package compliance.linux.uid_zero_test

import data.compliance.linux.uid_zero

test_another_root if {
	uid_zero.deny == {{"msg": "toor is root by another name: its user id is 0", "path": "/configuration/uid"}} with input.resource as {"configuration": {"userName": "toor", "uid": 0}}
}

test_root_itself if {
	count(uid_zero.deny) == 0 with input.resource as {"configuration": {"userName": "root", "uid": 0}}
}

test_somebody_else if {
	count(uid_zero.deny) == 0 with input.resource as {"configuration": {"userName": "alice", "uid": 1000}}
}
