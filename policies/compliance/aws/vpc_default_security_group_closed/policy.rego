# METADATA
# title: The default security group lets nothing through
# description: >-
#   Whatever is launched without a group lands in the default one; if it has rules, nobody chose
#   them.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/vpc-default-security-group-closed.html]
# custom:
#   severity: medium
#   resource_types: [AWS::EC2::SecurityGroup]
#   controls: {aws-config: [vpc-default-security-group-closed], cis-aws-3.0.0: ["5.4"]}
#   remediation: >-
#     Remove the inbound and outbound rules of the default group.
package compliance.aws.vpc_default_security_group_closed

deny contains {"msg": $"the default group has {count(permissions)} {direction} rules", "path": $"/configuration/{field}"} if {
	some field, direction in {"ipPermissions": "inbound", "ipPermissionsEgress": "outbound"}
	permissions := input.resource.configuration[field]
	count(permissions) > 0
}

not_applicable if input.resource.configuration.groupName != "default"
