# METADATA
# title: RDS instances store their data encrypted
# description: >-
#   Storage, backups and replicas of an unencrypted instance are readable by whoever gets at them.
#   With kmsKeyId set, the storage must be encrypted with that key.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/rds-storage-encrypted.html]
# custom:
#   severity: high
#   resource_types: [AWS::RDS::DBInstance]
#   requires: [/configuration/storageEncrypted]
#   parameters: {properties: {kmsKeyId: {type: string}}}
#   controls: {aws-config: [rds-storage-encrypted], cis-aws-3.0.0: ["2.3.1"]}
#   remediation: >-
#     Copy a snapshot with encryption and restore it.
package compliance.aws.rds_storage_encrypted

deny contains {"msg": $"database {input.resource.resourceId} is not encrypted", "path": "/configuration/storageEncrypted"} if {
	not input.resource.configuration.storageEncrypted == true
}

deny contains {"msg": $"database {input.resource.resourceId} is encrypted with {input.resource.configuration.kmsKeyId}", "path": "/configuration/kmsKeyId"} if {
	input.resource.configuration.storageEncrypted == true
	wanted := input.parameters.kmsKeyId
	not is_key(wanted)
}

# The key may be written as its ARN or as its id alone, here and there.
is_key(wanted) if {
	key := input.resource.configuration.kmsKeyId
	is_string(key)
	regex.replace(key, `^.*/`, "") == regex.replace(wanted, `^.*/`, "")
}
