# METADATA
# title: Subnets give no public addresses by themselves
# description: >-
#   In such a subnet every instance is on the internet unless somebody remembers to say otherwise.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/subnet-auto-assign-public-ip-disabled.html]
# custom:
#   severity: medium
#   resource_types: [AWS::EC2::Subnet]
#   requires: [/configuration/mapPublicIpOnLaunch]
#   controls: {aws-config: [subnet-auto-assign-public-ip-disabled]}
#   remediation: >-
#     Turn off auto-assignment of public addresses in the subnet.
package compliance.aws.subnet_auto_assign_public_ip_disabled

deny contains {"msg": $"subnet {input.resource.resourceId} gives every instance a public address", "path": "/configuration/mapPublicIpOnLaunch"} if {
	input.resource.configuration.mapPublicIpOnLaunch
}
