package compliance.aws.rds_snapshots_public_prohibited_test

import data.compliance.aws.rds_snapshots_public_prohibited

test_a_public_snapshot_is_denied if {
	count(rds_snapshots_public_prohibited.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBSnapshot", "configuration": {}, "supplementaryConfiguration": {"DBSnapshotAttributes": [{"attributeName": "restore", "attributeValues": ["all"]}]}} with input.parameters as {}
}

test_a_shared_snapshot_is_clean if {
	count(rds_snapshots_public_prohibited.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBSnapshot", "configuration": {}, "supplementaryConfiguration": {"DBSnapshotAttributes": [{"attributeName": "restore", "attributeValues": ["111122223333"]}]}} with input.parameters as {}
}

test_a_public_cluster_snapshot_is_denied if {
	count(rds_snapshots_public_prohibited.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBClusterSnapshot", "configuration": {}, "supplementaryConfiguration": {"DBClusterSnapshotAttributes": [{"attributeName": "restore", "attributeValues": ["all"]}]}} with input.parameters as {}
}

test_a_shared_cluster_snapshot_is_clean if {
	count(rds_snapshots_public_prohibited.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBClusterSnapshot", "configuration": {}, "supplementaryConfiguration": {"DBClusterSnapshotAttributes": [{"attributeName": "restore", "attributeValues": ["123456789012"]}]}} with input.parameters as {}
}
