# METADATA
# title: Disks are encrypted
# custom:
#   severity: high
#   resource_types: [AWS::EC2::Volume]
package compliance.shop.typo

deny contains "the disk is not encrypted" if not input.resource.configuration.encrytped

deny contains "the disk is not encrypted" if input.resource.configuration.encrypted == "false"

deny contains $"{attachment.instanceID} uses the disk" if some attachment in input.resource.configuration.attachments
