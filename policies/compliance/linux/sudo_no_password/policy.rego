# METADATA
# title: sudo asks for a password
# description: >-
#   Without the question, whoever gets hold of an open session, or of a program that runs as its user,
#   has root. Rules for machines' accounts can be exempted by the names they apply to.
# related_resources: [https://www.sudo.ws/docs/man/sudoers.man/]
# custom:
#   severity: high
#   resource_types: [Linux::IAM::SudoRule]
#   parameters: {properties: {exempt: {type: array, items: {type: string}, default: []}}}
#   controls: {nist-800-53-r5: [IA-11, AC-6(1)], mitre-attack: [T1548.003]}
#   remediation: >-
#     Take NOPASSWD out of the rule with visudo, and `!authenticate` out of Defaults; where a machine
#     needs it, name the exact command.
package compliance.linux.sudo_no_password

deny contains {"msg": $"{who} may run {command.command} without a password", "path": $"/configuration/commands/{i}/noPassword"} if {
	some i, command in input.resource.configuration.commands
	command.noPassword
	not command.negated
	not exempt
	who := concat(", ", [name(user) | some user in input.resource.configuration.users; not user.negated])
}

# Everybody that the rule applies to is exempt.
exempt if {
	every user in input.resource.configuration.users {
		user.name in input.parameters.exempt
	}
}

name(user) := $"group {user.name}" if user.kind == "group"

name(user) := "everybody" if user.kind == "all"

name(user) := user.name if not user.kind in {"group", "all"}
