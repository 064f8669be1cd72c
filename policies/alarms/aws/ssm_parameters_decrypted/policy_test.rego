package alarms.aws.ssm_parameters_decrypted_test

import data.alarms.aws.ssm_parameters_decrypted

test_decryption_counts if {
	count(ssm_parameters_decrypted.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ssm:GetParameters", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"names": ["a"], "withDecryption": true}}}
}

test_reading_without_decryption_is_clean if {
	count(ssm_parameters_decrypted.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ssm:GetParameters", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"names": ["a"], "withDecryption": false}}}
}

test_the_names_are_the_value if {
	{m.value | some m in ssm_parameters_decrypted.alarm} == {["a", "b"]} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ssm:GetParameters", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"names": ["a", "b"], "withDecryption": true}}}
}

test_the_path_is_the_value if {
	{m.value | some m in ssm_parameters_decrypted.alarm} == {"/prod"} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ssm:GetParametersByPath", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"path": "/prod", "withDecryption": true}}}
}
