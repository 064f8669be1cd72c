# METADATA
# title: Addresses are randomised
# description: >-
#   Programs whose parts lie at the same addresses every time are easier to take over. The kernel
#   randomises all of them at 2.
# related_resources: [https://docs.kernel.org/admin-guide/sysctl/kernel.html#randomize-va-space]
# custom:
#   severity: high
#   resource_types: [Linux::Kernel::Parameter]
#   controls: {cis-distribution-independent-linux-2.0.0: ["1.5.3"], nist-800-53-r5: [SI-16]}
#   remediation: Write `kernel.randomize_va_space = 2` into a file of /etc/sysctl.d and run `sysctl --system`.
package compliance.linux.aslr

deny contains {"msg": $"kernel.randomize_va_space is {input.resource.configuration.value}, not 2", "path": "/configuration/value"} if {
	input.resource.configuration.value != "2"
}

not_applicable if input.resource.configuration.name != "kernel.randomize_va_space"
