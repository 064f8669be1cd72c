# METADATA
# title: Bare
# custom: {severity: high, resource_types: [Test::Volume]}
package compliance.test.bare

deny if not input.resource.configuration.encrypted
