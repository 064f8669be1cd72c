# METADATA
# title: RDS instances store their data encrypted
# description: >-
#   Storage, backups and replicas of an unencrypted instance are readable by whoever gets at them.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-storage-encrypted.html]
# custom:
#   severity: high
#   resource_types: [AWS::RDS::DBInstance]
#   controls: {aws-config: [rds-storage-encrypted], cis-aws-3.0.0: ["2.3.1"]}
#   remediation: >-
#     Copy a snapshot with encryption and restore it.
package compliance.aws.rds_storage_encrypted

deny contains {"msg": $"database {input.resource.resourceId} is not encrypted", "path": "/configuration/storageEncrypted"} if {
	not input.resource.configuration.storageEncrypted
}
