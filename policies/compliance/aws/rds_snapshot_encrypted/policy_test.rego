package compliance.aws.rds_snapshot_encrypted_test

import data.compliance.aws.rds_snapshot_encrypted

test_it_is_denied if {
	count(rds_snapshot_encrypted.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(rds_snapshot_encrypted.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}
