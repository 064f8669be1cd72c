# METADATA
# title: EC2 instances run in a network of their own
# description: >-
#   Instances outside a VPC share the old flat network. With vpcId set, they must be in that one.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/ec2-instances-in-vpc.html]
# custom:
#   severity: medium
#   resource_types: [AWS::EC2::Instance]
#   parameters: {properties: {vpcId: {type: string}}}
#   controls: {aws-config: [ec2-instances-in-vpc]}
#   remediation: >-
#     Launch the instance again in the VPC.
package compliance.aws.ec2_instances_in_vpc

deny contains {"msg": $"instance {input.resource.resourceId} is in no VPC", "path": "/configuration/vpcId"} if {
	not in_vpc
}

deny contains {"msg": $"instance {input.resource.resourceId} is in {input.resource.configuration.vpcId}", "path": "/configuration/vpcId"} if {
	in_vpc
	input.resource.configuration.vpcId != input.parameters.vpcId
}

in_vpc if {
	id := input.resource.configuration.vpcId
	not id in {null, ""}
}
