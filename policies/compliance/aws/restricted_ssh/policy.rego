# METADATA
# title: Security groups do not open SSH to everyone
# description: >-
#   A security group that lets any address reach port 22 is tried by scanners within minutes.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/restricted-ssh.html]
# custom:
#   severity: high
#   resource_types: [AWS::EC2::SecurityGroup]
#   requires: [/configuration/ipPermissions]
#   controls: {aws-config: [restricted-ssh], cis-aws-3.0.0: ["5.2"], pci-dss-4.0: ["1.3.1"]}
#   remediation: >-
#     Replace the range by the addresses that administrators come from, or use Session Manager.
package compliance.aws.restricted_ssh

deny contains {"msg": $"port 22 is open to {source}", "path": $"/configuration/ipPermissions/{i}"} if {
	some i, permission in input.resource.configuration.ipPermissions
	covers(permission)
	some source in sources(permission)
	source in {"0.0.0.0/0", "::/0"}
}

covers(permission) if permission.ipProtocol == "-1"

covers(permission) if {
	permission.ipProtocol in {"tcp", "6"}
	permission.fromPort <= 22
	permission.toPort >= 22
}

# Items of different ages write ranges as strings or as objects.
sources(permission) := ({s | some s in permission.ipRanges; is_string(s)} | {r.cidrIp | some r in permission.ipv4Ranges}) | {r.cidrIpv6 | some r in permission.ipv6Ranges}
