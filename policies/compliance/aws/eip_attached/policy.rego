# METADATA
# title: Elastic addresses are attached
# description: >-
#   An address that nothing uses costs money and is forgotten in allow lists.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/eip-attached.html]
# custom:
#   severity: low
#   resource_types: [AWS::EC2::EIP]
#   controls: {aws-config: [eip-attached]}
#   remediation: >-
#     Attach the address or release it.
package compliance.aws.eip_attached

deny contains {"msg": $"address {input.resource.configuration.publicIp} is attached to nothing", "path": "/configuration/associationId"} if {
	not input.resource.configuration.instanceId
	not input.resource.configuration.networkInterfaceId
}
