# METADATA
# title: The default security group lets nothing through
# description: >-
#   Whatever is launched without a group lands in the default one; if it has rules, nobody chose
#   them.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/vpc-default-security-group-closed.html]
# custom:
#   severity: medium
#   resource_types: [AWS::EC2::SecurityGroup]
#   requires: [/configuration/ipPermissions, /configuration/ipPermissionsEgress]
#   controls: {aws-config: [vpc-default-security-group-closed], cis-aws-3.0.0: ["5.4"]}
#   remediation: >-
#     Remove the inbound and outbound rules of the default group.
package compliance.aws.vpc_default_security_group_closed

deny contains {"msg": $"the default group has {count(permissions)} inbound rules", "path": "/configuration/ipPermissions"} if {
	permissions := input.resource.configuration.ipPermissions
	count(permissions) > 0
}

deny contains {"msg": $"the default group has {count(permissions)} outbound rules", "path": "/configuration/ipPermissionsEgress"} if {
	permissions := input.resource.configuration.ipPermissionsEgress
	count(permissions) > 0
}

not_applicable if input.resource.configuration.groupName != "default"
