package compliance.linux.password_hash_test

import data.compliance.linux.password_hash

parameters := {"accepted": ["yescrypt", "sha512"]}

test_an_old_hash if {
	password_hash.deny == {{"msg": "the password of alice is hashed with md5", "path": "/configuration/password/algorithm"}} with input as {"resource": {"configuration": {"userName": "alice", "password": {"state": "set", "algorithm": "md5"}}}, "parameters": parameters}
}

test_a_slow_hash if {
	count(password_hash.deny) == 0 with input as {"resource": {"configuration": {"userName": "alice", "password": {"state": "set", "algorithm": "yescrypt"}}}, "parameters": parameters}
}

test_an_account_without_a_password if {
	password_hash.not_applicable with input as {"resource": {"configuration": {"userName": "daemon", "password": {"state": "none"}}}, "parameters": parameters}
}
