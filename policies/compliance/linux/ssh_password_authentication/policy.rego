# METADATA
# title: SSH takes no passwords
# description: >-
#   Passwords are guessed by machines day and night; keys are not. Questions that PAM asks
#   (keyboard-interactive) are passwords too, unless further methods are required beside them.
# related_resources: [https://man.openbsd.org/sshd_config#PasswordAuthentication]
# custom:
#   severity: medium
#   resource_types: [Linux::SSH::Server]
#   requires: [/configuration/passwordAuthentication]
#   controls: {nist-800-53-r5: [AC-17, IA-2(1)], mitre-attack: [T1110]}
#   remediation: >-
#     Give everybody a key, then set `PasswordAuthentication no` and `KbdInteractiveAuthentication no`
#     in sshd_config and reload sshd.
package compliance.linux.ssh_password_authentication

deny contains {"msg": "SSH takes passwords", "path": "/configuration/passwordAuthentication"} if {
	input.resource.configuration.passwordAuthentication
	not key_required
}

deny contains {"msg": "SSH asks PAM's questions, which are passwords as a rule", "path": "/configuration/kbdInteractiveAuthentication"} if {
	input.resource.configuration.kbdInteractiveAuthentication
	input.resource.configuration.usePam
	not key_required
}

# Every list of methods that is enough holds a key.
key_required if {
	lists := split(input.resource.configuration.authenticationMethods, " ")
	every list in lists {
		"publickey" in split(list, ",")
	}
}
