# METADATA
# title: Windows passwords of instances asked for in numbers
# description: >-
#   Whoever may call GetPasswordData and holds the key pair reads the administrator password of a
#   Windows instance. One call is an administrator at work; many within minutes, refused or not, is
#   somebody collecting passwords.
# custom:
#   severity: high
#   on: event
#   window: {count: 10, within: 10m, distinct: true}
#   controls: {mitre-attack: [T1552.005, T1555]}
#   remediation: >-
#     Find out who uses the identity, and take ec2:GetPasswordData from roles that do not need it.
package alarms.aws.password_data_burst

alarm contains {"msg": $"{input.event.actor.id} asks for the Windows passwords of many instances (T1552.005)", "value": input.event.detail.requestParameters.instanceId} if {
	input.event.source == "aws.cloudtrail"
	input.event.action == "ec2:GetPasswordData"
}
