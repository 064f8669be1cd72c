# METADATA
# title: Alarm
# custom: {severity: high, on: event}
package alarms.test.deny

deny contains {"msg": "m"} if input.event.action == "x"
