package alarms.aws.login_profile_changed_test

import data.alarms.aws.login_profile_changed

test_a_password_for_another_alarms if {
	count(login_profile_changed.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:CreateLoginProfile", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "backup"}}}
}

test_changing_one_alarms if {
	count(login_profile_changed.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "iam:UpdateLoginProfile", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "admin"}}}
}

test_ones_own_password_is_clean if {
	count(login_profile_changed.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "iam:UpdateLoginProfile", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve"}}}
}

test_a_user_with_a_path_is_clean if {
	count(login_profile_changed.alarm) == 0 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:UpdateLoginProfile", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/staff/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve"}}}
}

test_a_session_of_the_same_name_alarms if {
	count(login_profile_changed.alarm) == 1 with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "iam:UpdateLoginProfile", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:sts::111122223333:assumed-role/ops/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"userName": "eve"}}}
}
