package alarms.aws.secrets_read_burst_test

import data.alarms.aws.secrets_read_burst

test_a_secret_is_read if {
	count(secrets_read_burst.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "secretsmanager:GetSecretValue", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"secretId": "db"}}}
}

test_a_batch_is_read if {
	count(secrets_read_burst.alarm) == 1 with input.event as {"id": "e-2", "source": "aws.cloudtrail", "action": "secretsmanager:BatchGetSecretValue", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"eventID": "b-1", "requestParameters": {"filters": [{"key": "tag-key"}]}}}
}

test_a_refused_read_is_clean if {
	count(secrets_read_burst.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "secretsmanager:GetSecretValue", "outcome": "failure", "error": {"code": "AccessDenied"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_listing_is_clean if {
	count(secrets_read_burst.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "secretsmanager:ListSecrets", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_the_secret_is_the_value if {
	{m.value | some m in secrets_read_burst.alarm} == {"db"} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "secretsmanager:GetSecretValue", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"secretId": "db"}}}
}

test_each_secret_of_a_batch_counts if {
	{m.value | some m in secrets_read_burst.alarm} == {"a", "b"} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "secretsmanager:BatchGetSecretValue", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"secretIdList": ["a", "b"]}}}
}

test_each_filtered_batch_counts if {
	{m.value | some m in secrets_read_burst.alarm} == {"e-1"} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "secretsmanager:BatchGetSecretValue", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"filters": []}}}
}
