# METADATA
# title: Remote administration was opened to the whole internet
# description: >-
#   A rule that lets any address reach SSH or RDP is found by scanners within minutes.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1562.007, T1048]}
#   remediation: >-
#     Revoke the rule; use Session Manager or a bastion with known addresses.
package alarms.aws.security_group_opened

alarm contains {"msg": $"{input.event.actor.id} opened remote administration in {input.event.detail.requestParameters.groupId} to everyone (T1562.007)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action == "ec2:AuthorizeSecurityGroupIngress"
	some rule in rules
	open_to_all(rule)
	some port in {22, 3389}
	reaches(rule, port)
}

# The request comes in two forms: one rule beside the group's id, or a list of permissions.
rules contains input.event.detail.requestParameters if input.event.detail.requestParameters.cidrIp

rules contains rule if some rule in input.event.detail.requestParameters.ipPermissions.items

# A range of prefix length 0 is everyone, whatever address stands before the slash.
open_to_all(rule) if endswith(rule.cidrIp, "/0")

open_to_all(rule) if {
	some range in rule.ipRanges.items
	endswith(range.cidrIp, "/0")
}

open_to_all(rule) if {
	some range in rule.ipv6Ranges.items
	endswith(range.cidrIpv6, "/0")
}

reaches(rule, _) if rule.ipProtocol == "-1"

reaches(rule, port) if {
	rule.fromPort <= port
	rule.toPort >= port
}
