# METADATA
# title: RDS instances are not reachable from the internet
# description: >-
#   A publicly accessible instance has an address outside the network, and only its security group
#   stands before it.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-instance-public-access-check.html]
# custom:
#   severity: critical
#   resource_types: [AWS::RDS::DBInstance]
#   requires: [/configuration/publiclyAccessible]
#   controls: {aws-config: [rds-instance-public-access-check], cis-aws-3.0.0: ["2.3.3"]}
#   remediation: >-
#     Modify the instance to be private, and reach it through the network.
package compliance.aws.rds_instance_public_access_check

deny contains {"msg": $"database {input.resource.resourceId} is publicly accessible", "path": "/configuration/publiclyAccessible"} if {
	input.resource.configuration.publiclyAccessible
}
