# METADATA
# title: Customer policies do not allow everything
# description: >-
#   A policy that allows every action on every resource makes whoever has it an administrator. With
#   excludePermissionBoundaryPolicy set, policies that bound the rights of others are not judged.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/iam-policy-no-statements-with-admin-access.html]
# custom:
#   severity: critical
#   resource_types: [AWS::IAM::Policy]
#   requires: [/configuration/policyVersionList]
#   parameters: {properties: {excludePermissionBoundaryPolicy: {type: boolean, default: false}}}
#   controls: {aws-config: [iam-policy-no-statements-with-admin-access], cis-aws-3.0.0: ["1.16"]}
#   remediation: >-
#     Write down the actions that are needed; for administrators use the AWS managed policy, where
#     it is seen.
package compliance.aws.iam_policy_no_statements_with_admin_access

deny contains {"msg": $"policy {input.resource.configuration.policyName} allows every action on every resource", "path": $"/configuration/policyVersionList/{i}/document"} if {
	some i, version in input.resource.configuration.policyVersionList
	version.isDefaultVersion == true
	some document in list(read(version.document))
	some statement in list(document.Statement)
	statement.Effect == "Allow"
	some action in list(statement.Action)
	action in {"*", "*:*"}
	"*" in list(statement.Resource)
}

# Only what the account wrote itself is judged.
not_applicable if contains(input.resource.configuration.arn, ":iam::aws:")

not_applicable if {
	input.parameters.excludePermissionBoundaryPolicy
	input.resource.configuration.permissionsBoundaryUsageCount > 0
}

# A document is an object, a list of one, or its text, which IAM writes as in a URL.
read(x) := x if not is_string(x)

read(x) := json.unmarshal(text) if {
	is_string(x)
	some text in {x, urlquery.decode(replace(x, "+", "%2B"))}
	json.is_valid(text)
}

# A policy writes a single element without its list.
list(x) := x if is_array(x)

list(x) := [x] if not is_array(x)
