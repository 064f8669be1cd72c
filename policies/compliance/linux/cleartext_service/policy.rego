# METADATA
# title: No service sends passwords in the clear
# description: >-
#   telnet, FTP and the r-commands show passwords, or trust addresses, to everybody on the way. Services
#   that only the machine itself can reach are not judged.
# custom:
#   severity: high
#   resource_types: [Linux::Network::Listener]
#   parameters:
#     properties:
#       services:
#         type: object
#         additionalProperties: {type: string}
#         default: {tcp/21: FTP, tcp/23: telnet, tcp/79: finger, tcp/512: rexec, tcp/513: rlogin, tcp/514: rsh, udp/69: TFTP}
#   controls: {cis-distribution-independent-linux-2.0.0: ["2.1.6", "2.1.8", "2.1.9"], nist-800-53-r5: [CM-7, SC-8], mitre-attack: [T1040]}
#   remediation: Stop and remove the service; use SSH, SFTP or TLS instead.
package compliance.linux.cleartext_service

deny contains {"msg": $"{service} listens at {listener.address} port {listener.port}", "path": "/configuration/port"} if {
	place := $"{listener.protocol}/{listener.port}"
	service := input.parameters.services[place]
}

not_applicable if listener.loopback

listener := input.resource.configuration
