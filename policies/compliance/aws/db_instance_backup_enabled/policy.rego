# METADATA
# title: RDS instances are backed up
# description: >-
#   Without automatic backups there is no way back from a mistake. With backupRetentionMinimum set,
#   backups must be kept for at least so many days; with backupRetentionPeriod set, for exactly so
#   many; with preferredBackupWindow set, they must be made then.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/db-instance-backup-enabled.html]
# custom:
#   severity: high
#   resource_types: [AWS::RDS::DBInstance]
#   requires: [/configuration/backupRetentionPeriod]
#   parameters: {properties: {backupRetentionPeriod: {type: integer, minimum: 1}, preferredBackupWindow: {type: string}, backupRetentionMinimum: {type: integer, minimum: 1, default: 1}, checkReadReplicas: {type: boolean, default: false}}}
#   controls: {aws-config: [db-instance-backup-enabled]}
#   remediation: >-
#     Set the backup retention period of the instance.
package compliance.aws.db_instance_backup_enabled

deny contains {"msg": $"backups of {input.resource.resourceId} are kept for {days} days; at least {input.parameters.backupRetentionMinimum} are wanted", "path": "/configuration/backupRetentionPeriod"} if {
	days := input.resource.configuration.backupRetentionPeriod
	days < input.parameters.backupRetentionMinimum
}

deny contains {"msg": $"backups of {input.resource.resourceId} are kept for {days} days; {input.parameters.backupRetentionPeriod} are wanted", "path": "/configuration/backupRetentionPeriod"} if {
	days := input.resource.configuration.backupRetentionPeriod
	days != input.parameters.backupRetentionPeriod
}

deny contains {"msg": $"{input.resource.resourceId} is backed up at {input.resource.configuration.preferredBackupWindow}; {wanted} is wanted", "path": "/configuration/preferredBackupWindow"} if {
	wanted := input.parameters.preferredBackupWindow
	not input.resource.configuration.preferredBackupWindow == wanted
}

not_applicable if {
	not input.parameters.checkReadReplicas
	source := input.resource.configuration.readReplicaSourceDBInstanceIdentifier
	not source in {null, ""}
}
