# METADATA
# title: EC2 instances serve metadata by IMDSv2 alone
# description: >-
#   Version 1 of the metadata service hands out the role's credentials to whoever makes the instance
#   fetch a URL. An instance whose metadata service is off answers neither version.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/ec2-imdsv2-check.html]
# custom:
#   severity: high
#   resource_types: [AWS::EC2::Instance]
#   requires: [/configuration/metadataOptions/httpTokens]
#   controls: {aws-config: [ec2-imdsv2-check], cis-aws-3.0.0: ["5.6"]}
#   remediation: >-
#     Run aws ec2 modify-instance-metadata-options with --http-tokens required.
package compliance.aws.ec2_imdsv2_check

deny contains {"msg": $"instance {input.resource.resourceId} still answers IMDSv1", "path": "/configuration/metadataOptions/httpTokens"} if {
	input.resource.configuration.metadataOptions.httpTokens != "required"
	not input.resource.configuration.metadataOptions.httpEndpoint == "disabled"
}
