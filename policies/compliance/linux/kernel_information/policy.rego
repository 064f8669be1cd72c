# METADATA
# title: The kernel tells users nothing that helps attackers
# description: >-
#   The kernel's log and its addresses, which anybody may read by default, save an attacker the guessing.
# related_resources: [https://docs.kernel.org/admin-guide/sysctl/kernel.html]
# custom:
#   severity: low
#   resource_types: [Linux::Kernel::Parameter]
#   parameters:
#     properties:
#       minimum: {type: object, additionalProperties: {type: integer}, default: {kernel.dmesg_restrict: 1, kernel.kptr_restrict: 1, kernel.perf_event_paranoid: 2}}
#   controls: {nist-800-53-r5: [SI-11, SI-16], mitre-attack: [T1082]}
#   remediation: Write the parameter with the value wanted into a file of /etc/sysctl.d and run `sysctl --system`.
package compliance.linux.kernel_information

deny contains {"msg": $"{input.resource.configuration.name} is {input.resource.configuration.value}; at least {wanted} is wanted", "path": "/configuration/value"} if {
	wanted := input.parameters.minimum[input.resource.configuration.name]
	input.resource.configuration.number < wanted
}

not_applicable if not input.resource.configuration.name in object.keys(input.parameters.minimum)
