# METADATA
# title: User data of instances read in numbers
# description: >-
#   Start-up scripts in user data often hold secrets. Consoles read them one at a time; a row of
#   them within minutes is discovery.
# custom:
#   severity: medium
#   on: event
#   window: {count: 10, within: 10m, distinct: true}
#   controls: {mitre-attack: [T1580, T1552.005]}
#   remediation: >-
#     Move secrets out of user data, and require IMDSv2.
package alarms.aws.user_data_burst

alarm contains {"msg": $"{input.event.actor.id} reads the user data of many instances (T1580)", "value": input.event.detail.requestParameters.instanceId} if {
	input.event.source == "aws.cloudtrail"
	input.event.action == "ec2:DescribeInstanceAttribute"
	input.event.detail.requestParameters.attribute == "userData"
}
