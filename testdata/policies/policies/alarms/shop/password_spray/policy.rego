# METADATA
# title: One address tries the passwords of many users
# custom:
#   severity: high
#   on: event
#   window: {count: 3, within: 10m, distinct: true}
#   controls: {mitre-attack: [T1110.003]}
package alarms.shop.password_spray

alarm contains {
	"msg": $"{input.event.origin.address} tries the passwords of many users",
	"key": input.event.origin.address,
	"value": input.event.actor.name,
} if {
	input.event.source == "aws.cloudtrail"
	input.event.action == "signin:ConsoleLogin"
	input.event.outcome == "failure"
}
