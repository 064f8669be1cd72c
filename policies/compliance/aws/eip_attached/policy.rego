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
	not instance
	not interface
}

deny contains {"msg": $"address {input.resource.configuration.publicIp} is attached to the interface {interface}, which nothing uses", "path": "/configuration/networkInterfaceId"} if {
	not instance
	data.resources["AWS::EC2::NetworkInterface"][interface].configuration.status == "available"
}

instance := id if {
	id := input.resource.configuration.instanceId
	not id in {null, ""}
}

interface := id if {
	id := input.resource.configuration.networkInterfaceId
	not id in {null, ""}
}
