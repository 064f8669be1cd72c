package alarms.aws.database_snapshot_shared_test

import data.alarms.aws.database_snapshot_shared

test_sharing_alarms if {
	count(database_snapshot_shared.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "rds:ModifyDBSnapshotAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"attributeName": "restore", "dBSnapshotIdentifier": "s", "valuesToAdd": ["999900001111"]}}}
}

test_taking_back_is_clean if {
	count(database_snapshot_shared.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "rds:ModifyDBSnapshotAttribute", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"attributeName": "restore", "dBSnapshotIdentifier": "s", "valuesToRemove": ["999900001111"]}}}
}
