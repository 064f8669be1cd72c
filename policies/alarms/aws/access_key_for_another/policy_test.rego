package alarms.aws.access_key_for_another_test

import data.alarms.aws.access_key_for_another

test_a_key_for_another_alarms if {
	count(access_key_for_another.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:CreateAccessKey", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "backup"}}}
}

test_a_key_for_oneself_is_clean if {
	count(access_key_for_another.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "iam:CreateAccessKey", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve"}}}
}

test_a_user_with_a_path_is_clean if {
	count(access_key_for_another.alarm) == 0 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:CreateAccessKey", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/staff/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve"}}}
}

test_a_session_of_the_same_name_alarms if {
	count(access_key_for_another.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:CreateAccessKey", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:sts::111122223333:assumed-role/ops/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve"}}}
}
