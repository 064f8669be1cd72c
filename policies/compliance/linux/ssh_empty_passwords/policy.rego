# METADATA
# title: SSH lets in nobody without a password
# description: An account without a password would be open to everybody who reaches the server.
# related_resources: [https://man.openbsd.org/sshd_config#PermitEmptyPasswords]
# custom:
#   severity: critical
#   resource_types: [Linux::SSH::Server]
#   requires: [/configuration/permitEmptyPasswords]
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.2.11"], nist-800-53-r5: [IA-5]}
#   remediation: Set `PermitEmptyPasswords no` in sshd_config and reload sshd.
package compliance.linux.ssh_empty_passwords

deny contains {"msg": "SSH lets in accounts with empty passwords", "path": "/configuration/permitEmptyPasswords"} if {
	input.resource.configuration.permitEmptyPasswords
}
