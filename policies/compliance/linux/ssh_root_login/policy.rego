# METADATA
# title: Nobody logs in as root over SSH
# description: >-
#   Whoever logs in as root leaves no trace of who it was, and root is the name that every attacker
#   tries first. With allow_keys, logging in with a key is accepted, which still keeps passwords out.
# related_resources: [https://man.openbsd.org/sshd_config#PermitRootLogin]
# custom:
#   severity: high
#   resource_types: [Linux::SSH::Server]
#   requires: [/configuration/permitRootLogin]
#   parameters: {properties: {allow_keys: {type: boolean, default: false}}}
#   controls: {cis-distribution-independent-linux-2.0.0: ["5.2.10"], nist-800-53-r5: [AC-6(2), IA-2]}
#   remediation: >-
#     Set `PermitRootLogin no` in sshd_config, reload sshd, and log in as a person who may use sudo.
package compliance.linux.ssh_root_login

deny contains {"msg": $"root may log in over SSH: PermitRootLogin is {login}", "path": "/configuration/permitRootLogin"} if {
	login := input.resource.configuration.permitRootLogin
	not login in accepted
}

# A Match block may let root in again for some connections.
deny contains {"msg": $"root may log in over SSH where {criteria}", "path": "/configuration/matches"} if {
	some match in input.resource.configuration.matches
	some setting in match.settings
	setting.keyword == "permitrootlogin"
	not lower(setting.values[0]) in accepted
	criteria := match.criteria
}

accepted contains "no"

accepted contains login if {
	input.parameters.allow_keys
	some login in ["prohibit-password", "without-password", "forced-commands-only"]
}
