# METADATA
# title: RDS snapshots are encrypted
# description: >-
#   Whoever restores an unencrypted snapshot has the data.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-snapshot-encrypted.html]
# custom:
#   severity: high
#   resource_types: [AWS::RDS::DBSnapshot, AWS::RDS::DBClusterSnapshot]
#   controls: {aws-config: [rds-snapshot-encrypted]}
#   remediation: >-
#     Copy the snapshot with encryption and delete the original.
package compliance.aws.rds_snapshot_encrypted

deny contains {"msg": $"snapshot {input.resource.resourceId} is not encrypted", "path": "/configuration/encrypted"} if {
	input.resource.resourceType == "AWS::RDS::DBSnapshot"
	not input.resource.configuration.encrypted == true
}

deny contains {"msg": $"cluster snapshot {input.resource.resourceId} is not encrypted", "path": "/configuration/storageEncrypted"} if {
	input.resource.resourceType == "AWS::RDS::DBClusterSnapshot"
	not input.resource.configuration.storageEncrypted == true
}
