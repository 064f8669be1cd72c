# METADATA
# title: A database snapshot was shared outside the account
# description: >-
#   Who restores a shared snapshot in an account of their own has the whole database.
# custom:
#   severity: critical
#   on: event
#   controls: {mitre-attack: [T1537]}
#   remediation: >-
#     Take the permission back, and rotate credentials that the database holds.
package alarms.aws.database_snapshot_shared

alarm contains {"msg": $"{input.event.actor.id} shared a database snapshot with {receiver} (T1537)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"rds:ModifyDBSnapshotAttribute", "rds:ModifyDBClusterSnapshotAttribute"}
	input.event.detail.requestParameters.attributeName == "restore"
	some receiver in input.event.detail.requestParameters.valuesToAdd
}
