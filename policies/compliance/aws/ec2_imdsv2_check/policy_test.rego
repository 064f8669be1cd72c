package compliance.aws.ec2_imdsv2_check_test

import data.compliance.aws.ec2_imdsv2_check

test_optional_tokens_are_denied if {
	count(ec2_imdsv2_check.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"metadataOptions": {"httpTokens": "optional", "httpEndpoint": "enabled"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_required_tokens_are_clean if {
	count(ec2_imdsv2_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"metadataOptions": {"httpTokens": "required", "httpEndpoint": "enabled"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_disabled_service_is_clean if {
	count(ec2_imdsv2_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"metadataOptions": {"httpTokens": "optional", "httpEndpoint": "disabled"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_an_unknown_endpoint_is_denied if {
	count(ec2_imdsv2_check.deny) > 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"metadataOptions": {"httpTokens": "optional"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}

test_a_closed_endpoint_is_clean if {
	count(ec2_imdsv2_check.deny) == 0 with input.resource as {"resourceId": "x", "resourceType": "", "configuration": {"metadataOptions": {"httpTokens": "optional", "httpEndpoint": "disabled"}}, "supplementaryConfiguration": {}} with input.parameters as {}
}
