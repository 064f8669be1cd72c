# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

import data.lib.unused

deny contains "x" if {
	y := input.resource.configuration.size
	not z
}

deny contains input if true
