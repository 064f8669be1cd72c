package compliance.linux.ssh_password_authentication_test

import data.compliance.linux.ssh_password_authentication

test_passwords_are_taken if {
	ssh_password_authentication.deny == {{"msg": "SSH takes passwords", "path": "/configuration/passwordAuthentication"}} with input.resource as {"configuration": {"passwordAuthentication": true, "authenticationMethods": "any"}}
}

test_pam_asks_for_passwords if {
	ssh_password_authentication.deny == {{"msg": "SSH asks PAM's questions, which are passwords as a rule", "path": "/configuration/kbdInteractiveAuthentication"}} with input.resource as {"configuration": {"passwordAuthentication": false, "kbdInteractiveAuthentication": true, "usePam": true, "authenticationMethods": "any"}}
}

test_a_password_beside_a_key_is_clean if {
	count(ssh_password_authentication.deny) == 0 with input.resource as {"configuration": {"passwordAuthentication": true, "kbdInteractiveAuthentication": true, "usePam": true, "authenticationMethods": "publickey,password publickey,keyboard-interactive"}}
}

test_a_password_instead_of_a_key_is_denied if {
	count(ssh_password_authentication.deny) == 1 with input.resource as {"configuration": {"passwordAuthentication": true, "kbdInteractiveAuthentication": false, "usePam": true, "authenticationMethods": "publickey password"}}
}

test_keys_alone_are_clean if {
	count(ssh_password_authentication.deny) == 0 with input.resource as {"configuration": {"passwordAuthentication": false, "kbdInteractiveAuthentication": false, "usePam": true, "authenticationMethods": "any"}}
}
