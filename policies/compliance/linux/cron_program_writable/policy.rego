# METADATA
# title: Only root may change what cron runs as root
# description: >-
#   A script that root's cron runs and another user may write is a way to root that leaves the cron
#   tables untouched. Programs that are not recorded files are not judged; watch their folders.
# custom:
#   severity: high
#   resource_types: [Linux::Cron::Entry]
#   controls: {nist-800-53-r5: [AC-6, CM-5], mitre-attack: [T1053.003]}
#   remediation: Run `chown root:root PATH` and `chmod go-w PATH`.
package compliance.linux.cron_program_writable

deny contains {"msg": $"root's cron runs {file.path}, which user id {file.uid} owns", "path": "/configuration/command"} if {
	some file in programs
	file.uid != 0
}

deny contains {"msg": $"root's cron runs {file.path}, which others may write (mode {file.mode})", "path": "/configuration/command"} if {
	some file in programs
	true in {file.worldWritable, file.groupWritable}
}

not_applicable if input.resource.configuration.userName != "root"

not_applicable if input.resource.configuration.ignored

# Every absolute path in the command line may be run or read as a script.
programs contains file if {
	some word in split(input.resource.configuration.command, " ")
	startswith(word, "/")
	file := data.resources["Linux::File::File"][word].configuration
	file.type == "file"
}
