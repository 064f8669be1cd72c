# METADATA
# title: The kernel has no module that nobody needs
# description: >-
#   Rare file systems and network protocols are the kernel's least tested parts, and any user can make
#   it load them. Modules that are not the kernel's own are the maker's word against yours.
# custom:
#   severity: medium
#   resource_types: [Linux::Kernel::Module]
#   parameters:
#     properties:
#       unwanted: {type: array, items: {type: string}, default: [cramfs, freevxfs, hfs, hfsplus, jffs2, dccp, sctp, rds, tipc, firewire_core, firewire_ohci]}
#       allow_unsigned: {type: boolean, default: false}
#   controls: {cis-distribution-independent-linux-2.0.0: ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "3.4.1", "3.4.2", "3.4.3", "3.4.4"], nist-800-53-r5: [CM-7, SI-7], mitre-attack: [T1547.006]}
#   remediation: >-
#     Unload it with `modprobe -r NAME`, and write `install NAME /bin/false` into a file of
#     /etc/modprobe.d.
package compliance.linux.kernel_modules

deny contains {"msg": $"the kernel module {input.resource.configuration.name} is loaded", "path": "/configuration/name"} if {
	input.resource.configuration.name in input.parameters.unwanted
}

deny contains {"msg": $"the kernel module {input.resource.configuration.name} bears no signature", "path": "/configuration/unsigned"} if {
	input.resource.configuration.unsigned
	not input.parameters.allow_unsigned
}
