# METADATA
# title: No systemd unit has failed
# description: >-
#   A failed unit is a service that is not there, a backup that was not made, or a timer that will not
#   run again. Units whose state is not known, as where systemd does not run, are not judged.
# custom:
#   severity: medium
#   resource_types: [Linux::Systemd::Unit]
#   controls: {nist-800-53-r5: [SI-13]}
#   remediation: >-
#     Look at `systemctl status NAME` and `journalctl -u NAME`, repair the cause, and start the unit.
package compliance.linux.failed_unit

deny contains {"msg": $"{input.resource.configuration.unit} has failed: {reason}", "path": "/configuration/activeState"} if {
	input.resource.configuration.failed
	reason := object.get(input.resource.configuration, "result", "no reason is known")
}

not_applicable if not input.resource.configuration.activeState
