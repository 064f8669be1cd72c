# METADATA
# title: EC2 instances have no public address
# description: >-
#   An instance with a public address is reachable as soon as its security group says so.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/ec2-instance-no-public-ip.html]
# custom:
#   severity: medium
#   resource_types: [AWS::EC2::Instance]
#   controls: {aws-config: [ec2-instance-no-public-ip]}
#   remediation: >-
#     Put the instance behind a load balancer or a NAT gateway in a private subnet.
package compliance.aws.ec2_instance_no_public_ip

deny contains {"msg": $"instance {input.resource.resourceId} has the public address {address}", "path": "/configuration/publicIpAddress"} if {
	address := input.resource.configuration.publicIpAddress
	not address in {null, ""}
}

# Interfaces beside the first one have addresses of their own.
deny contains {"msg": $"instance {input.resource.resourceId} has the public address {address}", "path": $"/configuration/networkInterfaces/{i}"} if {
	some i, interface in input.resource.configuration.networkInterfaces
	some private in interface.privateIpAddresses
	address := private.association.publicIp
	not address in {null, ""}
	not address == input.resource.configuration.publicIpAddress
}
