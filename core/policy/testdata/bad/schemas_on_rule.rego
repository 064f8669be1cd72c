# METADATA
# title: Schemas
# custom: {severity: high, resource_types: [Test::Volume]}
package compliance.test.schemas

# METADATA
# labels: {team: x}
# schemas:
#   - input: {"$ref": "file:///etc/passwd"}
deny contains "x" if input.resource.configuration.encrypted
