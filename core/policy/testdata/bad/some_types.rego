# METADATA
# title: Encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume, Test::Bucket, Test::Unknown]
package compliance.test.several

deny contains "in all" if not input.resource.configuration.encrypted

deny contains "in the unknown one perhaps" if input.resource.configuration.whatever

deny contains "in one and the unknown one" if input.resource.configuration.public

deny contains "in the one that is meant" if {
	input.resource.resourceType == "Test::Bucket"
	input.resource.configuration.public
}

deny contains "not in the one that is meant" if {
	"Test::Volume" == input.resource.resourceType
	input.resource.configuration.public
}
