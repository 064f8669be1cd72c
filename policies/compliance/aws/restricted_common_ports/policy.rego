# METADATA
# title: Security groups do not open common ports to everyone
# description: >-
#   FTP, RDP and databases have no business on the internet. The ports are parameters, as in the
#   managed rule.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/restricted-common-ports.html]
# custom:
#   severity: high
#   resource_types: [AWS::EC2::SecurityGroup]
#   requires: [/configuration/ipPermissions]
#   parameters: {properties: {blockedPort1: {type: integer, minimum: 1, maximum: 65535, default: 20}, blockedPort2: {type: integer, minimum: 1, maximum: 65535, default: 21}, blockedPort3: {type: integer, minimum: 1, maximum: 65535, default: 3389}, blockedPort4: {type: integer, minimum: 1, maximum: 65535, default: 3306}, blockedPort5: {type: integer, minimum: 1, maximum: 65535, default: 4333}}}
#   controls: {aws-config: [restricted-common-ports]}
#   remediation: >-
#     Replace the range by known addresses, or put the service behind a private network.
package compliance.aws.restricted_common_ports

deny contains {"msg": $"port {port} is open to everyone", "path": $"/configuration/ipPermissions/{i}"} if {
	some i, permission in input.resource.configuration.ipPermissions
	everyone(permission)
	some name, port in input.parameters
	startswith(name, "blockedPort")
	covers(permission, port)
}

everyone(permission) if "0.0.0.0/0" in permission.ipRanges

everyone(permission) if {
	some range in permission.ipv4Ranges
	range.cidrIp == "0.0.0.0/0"
}

everyone(permission) if {
	some range in permission.ipv6Ranges
	range.cidrIpv6 == "::/0"
}

covers(permission, _) if permission.ipProtocol == "-1"

covers(permission, port) if {
	permission.ipProtocol in {"tcp", "6"}
	permission.fromPort <= port
	permission.toPort >= port
}
