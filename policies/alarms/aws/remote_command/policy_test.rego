package alarms.aws.remote_command_test

import data.alarms.aws.remote_command

test_a_command_alarms if {
	count(remote_command.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ssm:SendCommand", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"documentName": "AWS-RunShellScript"}}}
}

test_a_session_alarms if {
	count(remote_command.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ssm:StartSession", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"target": "i-1"}}}
}

test_looking_around_is_clean if {
	count(remote_command.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ssm:DescribeInstanceInformation", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}
