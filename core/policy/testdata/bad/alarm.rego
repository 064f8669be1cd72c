# METADATA
# title: Alarm
# custom:
#   severity: high
#   on: metric
#   window: {count: 0, within: 10, times: 5}
#   lateness: -5m
#   resource_types: [Test::Volume]
package alarms.test.alarm

alarm contains {"msg": "m", "path": "/x"} if input.event.acter.id == "x"

not_applicable if input.event.action == "x"

alarm contains {"msg": "eventName is below detail"} if input.event.eventName == "X"

alarm contains {"msg": "fine"} if input.event.detail.anything.goes
