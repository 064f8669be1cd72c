# METADATA
# title: Services run the program that is installed
# description: >-
#   After an upgrade, a service that was not restarted still runs the old program, with the holes that
#   the upgrade closed. A program that was removed while it runs may be hiding.
# custom:
#   severity: medium
#   resource_types: [Linux::Process::Process]
#   requires: [/configuration/executable]
#   controls: {nist-800-53-r5: [SI-2], mitre-attack: [T1070.004]}
#   remediation: Restart the service; where nothing was upgraded, find out what the program is.
package compliance.linux.outdated_process

deny contains {"msg": $"{input.resource.configuration.name} runs {input.resource.configuration.executable}, which was replaced or removed since it was started", "path": "/configuration/replaced"} if {
	input.resource.configuration.replaced
}
