# METADATA
# title: The start-up script of an instance was changed
# description: >-
#   Stopping an instance, changing its user data and starting it again runs code on it as root
#   without logging in.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1059, T1037]}
#   remediation: >-
#     Compare the user data with what was deployed, and rebuild the instance.
package alarms.aws.user_data_changed

alarm contains {"msg": $"{input.event.actor.id} changed the user data of {input.event.detail.requestParameters.instanceId} (T1059)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action == "ec2:ModifyInstanceAttribute"
	input.event.detail.requestParameters.userData
}
