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

test_another_period_is_denied if {
	count(db_instance_backup_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 30}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "backupRetentionPeriod": 7}
}

test_the_wanted_period_is_clean if {
	count(db_instance_backup_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 7}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "backupRetentionPeriod": 7}
}

test_another_window_is_denied if {
	count(db_instance_backup_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 7, "preferredBackupWindow": "08:50-09:20"}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "preferredBackupWindow": "02:00-03:00"}
}

test_no_window_is_denied if {
	count(db_instance_backup_enabled.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 7, "preferredBackupWindow": null}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "preferredBackupWindow": "02:00-03:00"}
}

test_the_wanted_window_is_clean if {
	count(db_instance_backup_enabled.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 7, "preferredBackupWindow": "02:00-03:00"}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "preferredBackupWindow": "02:00-03:00"}
}

test_no_source_is_no_replica if {
	not db_instance_backup_enabled.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 0, "readReplicaSourceDBInstanceIdentifier": null}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "checkReadReplicas": false}
}

test_a_replica_is_denied_once if {
	count(db_instance_backup_enabled.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 0, "readReplicaSourceDBInstanceIdentifier": "main"}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "checkReadReplicas": true}
}

test_an_instance_without_a_source_is_judged if {
	not db_instance_backup_enabled.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"backupRetentionPeriod": 0}, "supplementaryConfiguration": {}} with input.parameters as {"backupRetentionMinimum": 1, "checkReadReplicas": false}
}
