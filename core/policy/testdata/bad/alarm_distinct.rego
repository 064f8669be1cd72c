# METADATA
# title: Alarm
# custom: {severity: high, on: event, window: {count: 5, within: 10m, distinct: true}}
package alarms.test.distinct

alarm contains {"msg": "m"} if input.event.action == "x"

alarm contains {"msg": "m", "value": input.event.region} if input.event.action == "x"
