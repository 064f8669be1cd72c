# METADATA
# title: Nobody redirects the machine's packets
# description: >-
#   With a forged ICMP redirect, a neighbour leads the machine's packets through itself. The settings
#   for all and for new interfaces are judged.
# custom:
#   severity: medium
#   resource_types: [Linux::Kernel::Parameter]
#   controls: {cis-distribution-independent-linux-2.0.0: ["3.2.2"], nist-800-53-r5: [SC-7], mitre-attack: [T1557]}
#   remediation: >-
#     Write `net.ipv4.conf.all.accept_redirects = 0` and the same for `default` and `ipv6` into a file
#     of /etc/sysctl.d and run `sysctl --system`.
package compliance.linux.icmp_redirects

deny contains {"msg": $"{input.resource.configuration.name} is {input.resource.configuration.value}: redirects are followed", "path": "/configuration/value"} if {
	input.resource.configuration.number != 0
}

not_applicable if not regex.match(`^net\.ipv[46]\.conf\.(all|default)\.accept_redirects$`, input.resource.configuration.name)
