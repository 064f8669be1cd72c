# METADATA
# title: RDS snapshots are not public
# description: >-
#   A snapshot shared with all accounts is the whole database, for anyone to restore.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-snapshots-public-prohibited.html]
# custom:
#   severity: critical
#   resource_types: [AWS::RDS::DBSnapshot, AWS::RDS::DBClusterSnapshot]
#   controls: {aws-config: [rds-snapshots-public-prohibited]}
#   remediation: >-
#     Take the permission of all accounts from the snapshot.
package compliance.aws.rds_snapshots_public_prohibited

deny contains {"msg": $"snapshot {input.resource.resourceId} may be restored by any account", "path": $"/supplementaryConfiguration/DBSnapshotAttributes/{i}"} if {
	input.resource.resourceType == "AWS::RDS::DBSnapshot"
	some i, attribute in input.resource.supplementaryConfiguration.DBSnapshotAttributes
	attribute.attributeName == "restore"
	"all" in attribute.attributeValues
}

deny contains {"msg": $"cluster snapshot {input.resource.resourceId} may be restored by any account", "path": $"/supplementaryConfiguration/DBClusterSnapshotAttributes/{i}"} if {
	input.resource.resourceType == "AWS::RDS::DBClusterSnapshot"
	some i, attribute in input.resource.supplementaryConfiguration.DBClusterSnapshotAttributes
	attribute.attributeName == "restore"
	"all" in attribute.attributeValues
}
