# METADATA
# title: SSH offers no broken algorithms
# description: >-
#   A server that still offers broken ciphers, hashes or key exchanges can be talked into using them.
#   Patterns end in * where they stand for all names that begin so.
# related_resources: [https://man.openbsd.org/sshd_config#Ciphers]
# custom:
#   severity: medium
#   resource_types: [Linux::SSH::Server]
#   requires: [/configuration/ciphers]
#   parameters:
#     properties:
#       ciphers: {type: array, items: {type: string}, default: ["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "arcfour*", "blowfish-cbc", "cast128-cbc", "rijndael-cbc*"]}
#       macs: {type: array, items: {type: string}, default: ["hmac-md5*", "hmac-sha1-96*", "hmac-ripemd160*", "umac-64@openssh.com"]}
#       kex: {type: array, items: {type: string}, default: ["diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"]}
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.2.13", "5.2.14", "5.2.15"], nist-800-53-r5: [SC-8, SC-13]}
#   remediation: >-
#     Take the algorithms out with `Ciphers -…`, `MACs -…` and `KexAlgorithms -…` in sshd_config, and
#     reload sshd.
package compliance.linux.ssh_algorithms

deny contains {"msg": $"SSH offers the cipher {name}", "path": "/configuration/ciphers"} if {
	some name in input.resource.configuration.ciphers
	listed(name, input.parameters.ciphers)
}

deny contains {"msg": $"SSH offers the message authentication code {name}", "path": "/configuration/macs"} if {
	some name in input.resource.configuration.macs
	listed(name, input.parameters.macs)
}

deny contains {"msg": $"SSH offers the key exchange {name}", "path": "/configuration/kexAlgorithms"} if {
	some name in input.resource.configuration.kexAlgorithms
	listed(name, input.parameters.kex)
}

listed(name, patterns) if name in patterns

listed(name, patterns) if {
	some pattern in patterns
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}
