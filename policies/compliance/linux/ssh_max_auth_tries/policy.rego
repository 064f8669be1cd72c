# METADATA
# title: SSH ends a connection after few failed attempts
# description: Every further attempt in a connection makes guessing cheaper.
# related_resources: [https://man.openbsd.org/sshd_config#MaxAuthTries]
# custom:
#   severity: low
#   resource_types: [Linux::SSH::Server]
#   requires: [/configuration/maxAuthTries]
#   parameters: {properties: {maximum: {type: integer, minimum: 1, default: 4}}}
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.2.7"], nist-800-53-r5: [AC-7], mitre-attack: [T1110]}
#   remediation: Set `MaxAuthTries 4` in sshd_config and reload sshd.
package compliance.linux.ssh_max_auth_tries

deny contains {"msg": $"SSH allows {tries} attempts for each connection; at most {input.parameters.maximum} are wanted", "path": "/configuration/maxAuthTries"} if {
	tries := input.resource.configuration.maxAuthTries
	tries > input.parameters.maximum
}
