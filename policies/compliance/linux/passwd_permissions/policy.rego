# METADATA
# title: Only root may change accounts
# description: >-
#   passwd and group are read by everybody and must be written by root alone: one line in them makes
#   another root.
# custom:
#   severity: critical
#   resource_types: [Linux::File::File]
#   controls: {cis-distribution-independent-linux-2.0.0: ["6.1.2", "6.1.4"], nist-800-53-r5: [AC-3, AC-6]}
#   remediation: Run `chown root:root PATH` and `chmod 0644 PATH`.
package compliance.linux.passwd_permissions

deny contains {"msg": $"{file.path} belongs to user id {file.uid}, not to root", "path": "/configuration/uid"} if {
	file.uid != 0
}

deny contains {"msg": $"{file.path} can be written by others than root (mode {file.mode})", "path": "/configuration/mode"} if {
	true in {file.worldWritable, file.groupWritable}
}

not_applicable if not file.path in {"/etc/passwd", "/etc/passwd-", "/etc/group", "/etc/group-"}

file := input.resource.configuration
