# METADATA
# title: Administrator rights were granted to a user, role or group
# description: >-
#   Attaching AdministratorAccess, or another policy that allows everything, is the shortest way
#   from a foothold to the whole account.
# custom:
#   severity: critical
#   on: event
#   controls: {mitre-attack: [T1098.003, T1136.003]}
#   remediation: >-
#     Detach the policy, and look at what the receiver did since.
package alarms.aws.administrator_granted

alarm contains {"msg": $"{input.event.actor.id} made {receiver} an administrator (T1098.003)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"iam:AttachUserPolicy", "iam:AttachRolePolicy", "iam:AttachGroupPolicy"}
	request := input.event.detail.requestParameters
	endswith(request.policyArn, ":aws:policy/AdministratorAccess")
	some field in {"userName", "roleName", "groupName"}
	receiver := request[field]
}
