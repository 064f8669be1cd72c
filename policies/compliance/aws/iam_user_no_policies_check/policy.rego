# METADATA
# title: IAM users have no policies of their own
# description: >-
#   Rights that hang on users are forgotten when people change jobs; they belong to groups and
#   roles.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/iam-user-no-policies-check.html]
# custom:
#   severity: low
#   resource_types: [AWS::IAM::User]
#   controls: {aws-config: [iam-user-no-policies-check], cis-aws-3.0.0: ["1.15"]}
#   remediation: >-
#     Move the policies to a group, and put the user in it.
package compliance.aws.iam_user_no_policies_check

deny contains {"msg": $"user {input.resource.configuration.userName} has the policy {policy.policyName} in line", "path": $"/configuration/userPolicyList/{i}"} if {
	some i, policy in input.resource.configuration.userPolicyList
}

deny contains {"msg": $"user {input.resource.configuration.userName} has the policy {policy.policyName} attached", "path": $"/configuration/attachedManagedPolicies/{i}"} if {
	some i, policy in input.resource.configuration.attachedManagedPolicies
}
