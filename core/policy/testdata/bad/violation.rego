# METADATA
# title: From elsewhere
# custom: {severity: high, resource_types: [Test::Volume]}
package compliance.test.violation

violation contains {"msg": "bad"} if not input.resource.configuration.encrypted
