package compliance.aws.ec2_instances_in_vpc_test

import data.compliance.aws.ec2_instances_in_vpc

test_no_network_is_denied if {
	count(ec2_instances_in_vpc.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_another_network_is_denied if {
	count(ec2_instances_in_vpc.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"vpcId": "vpc-1"}, "supplementaryConfiguration": {}} with input.parameters as {"vpcId": "vpc-2"}
}

test_a_network_is_clean if {
	count(ec2_instances_in_vpc.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"vpcId": "vpc-1"}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_null_is_no_vpc if {
	count(ec2_instances_in_vpc.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"vpcId": null}, "supplementaryConfiguration": {}} with input.parameters as {"vpcId": "vpc-1"}
}

test_empty_is_no_vpc if {
	count(ec2_instances_in_vpc.deny) == 1 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"vpcId": ""}, "supplementaryConfiguration": {}} with input.parameters as {}
}
