package compliance.aws.rds_storage_encrypted_test

import data.compliance.aws.rds_storage_encrypted

test_it_is_denied if {
	count(rds_storage_encrypted.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"storageEncrypted": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(rds_storage_encrypted.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"storageEncrypted": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_not_encrypted if {
	count(rds_storage_encrypted.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"storageEncrypted": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_another_key_is_denied if {
	count(rds_storage_encrypted.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"storageEncrypted": true, "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/a"}, "supplementaryConfiguration": {}} with input.parameters as {"kmsKeyId": "b"}
}

test_the_wanted_key_is_clean if {
	count(rds_storage_encrypted.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"storageEncrypted": true, "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/a"}, "supplementaryConfiguration": {}} with input.parameters as {"kmsKeyId": "a"}
}
