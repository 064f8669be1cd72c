# METADATA
# title: Password hashes are for root's eyes only
# description: Whoever can read the shadow files can try passwords at leisure; whoever can write them is root.
# custom:
#   severity: critical
#   resource_types: [Linux::File::File]
#   parameters: {properties: {groups: {type: array, items: {type: string}, default: [root, shadow]}}}
#   controls: {cis-distribution-independent-linux-2.0.0: ["6.1.3"], nist-800-53-r5: [AC-3, IA-5], mitre-attack: [T1003.008]}
#   remediation: Run `chown root:shadow PATH` (root:root where there is no group shadow) and `chmod 0640 PATH`.
package compliance.linux.shadow_permissions

deny contains {"msg": $"{file.path} belongs to user id {file.uid}, not to root", "path": "/configuration/uid"} if {
	file.uid != 0
}

deny contains {"msg": $"{file.path} belongs to group {file.group}", "path": "/configuration/group"} if {
	not file.group in input.parameters.groups
}

deny contains {"msg": $"{file.path} can be read by everybody (mode {file.mode})", "path": "/configuration/mode"} if file.worldReadable

deny contains {"msg": $"{file.path} can be written by others (mode {file.mode})", "path": "/configuration/mode"} if {
	true in {file.worldWritable, file.groupWritable}
}

not_applicable if not file.path in {"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"}

file := input.resource.configuration
