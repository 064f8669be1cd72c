# METADATA
# title: An access key was made for another user
# description: >-
#   A key that a user makes for somebody else is how an intruder keeps access after the first
#   credentials are revoked.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1098.001, T1136.003]}
#   remediation: >-
#     Deactivate the key, and find out why it was made.
package alarms.aws.access_key_for_another

alarm contains {"msg": $"{input.event.actor.id} made an access key for {user} (T1098.001)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action == "iam:CreateAccessKey"
	user := input.event.detail.requestParameters.userName
	not own(user)
}

# The name of a user stands at the end of its ARN, behind the path where it has one.
own(user) if {
	contains(input.event.actor.id, ":user/")
	endswith(input.event.actor.id, $"/{user}")
}
