# METADATA
# title: An account tries to leave its organization
# description: >-
#   Outside the organization no guard rail holds: service control policies, central trails and
#   detectors all end. The attempt matters even where it is refused.
# custom:
#   severity: critical
#   on: event
#   controls: {mitre-attack: [T1562, T1070]}
#   remediation: >-
#     Deny organizations:LeaveOrganization by a service control policy.
package alarms.aws.leave_organization

alarm contains {"msg": $"{input.event.actor.id} tried to take account {input.event.accountId} out of its organization (T1562)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.action == "organizations:LeaveOrganization"
}
