package compliance.linux.empty_password_test

import data.compliance.linux.empty_password

test_no_password_is_needed if {
	empty_password.deny == {{"msg": "guest needs no password", "path": "/configuration/password/state"}} with input.resource as {"configuration": {"userName": "guest", "password": {"state": "empty"}}}
}

test_a_locked_account_is_clean if {
	count(empty_password.deny) == 0 with input.resource as {"configuration": {"userName": "guest", "password": {"state": "locked"}}}
}
