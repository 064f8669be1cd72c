package alarms.aws.ssm_parameters_decrypted_test

import data.alarms.aws.ssm_parameters_decrypted

test_decryption_counts if {
	count(ssm_parameters_decrypted.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ssm:GetParameters", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"names": ["a"], "withDecryption": true}}}
}

test_reading_without_decryption_is_clean if {
	count(ssm_parameters_decrypted.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ssm:GetParameters", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"names": ["a"], "withDecryption": false}}}
}
