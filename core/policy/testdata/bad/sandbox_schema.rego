# METADATA
# title: Schemas
# custom: {severity: high, resource_types: [Test::Volume]}
package compliance.test.schemas

deny contains "x" if json.match_schema(input.resource, {"$ref": "file:///etc/passwd"})[0]

deny contains "y" if crypto.x509.parse_and_verify_certificates("x")[0]
