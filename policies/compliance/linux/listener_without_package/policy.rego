# METADATA
# title: What listens to the network comes from a package
# description: >-
#   A program that no package manager installed gets no updates, and may be somebody else's. Containers
#   have packages of their own and are not judged, nor are listeners that only the machine can reach.
# custom:
#   severity: medium
#   resource_types: [Linux::Network::Listener]
#   requires: [/configuration/processes]
#   parameters: {properties: {trusted_folders: {type: array, items: {type: string}, default: []}}}
#   controls: {nist-800-53-r5: [CM-7(5), SI-2, SI-7], mitre-attack: [T1205, T1571]}
#   remediation: >-
#     Find out what the program is. Install it from a package, or add its folder to trusted_folders.
package compliance.linux.listener_without_package

deny contains {"msg": $"{process.executable}, which no package installed, listens at {listener.address} port {listener.port} ({listener.protocol})", "path": $"/configuration/processes/{i}"} if {
	some i, id in listener.processes
	process := data.resources["Linux::Process::Process"][id].configuration
	process.executable
	not process.package
	not process.container
	not trusted(process.executable)
}

not_applicable if listener.loopback

trusted(executable) if {
	some folder in input.parameters.trusted_folders
	startswith(executable, $"{trim_right(folder, "/")}/")
}

listener := input.resource.configuration
