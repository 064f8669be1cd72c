# METADATA
# title: Parameters
# custom:
#   severity: low
#   resource_types: [Test::Volume]
#   parameters:
#     properties:
#       name: {type: string}
#     required: [name]
package compliance.test.parameters

deny contains "x" if input.parameters.name == "x"
