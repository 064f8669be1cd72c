package compliance.aws.rds_multi_az_support_test

import data.compliance.aws.rds_multi_az_support

test_one_zone_is_denied if {
	count(rds_multi_az_support.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": false, "engine": "mysql", "availabilityZone": "eu-west-1a"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_several_zones_are_clean if {
	count(rds_multi_az_support.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": true, "engine": "mysql"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_aurora_is_not_judged if {
	rds_multi_az_support.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": false, "engine": "aurora-mysql"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_one_zone if {
	count(rds_multi_az_support.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": null, "engine": "mysql"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_documentdb_is_not_judged if {
	rds_multi_az_support.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": false, "engine": "docdb"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_neptune_is_not_judged if {
	rds_multi_az_support.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": false, "engine": "neptune"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_mysql_is_judged if {
	not rds_multi_az_support.not_applicable with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"multiAZ": false, "engine": "mysql"}, "supplementaryConfiguration": {}} with input.parameters as {}
}
