package compliance.aws.redshift_cluster_public_access_check_test

import data.compliance.aws.redshift_cluster_public_access_check

test_it_is_denied if {
	count(redshift_cluster_public_access_check.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publiclyAccessible": true}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_it_is_clean if {
	count(redshift_cluster_public_access_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"publiclyAccessible": false}, "supplementaryConfiguration": {}} with input.parameters as {}
}
