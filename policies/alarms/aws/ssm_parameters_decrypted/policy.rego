# METADATA
# title: Many stored parameters decrypted by one identity
# description: >-
#   GetParameters with decryption returns the clear text of SecureString parameters, ten at a time.
#   Several such calls for different ones take the whole tree; one that is read again and again is
#   an application.
# custom:
#   severity: high
#   on: event
#   window: {count: 4, within: 5m, distinct: true}
#   controls: {mitre-attack: [T1552, T1555.006]}
#   remediation: >-
#     Limit the identity to the parameter paths that it needs, and rotate what was read.
package alarms.aws.ssm_parameters_decrypted

alarm contains {"msg": $"{input.event.actor.id} decrypts many stored parameters (T1552)", "value": wanted} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"}
	input.event.detail.requestParameters.withDecryption == true
	some field in {"name", "names", "path"}
	wanted := input.event.detail.requestParameters[field]
}
