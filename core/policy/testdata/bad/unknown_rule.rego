# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

import data.lib.thing

deny contains "a" if thing.ok

deny contains "b" if data.compliance.test.volume.helpr

helper if input.resource.configuration.encrypted

deny contains "c" if data.inventory.things
