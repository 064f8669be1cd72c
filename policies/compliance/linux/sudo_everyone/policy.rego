# METADATA
# title: sudo gives nothing to everybody
# description: A rule for ALL users holds for every account there is, those of services included.
# custom:
#   severity: critical
#   resource_types: [Linux::IAM::SudoRule]
#   controls: {nist-800-53-r5: [AC-6(5)], mitre-attack: [T1548.003]}
#   remediation: Name the users or a group in the rule instead of ALL, with visudo.
package compliance.linux.sudo_everyone

deny contains {"msg": $"everybody may run {command.command} as {runs_as(command)}", "path": "/configuration/users"} if {
	input.resource.configuration.everyone
	some command in input.resource.configuration.commands
	not command.negated
}

runs_as(command) := concat(", ", [user.name | some user in command.runAsUsers]) if command.runAsUsers

runs_as(command) := "root" if not command.runAsUsers
