# METADATA
# title: No outdated network services are installed
# description: Servers and clients that send passwords in the clear wait only to be started.
# custom:
#   severity: medium
#   resource_types: [Linux::Package::Package]
#   parameters:
#     properties:
#       names: {type: array, items: {type: string}, default: [telnetd, telnet-server, inetutils-telnetd, rsh-server, rsh-redone-server, rsh-client, rsh, talk, talkd, talk-server, nis, ypserv, ypbind, tftpd, tftpd-hpa, tftp-server, xinetd, openbsd-inetd]}
#   controls: {cis-distribution-independent-linux-2.0.0: ["2.1.10", "2.3.1", "2.3.2", "2.3.3"], nist-800-53-r5: [CM-7]}
#   remediation: Remove the package with apt purge, dnf remove or apk del.
package compliance.linux.unwanted_packages

deny contains {"msg": $"the package {input.resource.configuration.name} is installed", "path": "/configuration/name"} if {
	input.resource.configuration.installed
	input.resource.configuration.name in input.parameters.names
}
