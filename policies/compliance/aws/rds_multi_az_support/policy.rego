# METADATA
# title: RDS instances run in several zones
# description: >-
#   An instance in one zone is down when its zone is. Aurora keeps its copies in the cluster and is
#   not judged here.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-multi-az-support.html]
# custom:
#   severity: medium
#   resource_types: [AWS::RDS::DBInstance]
#   controls: {aws-config: [rds-multi-az-support]}
#   remediation: >-
#     Modify the instance to Multi-AZ.
package compliance.aws.rds_multi_az_support

deny contains {"msg": $"database {input.resource.resourceId} runs in {input.resource.configuration.availabilityZone} alone", "path": "/configuration/multiAZ"} if {
	not input.resource.configuration.multiAZ
}

not_applicable if startswith(input.resource.configuration.engine, "aurora")
