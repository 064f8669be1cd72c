# METADATA
# title: RDS instances run in several zones
# description: >-
#   An instance in one zone is down when its zone is. Aurora, DocumentDB and Neptune
#   keep their copies in the cluster and are not judged here.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-multi-az-support.html]
# custom:
#   severity: medium
#   resource_types: [AWS::RDS::DBInstance]
#   requires: [/configuration/multiAZ]
#   controls: {aws-config: [rds-multi-az-support]}
#   remediation: >-
#     Modify the instance to Multi-AZ.
package compliance.aws.rds_multi_az_support

deny contains {"msg": $"database {input.resource.resourceId} runs in {input.resource.configuration.availabilityZone} alone", "path": "/configuration/multiAZ"} if {
	not input.resource.configuration.multiAZ == true
}

not_applicable if {
	some family in {"aurora", "docdb", "neptune"}
	startswith(input.resource.configuration.engine, family)
}
