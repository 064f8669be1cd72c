# METADATA
# title: ""
# related_resources: [not-a-link]
# custom:
#   severity: urgent
#   resource_types: ["AWS::*", plain, Test::Volume, Test::Volume]
#   requires: [configuration/encrypted, /configuration/encrytped]
#   controls: [a]
#   schedule: soon
#   reads_all: []
#   remediation: [x]
#   parameters: {days: {type: integer}}
package compliance.test.values

deny contains "x"
