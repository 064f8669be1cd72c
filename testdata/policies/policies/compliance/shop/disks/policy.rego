# METADATA
# title: Disks are encrypted, not too large, and of the team that uses them
# custom:
#   severity: high
#   resource_types: [AWS::EC2::Volume]
#   requires: [/configuration/encrypted]
#   parameters: {properties: {maxSize: {type: integer, minimum: 1, default: 500}}}
#   remediation: Copy the disk with encryption, and tag it with the team of its instance.
package compliance.shop.disks

deny contains {"msg": $"disk {input.resource.resourceId} is not encrypted", "path": "/configuration/encrypted"} if {
	not input.resource.configuration.encrypted == true
}

deny contains {"msg": $"disk {input.resource.resourceId} has {size} GiB, {input.parameters.maxSize} are allowed", "path": "/configuration/size"} if {
	size := input.resource.configuration.size
	size > input.parameters.maxSize
}

deny contains {"msg": $"{attachment.instanceId} is of team {team}, its disk of {input.resource.tags.team}", "path": $"/configuration/attachments/{i}"} if {
	some i, attachment in input.resource.configuration.attachments
	team := data.resources["AWS::EC2::Instance"][attachment.instanceId].tags.team
	not input.resource.tags.team == team
}

not_applicable if input.resource.tags.purpose == "scratch"
