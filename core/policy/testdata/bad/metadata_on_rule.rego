package compliance.test.misplaced

# METADATA
# title: Misplaced
# custom: {severity: high, resource_types: [Test::Volume]}
deny contains "x"
