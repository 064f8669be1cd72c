# METADATA
# title: Many secrets read by one identity
# description: >-
#   An application reads the few secrets it needs. One identity that reads many different ones
#   within minutes, or asks for them in batches, is emptying the store.
# custom:
#   severity: high
#   on: event
#   window: {count: 5, within: 5m, distinct: true}
#   controls: {mitre-attack: [T1555.006]}
#   remediation: >-
#     Rotate the secrets that were read, then the credentials of the identity.
package alarms.aws.secrets_read_burst

alarm contains {"msg": $"{input.event.actor.id} reads many secrets (T1555.006)", "value": secret} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"}
	some secret in secrets
}

request := input.event.detail.requestParameters

secrets contains request.secretId

secrets contains id if some id in request.secretIdList

# A batch that is asked for by a filter does not say which secrets it gave.
secrets contains input.event.id if {
	not request.secretId
	not request.secretIdList
}
