# METADATA
# title: Large or GPU instances launched by an unusual request
# description: >-
#   Stolen credentials are turned into money on GPU and very large instances. A request for them
#   that nobody planned, refused or not, should be looked at.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1496, T1578.002]}
#   remediation: >-
#     Limit instance types by a service control policy, and look for instances in regions that are
#     not used.
package alarms.aws.unusual_instance_launch

alarm contains {"msg": $"{input.event.actor.id} asked for {input.event.detail.requestParameters.instanceType} instances (T1496)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.action == "ec2:RunInstances"
	unusual(input.event.detail.requestParameters.instanceType)
}

unusual(kind) if regex.match(`^(p|g|inf|trn|dl|vt)[0-9]`, kind)

# From 16xlarge on, and whole machines.
unusual(kind) if regex.match(`\.(metal.*|(1[6-9]|[2-9][0-9]|[0-9]{3,})xlarge)$`, kind)
