# METADATA
# title: Files belong to accounts that exist
# description: >-
#   A file whose owner is only a number is left over from an account that is gone. The next account that
#   is given the number owns it.
# custom:
#   severity: medium
#   resource_types: [Linux::File::File]
#   controls: {cis-distribution-independent-linux-2.0.0: ["6.1.11", "6.1.12"], nist-800-53-r5: [AC-2, AC-3]}
#   remediation: Give the file to an account that exists, with chown.
package compliance.linux.file_owner

deny contains {"msg": $"{file.path} belongs to user id {file.uid}, which is no account", "path": "/configuration/uid"} if not file.owner

deny contains {"msg": $"{file.path} belongs to group id {file.gid}, which is no group", "path": "/configuration/gid"} if not file.group

file := input.resource.configuration
