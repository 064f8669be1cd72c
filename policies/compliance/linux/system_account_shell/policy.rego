# METADATA
# title: System accounts have no login shell
# description: >-
#   Accounts of services exist to own files and processes. One with a shell and a usable password is a
#   way in that nobody watches.
# custom:
#   severity: medium
#   resource_types: [Linux::IAM::User]
#   parameters: {properties: {exempt: {type: array, items: {type: string}, default: [root, sync, halt, shutdown]}}}
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.4.2"], nist-800-53-r5: [AC-6, CM-7]}
#   remediation: Run `usermod -s /usr/sbin/nologin NAME`.
package compliance.linux.system_account_shell

deny contains {"msg": $"the system account {account.userName} has the login shell {shell}", "path": "/configuration/shell"} if {
	account := input.resource.configuration
	account.system
	account.interactive
	not account.userName in input.parameters.exempt
	shell := object.get(account, "shell", "/bin/sh")
}

not_applicable if not input.resource.configuration.system
