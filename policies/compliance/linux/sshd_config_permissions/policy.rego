# METADATA
# title: Only root may change the SSH server and read its keys
# description: >-
#   Whoever may write sshd's configuration decides who gets in; whoever may read its private keys can
#   pretend to be the server.
# custom:
#   severity: high
#   resource_types: [Linux::File::File]
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.2.1", "5.2.2"], nist-800-53-r5: [AC-3, SC-12]}
#   remediation: Run `chown root:root PATH`, and `chmod 0644` for configuration or `chmod 0600` for private keys.
package compliance.linux.sshd_config_permissions

deny contains {"msg": $"{file.path} belongs to user id {file.uid}, not to root", "path": "/configuration/uid"} if {
	file.uid != 0
}

deny contains {"msg": $"{file.path} can be written by others than root (mode {file.mode})", "path": "/configuration/mode"} if {
	true in {file.worldWritable, file.groupWritable}
}

deny contains {"msg": $"the private key {file.path} can be read by everybody (mode {file.mode})", "path": "/configuration/mode"} if {
	key
	file.worldReadable
}

not_applicable if {
	not configuration
	not key
}

not_applicable if file.type == "symlink"

configuration if file.path == "/etc/ssh/sshd_config"

configuration if startswith(file.path, "/etc/ssh/sshd_config.d")

key if glob.match("/etc/ssh/*_key", ["/"], file.path)

file := input.resource.configuration
