# METADATA
# title: Parameters
# custom:
#   severity: low
#   resource_types: [Test::Volume]
#   parameters:
#     properties:
#       days: {type: integer, default: five}
#       name: {type: string}
#     required: [name]
package compliance.test.parameters

deny contains "x" if input.parameters.day > 5
