# METADATA
# title: Map
# custom: {severity: high, resource_types: [Test::Volume]}
package compliance.test.map

deny.high contains "x"

not_applicable contains "y"

default not_applicable := "no"
