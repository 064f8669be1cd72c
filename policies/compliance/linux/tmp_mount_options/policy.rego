# METADATA
# title: Folders for everybody are mounted with care
# description: >-
#   Where everybody may write, device files and set-user-id programs have no business. Folders that are
#   no mounts of their own are not judged.
# custom:
#   severity: medium
#   resource_types: [Linux::Storage::Mount]
#   parameters:
#     properties:
#       mount_points: {type: array, items: {type: string}, default: [/tmp, /var/tmp, /dev/shm]}
#       options: {type: array, items: {type: string}, default: [nodev, nosuid]}
#   controls: {cis-distribution-independent-linux-2.0.0: ["1.1.3", "1.1.4", "1.1.8", "1.1.9", "1.1.15", "1.1.16"], nist-800-53-r5: [CM-7]}
#   remediation: >-
#     Add the options to the mount's line in /etc/fstab, or to its systemd unit, and run
#     `mount -o remount PATH`.
package compliance.linux.tmp_mount_options

deny contains {"msg": $"{input.resource.configuration.mountPoint} is mounted without {option}", "path": "/configuration/options"} if {
	some option in input.parameters.options
	not option in input.resource.configuration.options
}

not_applicable if not input.resource.configuration.mountPoint in input.parameters.mount_points
