# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

c := input.resource.configuration

deny contains "through a rule" if c.encrytped

deny contains "through a variable" if {
	conf := input.resource.configuration
	conf.sise > 5
}

deny contains $"in a message {input.resource.configuration.stat}"

deny contains "in object.get" if object.get(input.resource, ["configuration", "encryptd"], false)

deny contains "in a loop" if {
	some a in input.resource.configuration.attachments
	a.instanceID == "i-1"
}

deny contains "in every" if {
	every a in input.resource.configuration.attachments {
		a.instance == "i-1"
	}
}

deny contains "in a comprehension" if count({a.devise | some a in input.resource.configuration.attachments}) > 0

deny contains "in a function" if small(input.resource.configuration)

small(conf) if conf.seize < 5

deny contains "in previous" if input.previous.configuration.encryptd

deny contains {"msg": "in a path", "path": "/configuration/encrypt"}

deny contains "under resource" if input.resource.configuraton.encrypted

deny contains "under input" if input.resorce.configuration.encrypted

deny contains "down a recursive type" if input.resource.configuration.parent.next.next.nam

deny contains "in a union" if input.resource.configuration.source.snapshotID

deny contains "in allOf" if input.resource.configuration.limits.ipos

deny contains "below text" if input.resource.configuration.state.name

deny contains "in another rule's elements" if {
	some a in attached
	a.divice == "/dev/sda"
}

attached contains a if some a in input.resource.configuration.attachments

deny contains "in another resource" if {
	data.resources["Test::Bucket"]["b"].configuration.publik
}

deny contains "parameter" if input.parameters.days

deny contains {"msg": "in a path with a variable", "path": $"/configuration/atachments/{i}"} if {
	some i, _ in input.resource.configuration.attachments
}

deny contains {"msg": "in a path that is a variable", "path": at} if {
	some i, _ in input.resource.configuration.attachments
	path := $"/configuration/atachments/{i}"
	at := path
}

deny contains {"msg": "in a path that is not known here", "path": at} if {
	path := concat("/", ["", input.resource.resourceId])
	at := path
}
