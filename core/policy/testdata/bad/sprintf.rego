# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

deny contains sprintf("%s is not encrypted", [input.resource.resourceId]) if not input.resource.configuration.encrypted

deny contains msg if {
	not input.resource.configuration.encrypted
	msg := sprintf("%s is not encrypted", [input.resource.resourceId])
}

deny contains {"msg": concat(" ", ["a", sprintf("%d", [1])])}

deny contains {"msg": describe(input.resource)}

describe(r) := sprintf("%s", [r.resourceId])

deny contains $"templates {sprintf("%v", [1])}"

deny contains {"msg": "details may", "details": sprintf("%d", [1])}

deny contains "and conditions" if sprintf("%d", [input.resource.configuration.size]) == "5"
