package compliance.aws.encrypted_volumes_test

import data.compliance.aws.encrypted_volumes

test_an_unencrypted_volume_is_denied if {
	count(encrypted_volumes.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": false, "state": "in-use"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_another_key_is_denied if {
	count(encrypted_volumes.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": true, "state": "in-use", "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/a"}, "supplementaryConfiguration": {}} with input.parameters as {"kmsId": "b"}
}

test_an_encrypted_volume_is_clean if {
	count(encrypted_volumes.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": true, "state": "in-use"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_the_wanted_key_is_clean if {
	count(encrypted_volumes.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": true, "state": "in-use", "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/a"}, "supplementaryConfiguration": {}} with input.parameters as {"kmsId": "a"}
}

test_an_unattached_volume_is_not_judged if {
	encrypted_volumes.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": false, "attachments": []}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_not_encrypted if {
	count(encrypted_volumes.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_key_by_its_arn_is_clean if {
	count(encrypted_volumes.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": true, "kmsKeyId": "a"}, "supplementaryConfiguration": {}} with input.parameters as {"kmsId": "arn:aws:kms:eu-west-1:1:key/a"}
}

test_no_key_is_denied if {
	count(encrypted_volumes.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": true, "kmsKeyId": null}, "supplementaryConfiguration": {}} with input.parameters as {"kmsId": "a"}
}

test_no_attachments_are_not_judged if {
	encrypted_volumes.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": false, "attachments": null}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_attached_volume_is_judged if {
	not encrypted_volumes.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"encrypted": false, "attachments": [{"instanceId": "i-1"}]}, "supplementaryConfiguration": {}} with input.parameters as {}
}
