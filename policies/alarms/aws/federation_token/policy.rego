# METADATA
# title: Temporary credentials were made with GetFederationToken
# description: >-
#   A federation token outlives the key that made it: deleting the user's key does not end it. Few
#   applications use the call.
# custom:
#   severity: medium
#   on: event
#   controls: {mitre-attack: [T1550.001, T1098.001]}
#   remediation: >-
#     Attach a policy to the user that denies everything to sessions issued before now.
package alarms.aws.federation_token

alarm contains {"msg": $"{input.event.actor.id} made a federation token named {input.event.detail.requestParameters.name} (T1550.001)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action == "sts:GetFederationToken"
}
