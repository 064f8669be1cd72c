# METADATA
# title: Only root may change the program of a service
# description: >-
#   Whoever may write to the program of a running service is that service after its next start, and root
#   if it runs as root. The program's owner may be the service's own user.
# custom:
#   severity: high
#   resource_types: [Linux::Process::Process]
#   requires: [/configuration/executable]
#   controls: {nist-800-53-r5: [AC-6, CM-5, SI-7], mitre-attack: [T1574.010]}
#   remediation: Run `chown root:root PATH` and `chmod go-w PATH`.
package compliance.linux.service_program_writable

deny contains {"msg": $"everybody may write to {file.path}, the program of {process.name}", "path": "/configuration/executable"} if file.worldWritable

deny contains {"msg": $"group id {file.gid} may write to {file.path}, the program of {process.name}", "path": "/configuration/executable"} if {
	file.groupWritable
	file.gid != 0
}

deny contains {"msg": $"{file.path}, the program of {process.name}, belongs to user id {file.uid}", "path": "/configuration/executable"} if {
	not file.uid in {0, process.uid}
}

not_applicable if process.container

process := input.resource.configuration

file := data.resources["Linux::File::File"][process.executable].configuration
