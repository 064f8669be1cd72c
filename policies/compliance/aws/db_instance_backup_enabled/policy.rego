# METADATA
# title: RDS instances are backed up
# description: >-
#   Without automatic backups there is no way back from a mistake. With backupRetentionMinimum set,
#   backups must be kept for at least so many days.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/db-instance-backup-enabled.html]
# custom:
#   severity: high
#   resource_types: [AWS::RDS::DBInstance]
#   requires: [/configuration/backupRetentionPeriod]
#   parameters: {properties: {backupRetentionMinimum: {type: integer, minimum: 1, default: 1}, checkReadReplicas: {type: boolean, default: false}}}
#   controls: {aws-config: [db-instance-backup-enabled]}
#   remediation: >-
#     Set the backup retention period of the instance.
package compliance.aws.db_instance_backup_enabled

deny contains {"msg": $"backups of {input.resource.resourceId} are kept for {days} days; at least {input.parameters.backupRetentionMinimum} are wanted", "path": "/configuration/backupRetentionPeriod"} if {
	days := input.resource.configuration.backupRetentionPeriod
	days < input.parameters.backupRetentionMinimum
}

deny contains {"msg": $"replica {input.resource.resourceId} is not backed up", "path": "/configuration/backupRetentionPeriod"} if {
	input.parameters.checkReadReplicas
	input.resource.configuration.readReplicaSourceDBInstanceIdentifier
	input.resource.configuration.backupRetentionPeriod == 0
}

not_applicable if {
	not input.parameters.checkReadReplicas
	input.resource.configuration.readReplicaSourceDBInstanceIdentifier
}
