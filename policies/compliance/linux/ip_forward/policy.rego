# METADATA
# title: The machine does not route packets
# description: >-
#   A machine that forwards packets joins networks that were kept apart. Routers and hosts of
#   containers do so on purpose; waive the finding for them.
# custom:
#   severity: medium
#   resource_types: [Linux::Kernel::Parameter]
#   parameters: {properties: {names: {type: array, items: {type: string}, default: [net.ipv4.ip_forward, net.ipv6.conf.all.forwarding]}}}
#   controls: {cis-distribution-independent-linux-2.0.0: ["3.1.1"], nist-800-53-r5: [CM-7, SC-7]}
#   remediation: Write `net.ipv4.ip_forward = 0` into a file of /etc/sysctl.d and run `sysctl --system`.
package compliance.linux.ip_forward

deny contains {"msg": $"{input.resource.configuration.name} is {input.resource.configuration.value}: the machine routes packets", "path": "/configuration/value"} if {
	input.resource.configuration.number != 0
}

not_applicable if not input.resource.configuration.name in input.parameters.names
