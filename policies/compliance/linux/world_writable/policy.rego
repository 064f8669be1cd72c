# METADATA
# title: Not everybody may write to a file
# description: >-
#   Whoever may write to a configuration file, a script or a folder of them decides what others run.
#   Folders with the sticky bit, such as /tmp, are meant for everybody.
# custom:
#   severity: high
#   resource_types: [Linux::File::File]
#   controls: {cis-distribution-independent-linux-2.0.0: ["6.1.10"], nist-800-53-r5: [AC-3, AC-6]}
#   remediation: Run `chmod o-w PATH`; for a folder that everybody needs, `chmod +t PATH`.
package compliance.linux.world_writable

deny contains {"msg": $"everybody may write to {input.resource.configuration.path} (mode {input.resource.configuration.mode})", "path": "/configuration/mode"} if {
	input.resource.configuration.worldWritable
	not input.resource.configuration.sticky
}

not_applicable if not input.resource.configuration.type in {"file", "directory"}
