package compliance.aws.db_instance_backup_enabled_test

import data.compliance.aws.db_instance_backup_enabled

test_no_backups_are_denied if {
	count(db_instance_backup_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 0}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1}
}

test_too_few_days_are_denied if {
	count(db_instance_backup_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 7}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 14}
}

test_a_week_is_clean if {
	count(db_instance_backup_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 7}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1}
}

test_a_replica_is_not_judged if {
	db_instance_backup_enabled.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 0, "readReplicaSourceDBInstanceIdentifier": "main"}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1}
}
