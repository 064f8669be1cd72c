# METADATA
# title: A role was opened to another account, or to a foreign certificate authority
# description: >-
#   A trust policy that names another account lets it come back at any time, without a key to find
#   and delete. A trust anchor of IAM Roles Anywhere does the same by certificate.
# custom:
#   severity: critical
#   on: event
#   controls: {mitre-attack: [T1098.001, T1098.003]}
#   remediation: >-
#     Put the trust policy back, and look for sessions of the role.
package alarms.aws.foreign_trust

alarm contains {"msg": $"{input.event.actor.id} opened account {input.event.accountId} to {foreign} (T1098)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	some foreign in foreigners
}

foreigners contains principal if {
	input.event.action in {"iam:UpdateAssumeRolePolicy", "iam:CreateRole"}
	request := input.event.detail.requestParameters
	some field in {"policyDocument", "assumeRolePolicyDocument"}
	json.is_valid(request[field])
	document := json.unmarshal(request[field])
	some statement in list(document.Statement)
	statement.Effect == "Allow"
	some principal in principals(statement.Principal)
	not contains(principal, input.event.accountId)
}

foreigners contains $"the certificate authority {input.event.detail.requestParameters.name}" if {
	input.event.action == "rolesanywhere:CreateTrustAnchor"
}

principals("*") := ["*"]

principals(x) := list(x.AWS)

# IAM writes a single element without its list.
list(x) := x if is_array(x)

list(x) := [x] if not is_array(x)
