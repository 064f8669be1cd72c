package compliance.linux.ssh_empty_passwords_test

import data.compliance.linux.ssh_empty_passwords

test_empty_passwords_are_let_in if {
	ssh_empty_passwords.deny == {{"msg": "SSH lets in accounts with empty passwords", "path": "/configuration/permitEmptyPasswords"}} with input.resource as {"configuration": {"permitEmptyPasswords": true}}
}

test_empty_passwords_are_refused if {
	count(ssh_empty_passwords.deny) == 0 with input.resource as {"configuration": {"permitEmptyPasswords": false}}
}
