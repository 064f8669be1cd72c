package alarms.aws.password_data_burst_test

import data.alarms.aws.password_data_burst

test_password_data_is_asked_for if {
	count(password_data_burst.alarm) == 1 with input.event as {"source": "aws.cloudtrail", "action": "ec2:GetPasswordData", "outcome": "failure", "error": {"code": "Client.UnauthorizedOperation"}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceId": "i-1"}}}
}

test_another_call_is_clean if {
	count(password_data_burst.alarm) == 0 with input.event as {"source": "aws.cloudtrail", "action": "ec2:DescribeInstances", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {}}
}

test_the_instance_is_the_value if {
	{m.value | some m in password_data_burst.alarm} == {"i-1"} with input.event as {"id": "e-1", "source": "aws.cloudtrail", "action": "ec2:GetPasswordData", "outcome": "success", "error": {}, "actor": {"id": "arn:aws:iam::111122223333:user/eve"}, "origin": {"address": "198.51.100.7"}, "targets": [], "accountId": "111122223333", "detail": {"requestParameters": {"instanceId": "i-1"}}}
}
