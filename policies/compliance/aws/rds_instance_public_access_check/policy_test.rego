package compliance.aws.rds_instance_public_access_check_test

import data.compliance.aws.rds_instance_public_access_check

test_it_is_denied if {
	count(rds_instance_public_access_check.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publiclyAccessible": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(rds_instance_public_access_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publiclyAccessible": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}
