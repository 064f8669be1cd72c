# METADATA
# title: Volumes are encrypted
# custom:
#   severity: high
#   resource_types: [Test::Volume]
package compliance.test.volume

deny contains "size is a number" if input.resource.configuration.size == "5"

deny contains "encrypted is a boolean" if input.resource.configuration.encrypted == "true"

deny contains "state is text" if input.resource.configuration.state in {1, 2}

deny contains "devices are texts" if 5 in [a.device | some a in input.resource.configuration.attachments]

deny contains "state is never null" if input.resource.configuration.state == null

deny contains "key may be null" if input.resource.configuration.kmsKeyId == null

deny contains "argument" if startswith(input.resource.configuration.size, "1")

deny contains "whole objects differ in more" if input.resource.configuration.attachments == [{"instanceId": "i-1"}]
