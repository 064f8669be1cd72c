# METADATA
# title: Encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume, Test::Bucket]
#   requires: [/configuration/public, /configuration/pubic]
package compliance.test.several

deny contains "in all" if not input.resource.configuration.encrypted

deny contains "in one" if input.resource.configuration.public

deny contains "in none" if input.resource.configuration.publc
