# METADATA
# title: Parameters
# custom:
#   severity: low
#   resource_types: [Test::Volume]
#   parameters:
#     properties:
#       days: {type: intger, default: 5}
package compliance.test.parameters

deny contains "x" if input.parameters.days > 5
