# METADATA
# title: VPC flow logs were deleted
# description: >-
#   Flow logs are the record of who talked to whom. They are deleted with their network, or to hide
#   traffic.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1562.008]}
#   remediation: >-
#     Create the flow logs again.
package alarms.aws.flow_logs_deleted

alarm contains {"msg": $"{input.event.actor.id} deleted VPC flow logs (T1562.008)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action == "ec2:DeleteFlowLogs"
}
