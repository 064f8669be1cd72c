# METADATA
# title: No account has an empty password
# description: Whoever knows the name of such an account can use it.
# custom:
#   severity: critical
#   resource_types: [Linux::IAM::User]
#   requires: [/configuration/password/state]
#   controls: {cis-distribution-independent-linux-2.0.0: ["6.2.1"], nist-800-53-r5: [IA-5], mitre-attack: [T1078.003]}
#   remediation: Lock the account with `passwd -l NAME`, or set a password.
package compliance.linux.empty_password

deny contains {"msg": $"{input.resource.configuration.userName} needs no password", "path": "/configuration/password/state"} if {
	input.resource.configuration.password.state == "empty"
}
