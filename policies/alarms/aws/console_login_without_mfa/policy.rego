# METADATA
# title: Console login without a second factor
# description: >-
#   A user of the account logged in to the console with a password alone. Federated users have their
#   second factor elsewhere and are left out.
# custom:
#   severity: medium
#   on: event
#   controls: {mitre-attack: [T1078.004]}
#   remediation: >-
#     Require MFA for the user, and ask whether it was them.
package alarms.aws.console_login_without_mfa

alarm contains {"msg": $"{input.event.actor.id} logged in to the console without a second factor (T1078.004)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action == "signin:ConsoleLogin"
	input.event.actor.type in {"IAMUser", "Root"}
	input.event.detail.additionalEventData.MFAUsed == "No"
}
