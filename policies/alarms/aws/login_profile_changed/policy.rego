# METADATA
# title: A console password was set for another user
# description: >-
#   Setting the password of a user who had none, or changing that of another one, opens the console
#   under their name.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1098, T1078.004]}
#   remediation: >-
#     Delete the login profile, and ask the user.
package alarms.aws.login_profile_changed

alarm contains {"msg": $"{input.event.actor.id} set the console password of {user} (T1098)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"iam:CreateLoginProfile", "iam:UpdateLoginProfile"}
	user := input.event.detail.requestParameters.userName
	not own(user)
}

# The name of a user stands at the end of its ARN, behind the path where it has one.
own(user) if {
	contains(input.event.actor.id, ":user/")
	endswith(input.event.actor.id, $"/{user}")
}
