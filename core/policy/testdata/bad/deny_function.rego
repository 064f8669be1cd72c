# METADATA
# title: Function
# custom: {severity: high, resource_types: [Test::Volume]}
package compliance.test.function

deny(x) := x
