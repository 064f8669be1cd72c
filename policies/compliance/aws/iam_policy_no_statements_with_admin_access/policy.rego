# METADATA
# title: Customer policies do not allow everything
# description: >-
#   A policy that allows every action on every resource makes whoever has it an administrator.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/iam-policy-no-statements-with-admin-access.html]
# custom:
#   severity: critical
#   resource_types: [AWS::IAM::Policy]
#   controls: {aws-config: [iam-policy-no-statements-with-admin-access], cis-aws-3.0.0: ["1.16"]}
#   remediation: >-
#     Write down the actions that are needed; for administrators use the AWS managed policy, where
#     it is seen.
package compliance.aws.iam_policy_no_statements_with_admin_access

deny contains {"msg": $"policy {input.resource.configuration.policyName} allows every action on every resource", "path": $"/configuration/policyVersionList/{i}/document"} if {
	some i, version in input.resource.configuration.policyVersionList
	version.isDefaultVersion
	some document in list(version.document)
	some statement in list(document.Statement)
	statement.Effect == "Allow"
	"*" in list(statement.Action)
	"*" in list(statement.Resource)
}

# A policy writes a single element without its list.
list(x) := x if is_array(x)

list(x) := [x] if not is_array(x)
