# METADATA
# title: Programs with privileges leave no memory behind
# description: >-
#   A core dump of a set-user-id program can hold what only root may read, such as password hashes.
# related_resources: [https://docs.kernel.org/admin-guide/sysctl/fs.html#suid-dumpable]
# custom:
#   severity: medium
#   resource_types: [Linux::Kernel::Parameter]
#   controls: {cis-distribution-independent-linux-2.0.0: ["1.5.1"], nist-800-53-r5: [SC-4]}
#   remediation: Write `fs.suid_dumpable = 0` into a file of /etc/sysctl.d and run `sysctl --system`.
package compliance.linux.suid_dumpable

deny contains {"msg": $"fs.suid_dumpable is {input.resource.configuration.value}: set-user-id programs leave core dumps", "path": "/configuration/value"} if {
	input.resource.configuration.value != "0"
}

not_applicable if input.resource.configuration.name != "fs.suid_dumpable"
