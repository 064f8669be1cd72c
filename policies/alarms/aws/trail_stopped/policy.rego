# METADATA
# title: A CloudTrail trail was stopped, deleted or narrowed
# description: >-
#   Who turns off the record wants to do what should not be recorded. Trails are stopped or deleted
#   on purpose so rarely that each time is worth a look; event selectors that leave out management
#   events do the same more quietly.
# custom:
#   severity: critical
#   on: event
#   controls: {mitre-attack: [T1562.008]}
#   remediation: >-
#     Start the trail again, and look at what the identity did since.
package alarms.aws.trail_stopped

alarm contains {"msg": $"{input.event.actor.id} turned off CloudTrail recording with {input.event.action} (T1562.008)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:PutEventSelectors", "cloudtrail:UpdateTrail"}
	blinds(input.event)
}

blinds(event) if event.action in {"cloudtrail:StopLogging", "cloudtrail:DeleteTrail"}

blinds(event) if {
	event.action == "cloudtrail:PutEventSelectors"
	some selector in event.detail.requestParameters.eventSelectors
	narrow(selector)
}

blinds(event) if {
	event.action == "cloudtrail:UpdateTrail"
	event.detail.requestParameters.isMultiRegionTrail == false
}

# Advanced selectors take in only what one of them names.
blinds(event) if {
	event.action == "cloudtrail:PutEventSelectors"
	selectors := event.detail.requestParameters.advancedEventSelectors
	count(selectors) > 0
	not takes_management(selectors)
}

takes_management(selectors) if {
	some selector in selectors
	some field in selector.fieldSelectors
	field.field == "eventCategory"
	"Management" in field.equals
}

narrow(selector) if selector.includeManagementEvents == false

narrow(selector) if selector.readWriteType == "ReadOnly"
