# METADATA
# title: An SSH key was pushed to an instance
# description: >-
#   EC2 Instance Connect and the serial console take a public key for a minute and let its owner in.
#   One push is an administrator; the serial console, or several instances in a row, is lateral
#   movement.
# custom:
#   severity: medium
#   on: event
#   controls: {mitre-attack: [T1021.004, T1098.004]}
#   remediation: >-
#     Limit ec2-instance-connect by tags and source address, and keep the serial console off.
package alarms.aws.instance_key_pushed

alarm contains {"msg": $"{input.event.actor.id} got into an instance with {input.event.action} (T1021.004)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"ec2-instance-connect:SendSSHPublicKey", "ec2-instance-connect:SendSerialConsoleSSHPublicKey", "ec2:EnableSerialConsoleAccess"}
}
