package alarms.aws.lambda_backdoor_test

import data.alarms.aws.lambda_backdoor

test_opening_to_everyone_alarms if {
	count(lambda_backdoor.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "lambda:AddPermission20150331v2", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"functionName": "f", "principal": "*"}}}
}

test_a_new_layer_alarms if {
	count(lambda_backdoor.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "lambda:UpdateFunctionConfiguration20150331v2", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"functionName": "f", "layers": ["arn:aws:lambda:eu-west-1:1:layer:x:1"]}}}
}

test_new_code_alarms if {
	count(lambda_backdoor.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "lambda:UpdateFunctionCode20150331v2", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"functionName": "f"}}}
}

test_opening_to_a_service_is_clean if {
	count(lambda_backdoor.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "lambda:AddPermission20150331v2", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"functionName": "f", "principal": "s3.amazonaws.com"}}}
}

test_another_setting_is_clean if {
	count(lambda_backdoor.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "lambda:UpdateFunctionConfiguration20150331v2", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"functionName": "f", "timeout": 30}}}
}
