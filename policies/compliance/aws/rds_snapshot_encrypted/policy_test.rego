package compliance.aws.rds_snapshot_encrypted_test

import data.compliance.aws.rds_snapshot_encrypted

test_it_is_denied if {
	count(rds_snapshot_encrypted.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBSnapshot", "configuration": {"encrypted": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(rds_snapshot_encrypted.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBSnapshot", "configuration": {"encrypted": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_not_encrypted if {
	count(rds_snapshot_encrypted.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBSnapshot", "configuration": {"encrypted": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_cluster_snapshot_is_denied if {
	count(rds_snapshot_encrypted.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBClusterSnapshot", "configuration": {"storageEncrypted": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_cluster_snapshot_is_clean if {
	count(rds_snapshot_encrypted.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "AWS::RDS::DBClusterSnapshot", "configuration": {"storageEncrypted": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}
