# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

deny contains "all" if count(data.resources["Test::Bucket"]) > 5

deny contains "each" if {
	some b in data.resources["Test::Bucket"]
	b.configuration.public
}

deny contains "by wildcard" if data.resources["Test::Bucket"][_].configuration.public

deny contains "any type" if {
	some t
	data.resources[t][input.resource.resourceId].configuration.public
}

deny contains "everything" if data.resources

deny contains "other accounts" if {
	some account
	data.resources_in[account].here["Test::Bucket"].b.configuration.public
}

deny contains "one is fine" if data.resources["Test::Bucket"][input.resource.resourceId].configuration.public

deny contains "a type of its own is fine" if {
	some r in input.resource.relationships
	data.resources[r.resourceType][r.resourceId].configuration.public
}
