# METADATA
# titel: Misspelt
# severity: high
# schemas:
#   - input: schema.x
# labels: {team: [a]}
# custom:
#   resource_type: [Test::Volume]
#   sevrity: high
#   title: here
#   window: {count: 1, within: 1m}
#   colour: red
package compliance.test.keys

deny contains "x"
