# METADATA
# title: EBS volumes in use are encrypted
# description: >-
#   An unencrypted volume exposes its data to whoever gets at the disk or a snapshot of it. With
#   kmsId set, the volume must be encrypted with that key. Volumes that no instance uses are not
#   judged.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/encrypted-volumes.html]
# custom:
#   severity: high
#   resource_types: [AWS::EC2::Volume]
#   requires: [/configuration/encrypted]
#   parameters: {properties: {kmsId: {type: string}}}
#   controls: {aws-config: [encrypted-volumes], cis-aws-3.0.0: ["2.2.1"], pci-dss-4.0: ["3.5.1"]}
#   remediation: >-
#     Take a snapshot, copy it with encryption, make a volume from the copy and swap the two. Turn
#     on encryption by default for the region.
package compliance.aws.encrypted_volumes

deny contains {"msg": $"volume {input.resource.resourceId} is not encrypted", "path": "/configuration/encrypted"} if {
	not input.resource.configuration.encrypted == true
}

deny contains {"msg": $"volume {input.resource.resourceId} is encrypted with {input.resource.configuration.kmsKeyId}", "path": "/configuration/kmsKeyId"} if {
	input.resource.configuration.encrypted == true
	wanted := input.parameters.kmsId
	not is_key(wanted)
}

not_applicable if not attached

attached if some _ in input.resource.configuration.attachments

# The key may be written as its ARN or as its id alone, here and there.
is_key(wanted) if {
	key := input.resource.configuration.kmsKeyId
	is_string(key)
	regex.replace(key, `^.*/`, "") == regex.replace(wanted, `^.*/`, "")
}
