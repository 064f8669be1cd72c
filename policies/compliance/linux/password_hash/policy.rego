# METADATA
# title: Passwords are hashed with a slow algorithm
# description: >-
#   Old algorithms are so quick that whoever gets at the shadow file tries billions of passwords a
#   second against them.
# custom:
#   severity: high
#   resource_types: [Linux::IAM::User]
#   requires: [/configuration/password/state]
#   parameters: {properties: {accepted: {type: array, items: {type: string}, default: [yescrypt, gost-yescrypt, scrypt, bcrypt, sha512, sha256]}}}
#   controls: {nist-800-53-r5: [IA-5(1)], mitre-attack: [T1110.002]}
#   remediation: >-
#     Set `ENCRYPT_METHOD YESCRYPT` in /etc/login.defs (or PAM's pam_unix), and have the password
#     changed.
package compliance.linux.password_hash

deny contains {"msg": $"the password of {input.resource.configuration.userName} is hashed with {algorithm}", "path": "/configuration/password/algorithm"} if {
	algorithm := input.resource.configuration.password.algorithm
	not algorithm in input.parameters.accepted
}

not_applicable if input.resource.configuration.password.state in {"none", "empty"}
