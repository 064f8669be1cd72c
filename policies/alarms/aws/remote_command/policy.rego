# METADATA
# title: A command was run, or a shell opened, through Systems Manager
# description: >-
#   Run Command and Session Manager give root on every managed instance without a network path. In
#   an estate that deploys by other means each use is worth a look.
# custom:
#   severity: medium
#   on: event
#   controls: {mitre-attack: [T1651, T1021.007]}
#   remediation: >-
#     Read the command or the session log, and limit who may use the documents.
package alarms.aws.remote_command

alarm contains {"msg": $"{input.event.actor.id} used {input.event.action} (T1651)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"ssm:SendCommand", "ssm:StartSession"}
}
