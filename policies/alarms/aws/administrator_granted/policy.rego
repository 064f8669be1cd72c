# METADATA
# title: Administrator rights were granted to a user, role or group
# description: >-
#   Attaching AdministratorAccess, or putting a policy in line that allows everything, is the
#   shortest way from a foothold to the whole account.
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
	input.event.action in {"iam:AttachUserPolicy", "iam:AttachRolePolicy", "iam:AttachGroupPolicy", "iam:PutUserPolicy", "iam:PutRolePolicy", "iam:PutGroupPolicy"}
	everything
	some field in {"userName", "roleName", "groupName"}
	receiver := request[field]
}

request := input.event.detail.requestParameters

everything if endswith(request.policyArn, ":aws:policy/AdministratorAccess")

everything if {
	json.is_valid(request.policyDocument)
	some statement in list(json.unmarshal(request.policyDocument).Statement)
	statement.Effect == "Allow"
	some action in list(statement.Action)
	action in {"*", "*:*"}
	"*" in list(statement.Resource)
}

# IAM writes a single element without its list.
list(x) := x if is_array(x)

list(x) := [x] if not is_array(x)
