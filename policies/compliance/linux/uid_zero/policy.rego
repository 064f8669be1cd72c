# METADATA
# title: Only root has user id 0
# description: >-
#   Every account with user id 0 is root under another name, with a password and history of its own.
# custom:
#   severity: critical
#   resource_types: [Linux::IAM::User]
#   controls: {cis-distribution-independent-linux-2.0.0: ["6.2.5"], nist-800-53-r5: [AC-6], mitre-attack: [T1136.001]}
#   remediation: Remove the account with userdel, or give it a user id of its own with usermod -u.
package compliance.linux.uid_zero

deny contains {"msg": $"{input.resource.configuration.userName} is root by another name: its user id is 0", "path": "/configuration/uid"} if {
	input.resource.configuration.uid == 0
	input.resource.configuration.userName != "root"
}
