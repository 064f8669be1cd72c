# METADATA
# title: An image or a disk snapshot was shared outside the account
# description: >-
#   Sharing an image or snapshot with another account, or with everyone, copies the disk out without
#   moving a byte over the network.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1537]}
#   remediation: >-
#     Take the permission back, and treat what is on the disk as known to the other account.
package alarms.aws.image_or_snapshot_shared

alarm contains {"msg": $"{input.event.actor.id} shared an image or snapshot with {receiver} (T1537)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"ec2:ModifyImageAttribute", "ec2:ModifySnapshotAttribute"}
	some kind in {"launchPermission", "createVolumePermission"}
	some grant in input.event.detail.requestParameters[kind].add.items
	receiver := object.get(grant, "userId", object.get(grant, "group", "someone"))
	receiver != input.event.accountId
}
