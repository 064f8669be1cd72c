# METADATA
# title: Only root may change what cron runs
# description: >-
#   The system's cron tables run as any user, root as a rule, so that whoever may write to one of them
#   or to their folders is root within a minute.
# custom:
#   severity: high
#   resource_types: [Linux::File::File]
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.1.2", "5.1.3", "5.1.4", "5.1.5", "5.1.6", "5.1.7"], nist-800-53-r5: [AC-3, CM-5], mitre-attack: [T1053.003]}
#   remediation: Run `chown root:root PATH` and `chmod go-w PATH`.
package compliance.linux.cron_permissions

deny contains {"msg": $"{file.path} belongs to user id {file.uid}, not to root", "path": "/configuration/uid"} if {
	file.uid != 0
}

deny contains {"msg": $"{file.path} can be written by others than root (mode {file.mode})", "path": "/configuration/mode"} if {
	true in {file.worldWritable, file.groupWritable}
}

not_applicable if not regex.match(`^/etc/(anacrontab|crontab|cron\.(d|hourly|daily|weekly|monthly|yearly)(/.*)?)$`, file.path)

not_applicable if file.type == "symlink"

file := input.resource.configuration
